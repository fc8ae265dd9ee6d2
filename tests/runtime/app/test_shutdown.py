"""After `run` has ended in any way, no job is reserved and no thread is left."""

import gc
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs.errors import NotRunningError
from bgjobs.events import (
    JobReleased,
    JobStarted,
    JobSucceeded,
)
from tests.fixtures.databases import SQLiteFile
from tests.fixtures.listings import unreserved_in
from tests.runtime.conftest import Harness, Wrapped
from tests.runtime.supervision.helpers import note

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def forever() -> None:
    await anyio.sleep_forever()


@bgjobs.worker
async def short() -> None:
    await anyio.lowlevel.checkpoint()


def reserved(app: Harness) -> int:
    with app.opened() as store:
        return len(store.list(bgjobs.JobFilter("running")))


async def test_leaving_the_block_lets_handlers_finish(app: Harness) -> None:
    release = anyio.Event()

    @bgjobs.worker
    async def waiting() -> None:
        await release.wait()

    async with bgjobs.run(app.config(waiting)) as bg:
        await bg.enqueue(waiting.request())
        await app.recorder.wait_for(JobStarted)
        bg.stop()
        release.set()
    assert len(app.recorder.of(JobSucceeded)) == 1


async def test_the_end_of_the_grace_cancels_handlers_and_releases_their_jobs(
    app: Harness,
) -> None:
    async with bgjobs.run(app.config(forever, grace=0.05)) as bg:
        await bg.enqueue_many([forever.request() for _ in range(3)])
        await app.recorder.wait_for(JobStarted, 3)
    assert len(app.recorder.of(JobReleased)) == 3
    assert reserved(app) == 0


async def test_a_second_stop_ends_the_grace(app: Harness) -> None:
    async with bgjobs.run(app.config(forever, grace=3600)) as bg:
        await bg.enqueue(forever.request())
        await app.recorder.wait_for(JobStarted)
        bg.stop()
        bg.stop(grace=0)
    assert reserved(app) == 0


async def test_jobs_reserved_but_not_started_are_released_without_an_attempt(
    app: Harness,
) -> None:
    started = anyio.Event()

    @bgjobs.worker
    async def stopping() -> None:
        started.set()
        await anyio.sleep_forever()

    config = app.config(stopping, grace=0, queue={"concurrency": 2})
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([stopping.request() for _ in range(4)])
        await started.wait()
    with app.opened() as store:
        waiting = unreserved_in(store)
    assert [job.attempts for job in waiting] == [0] * 4


async def test_an_error_of_the_block_is_raised_unchanged(app: Harness) -> None:
    with pytest.raises(ZeroDivisionError):
        async with bgjobs.run(app.config(forever, grace=3600)) as bg:
            await bg.enqueue(forever.request())
            await app.recorder.wait_for(JobStarted)
            raise ZeroDivisionError
    assert reserved(app) == 0


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144])
async def test_cancelling_at_any_moment_leaves_no_job_reserved_and_no_thread(
    app: Harness, steps: int
) -> None:
    """The application is cancelled after this many iterations of the event loop."""
    threads = threading.active_count()

    async def live() -> None:
        async with bgjobs.run(app.config(forever, short, grace=3600)) as bg:
            while True:
                await bg.enqueue_many([forever.request(), short.request()])
                await bg.enqueue(short.request())

    async with anyio.create_task_group() as group:
        group.start_soon(live)
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        if steps > 50:
            await app.recorder.wait_for(JobStarted, steps // 50)
        group.cancel_scope.cancel()
    with app.opened() as store:
        store.migrate()
        assert store.list(bgjobs.JobFilter("running")) == []
    gc.collect()  # an unclosed connection or stream causes a warning, which is an error here
    assert [one.name for one in threading.enumerate() if "pool" in one.name] == []
    assert threading.active_count() <= threads + idle_threads()


def idle_threads() -> int:
    """Count the idle threads that event loops keep for reuse."""
    return sum(
        "worker thread" in one.name.lower() or "trio" in one.name.lower()
        for one in threading.enumerate()
    )


async def test_cancelling_the_task_of_serve_stops_it(app: Harness) -> None:
    async with anyio.create_task_group() as group:
        bg = await group.start(bgjobs.serve, app.config(forever, grace=3600))
        await bg.enqueue(forever.request())
        await app.recorder.wait_for(JobStarted)
        group.cancel_scope.cancel()
    assert reserved(app) == 0


async def test_stop_ends_the_task_of_serve(app: Harness) -> None:
    async with anyio.create_task_group() as group:
        bg = await group.start(bgjobs.serve, app.config(short))
        await bg.enqueue(short.request())
        await bg.drain()
        bg.stop()
    assert len(app.recorder.of(JobSucceeded)) == 1


async def test_a_stopped_application_raises_an_error_that_says_so(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(short)) as bg:
        pass
    with pytest.raises(NotRunningError, match="or Client has ended: use it inside its"):
        await bg.enqueue(short.request())
    with pytest.raises(NotRunningError):
        await bg.count()


async def test_the_lease_is_renewed_until_the_thread_of_a_cancelled_handler_has_ended(
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


async def test_the_grace_begins_at_once_although_the_store_is_slow(app: Harness) -> None:
    real = app.database.store()
    asked, answer = threading.Event(), threading.Event()

    def reserve(*args: Any, **kwargs: Any) -> Any:
        if real.list(bgjobs.JobFilter("running")):
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_application_and_a_second_one_ends_the_grace(
    sqlite_app: Harness, number: int
) -> None:
    async with bgjobs.run(sqlite_app.config(forever, grace=3600)) as bg:
        await bg.enqueue(forever.request())
        await sqlite_app.recorder.wait_for(JobStarted)
        async with anyio.create_task_group() as group:
            group.start_soon(bg.run_until_stopped)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    assert reserved(sqlite_app) == 0


async def stopped_by_signals(
    config: bgjobs.Config, ask: Callable[[bgjobs.BgJobs], None], ready: anyio.Event
) -> None:
    async with bgjobs.run(config) as bg:
        ask(bg)
        ready.set()
        await bg.run_until_stopped()


def once(bg: bgjobs.BgJobs) -> None:
    """Do nothing: `run_until_stopped` calls `stop_on_signals`."""


async def test_a_signal_stops_all_applications_of_a_process(sqlite_file: SQLiteFile) -> None:
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


async def test_two_calls_of_stop_on_signals_react_once_to_a_signal(sqlite_app: Harness) -> None:
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
