"""Stopping, cancelling, failing: nothing is left behind, in the store or in the process."""

import gc
import os
import signal
import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs.errors import ConfigError, NotRunningError, StoreError, UnknownNameError
from bgjobs.events import JobReleased, JobStarted, JobSucceeded, QueueStarted, SetupFailed
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def forever() -> None:
    await anyio.sleep_forever()


@bgjobs.worker
async def short() -> None:
    await anyio.lowlevel.checkpoint()


def reserved(app: Harness) -> int:
    store = app.open_store()
    try:
        return len(store.get_running())
    finally:
        store.close()


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


async def test_the_end_of_the_grace_cancels_and_releases(app: Harness) -> None:
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


async def test_jobs_that_were_reserved_but_not_started_are_released_unspent(
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
    store = app.open_store()
    waiting = store.get_enqueued()
    store.close()
    assert [job.attempts for job in waiting] == [0] * 4


async def test_an_error_of_the_block_leaves_as_it_is(app: Harness) -> None:
    with pytest.raises(ZeroDivisionError):
        async with bgjobs.run(app.config(forever, grace=3600)) as bg:
            await bg.enqueue(forever.request())
            await app.recorder.wait_for(JobStarted)
            raise ZeroDivisionError
    assert reserved(app) == 0


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144])
async def test_cancelling_at_any_moment_leaves_nothing_behind(app: Harness, steps: int) -> None:
    """Cancelled after so many steps of the event loop, wherever that is."""
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
    store = app.open_store()
    store.migrate()
    assert store.get_running() == []
    store.close()
    gc.collect()  # an unclosed connection or stream is a warning, and that an error
    assert [one.name for one in threading.enumerate() if "pool" in one.name] == []
    assert threading.active_count() <= threads + idle_threads()


def idle_threads() -> int:
    """The event loops keep some idle threads for a while, to use them again."""
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_stop_and_a_second_one_ends_the_grace(
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


async def test_a_stopped_application_says_so(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(short)) as bg:
        pass
    with pytest.raises(NotRunningError, match="this BgJobs has stopped: use it inside its"):
        await bg.enqueue(short.request())
    with pytest.raises(NotRunningError):
        await bg.count()


async def test_a_queue_that_does_not_exist(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(short)) as bg:
        assert bg.queue("default").name == "default"
        with pytest.raises(UnknownNameError) as caught:
            bg.queue("defualt")
    assert str(caught.value) == (
        "no queue 'defualt'; known queues: 'default', did you mean 'default'?"
    )


async def test_a_store_that_cannot_be_opened_is_a_setup_error(tmp_path: Any) -> None:
    heard: list[Any] = []
    store = bgjobs.SQLiteStore(tmp_path / "no" / "such" / "folder" / "jobs.db")
    config = bgjobs.Config(
        store=store, queues=[bgjobs.Queue("q", workers=[short])], listeners=[heard.append]
    )
    with pytest.raises(StoreError):
        async with bgjobs.run(config):
            raise AssertionError("it must not start")
    assert [event.error for event in heard if isinstance(event, SetupFailed)]


async def test_a_wrong_configuration_is_refused_before_anything_is_opened(
    tmp_path: Any,
) -> None:
    path = tmp_path / "jobs.db"
    queue = bgjobs.Queue("q", workers=[short])
    with pytest.raises(ConfigError):
        async with bgjobs.run(
            bgjobs.Config(store=bgjobs.SQLiteStore(path), queues=[queue, queue])
        ):
            raise AssertionError("it must not start")
    assert not path.exists()


async def test_pausing_holds_jobs_back_and_resuming_lets_them_go(app: Harness) -> None:
    async with bgjobs.run(app.config(short)) as bg:
        await app.recorder.wait_for(QueueStarted)
        bg.queue("default").pause()
        bg.queue("default").pause()
        await bg.enqueue(short.request())
        assert bg.queue("default").paused
        bg.queue("default").resume()
        await app.recorder.wait_for(JobSucceeded)
    names = app.recorder.names()
    assert names.count("QueuePaused") == names.count("QueueResumed") == 1
    assert names.index("QueueResumed") < names.index("JobStarted")


async def test_draining_ends_when_the_application_is_stopped(app: Harness) -> None:
    async with bgjobs.run(app.config(forever, grace=0)) as bg:
        await bg.enqueue(forever.request())
        await app.recorder.wait_for(JobStarted)
        async with anyio.create_task_group() as group:
            group.start_soon(assert_not_drained, bg)
            await anyio.wait_all_tasks_blocked()
            bg.stop()


async def assert_not_drained(bg: bgjobs.BgJobs) -> None:
    assert await bg.drain() is False
