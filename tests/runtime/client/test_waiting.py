"""`wait_for` and `drain`."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, Job, SucceededJob
from bgjobs._core.outcomes import put_back
from bgjobs.errors import StoreUnavailableError, UnknownJobError
from bgjobs.events import Event, JobStarted, StoreResponded
from bgjobs.stores.types import NewJob, Owner
from tests.runtime.conftest import Harness, Wrapped, virtual_time

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def fine() -> None:
    """Succeed."""


@bgjobs.worker
async def broken() -> None:
    raise ValueError("no")


async def test_wait_for_returns_jobs_of_this_process_and_of_another(app: Harness) -> None:
    config = app.config(fine, broken, queue={"max_retries": 0})
    producer = app.config(queues=[], enqueue_only=[fine, broken])
    async with bgjobs.run(config) as bg, bgjobs.run(producer) as elsewhere:
        for waiting in (bg, elsewhere):
            good = await elsewhere.enqueue(fine.request())
            bad = await elsewhere.enqueue(broken.request())
            assert isinstance(await waiting.wait_for(good), SucceededJob)
            assert isinstance(await waiting.wait_for(bad.id), FailedJob)


async def test_wait_for_returns_an_ended_job_at_once_and_refuses_an_unknown_one(
    sqlite_app: Harness,
) -> None:
    async with bgjobs.run(sqlite_app.config(fine)) as bg:
        job = await bg.enqueue(fine.request())
        assert await bg.wait_for(job) == await bg.wait_for(job)
        with pytest.raises(UnknownJobError):
            await bg.wait_for(new_id())


@virtual_time
async def test_cancelling_wait_for_does_not_change_the_job(virtual_app: Harness) -> None:
    async with bgjobs.run(virtual_app.config(fine)) as bg:
        job = await bg.enqueue(fine.request().available_in(hours=1))
        with anyio.move_on_after(60) as scope:
            await bg.wait_for(job)
        assert scope.cancelled_caught
        assert bg._services.wakeups._endings == []
        assert isinstance(await bg.wait_for(job), SucceededJob)


PATIENCE = 30.0
"""Seconds; reached only if the test fails."""


class HandOver:
    """Another owner releases a job while `drain` checks, and the queue reserves it at once.

    The queue has the answer of its reservation only after `drain` has that of its last check.
    """

    def __init__(self, app: Harness, *, loses_the_answer: bool) -> None:
        self._real, self._other = app.database.store(), app.open_store()
        self._other.migrate()
        self._loses_the_answer = loses_the_answer
        self._given_back = False
        self._reserved, self._answered = threading.Event(), threading.Event()
        verbs = {verb: self._asked(verb) for verb in ("count", "list")}
        self.store = Wrapped(self._real, reserve=self.reserve, **verbs)

    def begin(self) -> Job:
        """Store a job that another owner has reserved."""
        owner = Owner(new_id(), "other", "elsewhere")
        self._other.open_owner(owner, timedelta(minutes=1))
        self._other.write([NewJob(new_id(), fine.request())])
        [self._held] = self._other.reserve(owner.id, ["fine"], 1)
        return self._held

    def hear(self, event: Event) -> None:
        """Note, on the event loop, that `drain` has received an answer of the store."""
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
async def test_drain_waits_for_a_job_that_is_reserved_while_it_checks(
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


@bgjobs.worker
async def forever() -> None:
    await anyio.sleep_forever()


async def test_drain_ends_when_the_application_is_stopped(app: Harness) -> None:
    async with bgjobs.run(app.config(forever, grace=0)) as bg:
        await bg.enqueue(forever.request())
        await app.recorder.wait_for(JobStarted)
        async with anyio.create_task_group() as group:
            group.start_soon(assert_not_drained, bg)
            await anyio.wait_all_tasks_blocked()
            bg.stop()


async def assert_not_drained(bg: bgjobs.BgJobs) -> None:
    assert await bg.drain() is False
