"""How applications end beside threads, slow stores and each other."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._runtime.persistence import group_commit
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import ChildCrashed, JobStarted, JobSucceeded
from tests.fixtures.databases import SQLiteFile
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def forever() -> None:
    await anyio.sleep_forever()


@bgjobs.worker
async def note(number: int) -> None:
    """Ends well."""


async def test_the_lease_outlives_a_cancellation_until_the_thread_of_a_handler_has_ended(
    app: Harness,
) -> None:
    begun, release, beats = threading.Event(), threading.Event(), list[int]()

    @bgjobs.worker
    def stubborn() -> None:
        begun.set()
        assert release.wait(60)

    def heartbeat(owners: Any, *args: Any, **kwargs: Any) -> Any:
        beats.append(len(owners))
        if after_cancel.is_set() and beats[-1]:
            release.set()
        return real.heartbeat(owners, *args, **kwargs)

    real, after_cancel = app.database.store(), threading.Event()
    config = app.config(stubborn, store=Wrapped(real, heartbeat=heartbeat), lease=3.0)
    with anyio.CancelScope() as scope:
        async with bgjobs.run(config) as bg:
            await bg.enqueue(stubborn.request())
            await anyio.to_thread.run_sync(begun.wait)
            after_cancel.set()
            scope.cancel()
    assert release.is_set()


async def test_a_settlement_may_wait_for_as_long_as_the_lease_is_renewed(app: Harness) -> None:
    """Writes that take longer than a lease cost nothing while the heartbeat gets through."""
    real = app.database.store()
    beats = threading.Semaphore(0)

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        for _ in range(7 if settle else 0):  # at two a second, more than a lease
            assert beats.acquire(timeout=60)
        return real.write(enqueue, settle, **kwargs)

    def heartbeat(*args: Any, **kwargs: Any) -> Any:
        beats.release()
        return real.heartbeat(*args, **kwargs)

    store = Wrapped(real, write=write, heartbeat=heartbeat)
    config = app.config(note, store=store, lease=3.0, heartbeat_interval=0.5)
    async with bgjobs.run(config) as bg:
        await bg.enqueue(note.request(1))
        await app.recorder.wait_for(JobSucceeded)
    assert app.recorder.of(ChildCrashed) == []
    assert len(app.recorder.of(JobStarted)) == 1


async def test_the_grace_begins_at_once_although_the_store_takes_its_time(app: Harness) -> None:
    real = app.database.store()
    asked, answer = threading.Event(), threading.Event()

    def reserve(*args: Any, **kwargs: Any) -> Any:
        if real.get_running():
            asked.set()
            assert answer.wait(60)
        return real.reserve(*args, **kwargs)

    @bgjobs.worker
    async def until_cancelled() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            answer.set()

    store = Wrapped(real, reserve=reserve)
    async with bgjobs.run(app.config(until_cancelled, store=store, grace=0)) as bg:
        await bg.enqueue(until_cancelled.request())
        await app.recorder.wait_for(JobStarted)
        await bg.enqueue(until_cancelled.request())
        await anyio.to_thread.run_sync(asked.wait)
    assert answer.is_set()


async def test_a_look_up_that_fails_fails_its_own_write_only(app: Harness) -> None:
    """After a lost answer it is asked what became of a job, and the answer cannot be read."""
    real = app.database.store()
    lost = [StoreUnavailableError("lost")]

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        written = real.write(enqueue, settle, **kwargs)
        if settle and lost:
            raise lost.pop()
        return written

    def find(job_id: Any) -> Any:
        raise StoreError("cannot be read")

    store = Wrapped(real, write=write, find=find)
    async with bgjobs.run(app.config(note, store=store, queue={"concurrency": 1})) as bg:
        await bg.enqueue(note.request(1))
        await app.recorder.wait_for(ChildCrashed)
        await bg.enqueue(note.request(2))
        await app.recorder.wait_for(JobSucceeded)


async def test_a_batch_is_bounded_by_its_weight(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "HEAVIEST_BATCH", 100)
    real, batches = app.database.store(), list[int]()

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        batches.append(sum(len(new.request.payload) for new in enqueue))
        return real.write(enqueue, settle, **kwargs)

    @bgjobs.worker
    async def long(text: str) -> None: ...

    config = bgjobs.Config(store=Wrapped(real, write=write), enqueue_only=[long])
    async with bgjobs.run(config) as bg, anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(bg.enqueue, long.request("x" * 40))
    assert real_count(app) == 10
    assert max(batches) <= 100
    assert len(batches) >= 5


def real_count(app: Harness) -> int:
    store = app.open_store()
    try:
        return store.count().waiting
    finally:
        store.close()


async def stopped_by_signals(
    config: bgjobs.Config, ask: Callable[[bgjobs.BgJobs], None], ready: anyio.Event
) -> None:
    async with bgjobs.run(config) as bg:
        ask(bg)
        ready.set()
        await bg.run_until_stopped()


def once(bg: bgjobs.BgJobs) -> None:
    """`run_until_stopped` asks by itself."""


async def test_all_applications_of_a_process_hear_a_signal(sqlite_file: SQLiteFile) -> None:
    def config(name: str) -> bgjobs.Config:
        store = bgjobs.SQLiteStore(sqlite_file.path.with_name(name))
        return bgjobs.Config(store=store, enqueue_only=[note])

    async with anyio.create_task_group() as group:
        for name in ("one.db", "two.db"):
            ready = anyio.Event()
            group.start_soon(stopped_by_signals, config(name), once, ready)
            await ready.wait()
        await anyio.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGTERM)


async def test_asked_twice_a_signal_still_leaves_the_grace(sqlite_app: Harness) -> None:
    release, ended = anyio.Event(), list[str]()

    @bgjobs.worker
    async def waiting() -> None:
        await release.wait()
        ended.append("well")

    async with bgjobs.run(sqlite_app.config(waiting, grace=60)) as bg:
        await bg.enqueue(waiting.request())
        await sqlite_app.recorder.wait_for(JobStarted)
        bg.stop_on_signals()
        async with anyio.create_task_group() as group:
            group.start_soon(bg.run_until_stopped)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGTERM)
            await bg.wait_stopping()
        release.set()
    assert ended == ["well"]


async def test_a_write_that_waits_for_a_key_does_not_keep_others_waiting(
    app: Harness,
) -> None:
    """It is tried alone from then on, behind what came after it."""
    real, holder = app.database.store(), [True]

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        if holder and any(new.request.options.unique_key for new in enqueue):
            raise StoreUnavailableError("somebody holds the key")
        return real.write(enqueue, settle, **kwargs)

    config = bgjobs.Config(store=Wrapped(real, write=write), enqueue_only=[note])
    async with bgjobs.run(config) as bg, anyio.create_task_group() as group:
        group.start_soon(bg.enqueue, note.request(1).unique("key"))
        for number in range(5):
            await bg.enqueue(note.request(number))
        holder.clear()
    assert real_count(app) == 6
