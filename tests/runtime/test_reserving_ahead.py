"""How many jobs a queue reserves before it can run them, and what becomes of these."""

import threading
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.events import JobStarted, JobSucceeded
from bgjobs.runtime import fetch
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(number: int) -> None:
    """Ends well."""


async def test_a_queue_goes_on_when_what_held_it_up_is_committed(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many ends wait for their commit, and no slot has anything to do by then."""
    monkeypatch.setattr(fetch, "MOST_UNSETTLED", 2)
    real, may_commit = app.database.store(), threading.Event()

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        assert not settle or may_commit.wait(60)
        return real.write(enqueue, settle, **kwargs)

    store = Wrapped(real, write=write)
    async with bgjobs.run(app.config(note, store=store, queue={"concurrency": 1})) as bg:
        await bg.enqueue_many([note.request(number) for number in range(20)])
        await app.recorder.wait_for(JobStarted, 3)
        await anyio.wait_all_tasks_blocked()
        started = len(app.recorder.of(JobStarted))
        may_commit.set()
        await app.recorder.wait_for(JobSucceeded, 20)
    assert started < 20
