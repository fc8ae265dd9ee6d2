"""`BgJobs.drain` ends when nothing is due or running, also where answers come late."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, SucceededJob
from bgjobs._core.outcomes import put_back
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import Event, StoreResponded
from bgjobs.stores.types import NewJob, Owner
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio

PATIENCE = 30.0
"""Seconds; a safety net."""


@bgjobs.worker
async def fine() -> None:
    """End well."""


class HandOver:
    """Another owner gives a job back while a drain looks, and the queue reserves it at once.

    The queue hears of that only when the drain has heard the answer to its last question.
    """

    def __init__(self, app: Harness, *, loses_the_answer: bool) -> None:
        self._real, self._other = app.database.store(), app.open_store()
        self._other.migrate()
        self._loses_the_answer = loses_the_answer
        self._given_back = False
        self._reserved, self._answered = threading.Event(), threading.Event()
        verbs = {verb: self._asked(verb) for verb in ("count", "get_running")}
        self.store = Wrapped(self._real, reserve=self.reserve, **verbs)

    def begin(self) -> Job:
        """Store a job that another owner has reserved."""
        owner = Owner(new_id(), "other", "elsewhere")
        self._other.open_owner(owner, timedelta(minutes=1))
        self._other.write([NewJob(new_id(), fine.request())])
        [self._held] = self._other.reserve(owner.id, ["fine"], 1)
        return self._held

    def hear(self, event: Event) -> None:
        """Hear of every answer on the event loop, where the drain goes on with it."""
        verb = event.verb if isinstance(event, StoreResponded) else None
        if verb in ("count", "next_due") and self._reserved.is_set():
            self._answered.set()

    def reserve(self, *args: Any, **options: Any) -> Sequence[Job]:
        jobs = self._real.reserve(*args, **options)
        if jobs and not self._reserved.is_set():
            self._reserved.set()
            assert self._answered.wait(PATIENCE)
            if self._loses_the_answer:
                raise StoreUnavailableError("connection lost after the commit")
        return jobs

    def _asked(self, name: str) -> Any:
        real = getattr(self._real, name)

        def verb(*args: Any, **options: Any) -> Any:
            if self._given_back:
                return real(*args, **options)
            self._given_back = True
            self._other.write((), [put_back(self._held)])
            answer = real(*args, **options)
            assert self._reserved.wait(PATIENCE)
            return answer

        verb.__name__ = name
        return verb

    def close(self) -> None:
        self._other.close()


@pytest.mark.parametrize("loses_the_answer", [False, True])
async def test_it_waits_for_what_is_reserved_while_it_looks(
    app: Harness, loses_the_answer: bool
) -> None:
    over = HandOver(app, loses_the_answer=loses_the_answer)
    job = over.begin()
    config = app.config(
        store=over.store,
        queues=[bgjobs.Queue("default", workers=[fine], poll_interval=0.02)],
        listeners=[over.hear],
    )
    async with bgjobs.run(config) as bg:
        await bg.drain()
        assert bg.queue("default").running == ()
        assert isinstance(await bg.find(job.id), SucceededJob)
    over.close()
