"""Tasks that serve many callers survive slow calls and native cancellations."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from attrs import frozen

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.events import (
    ChildCrashed,
    Event,
    JobStarted,
    JobSucceeded,
    MonitorReleased,
    QueuePaused,
    StoreCalled,
)
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Notice, Owner
from tests.fixtures.databases import PostgresSchema
from tests.runtime.conftest import Harness, Wrapped
from tests.runtime.supervision.helpers import note

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def lost() -> None: ...


def cancel_all_others() -> None:
    """Cancel all other tasks, as `asyncio.run` does after a task has raised `SystemExit`."""
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            task.cancel()


@frozen
class Scene:
    """An application whose tasks were cancelled natively."""

    bg: bgjobs.BgJobs
    app: Harness
    other: Store
    beats: threading.Semaphore
    received: list[Event]

    async def heartbeat(self) -> None:
        assert await anyio.to_thread.run_sync(lambda: self.beats.acquire(timeout=30))


async def commit(scene: Scene) -> None:
    jobs = await scene.bg.enqueue_many([note.request(), note.request()])
    assert len(jobs) == 2


async def threads(scene: Scene) -> None:
    assert await scene.bg.find(new_id()) is None


async def notifier(scene: Scene) -> None:
    for _ in range(3):  # the first is notified with its write, the others by the notifier
        await scene.bg.enqueue(note.request())
    reported = [one for one in scene.app.recorder.of(StoreCalled) if one.verb == "notify"]
    needed = scene.other.needs_notify
    while needed and not reported:
        await scene.app.recorder.wait_for(
            StoreCalled, len(scene.app.recorder.of(StoreCalled)) + 1
        )
        reported = [one for one in scene.app.recorder.of(StoreCalled) if one.verb == "notify"]


async def watcher(scene: Scene) -> None:
    before = len(scene.app.recorder.of(JobSucceeded))
    scene.other.write([NewJob(new_id(), note.request())])
    scene.other.notify(Notice(frozenset({note.name})))
    await scene.app.recorder.wait_for(JobSucceeded, before + 1)


async def heartbeat(scene: Scene) -> None:
    while scene.beats.acquire(blocking=False):
        pass
    await scene.heartbeat()
    await scene.heartbeat()


async def settler(scene: Scene) -> None:
    job = await scene.bg.enqueue(note.request())
    assert isinstance(await scene.bg.wait_for(job), bgjobs.SucceededJob)


async def monitor(scene: Scene) -> None:
    owner = new_id()
    scene.other.write([NewJob(new_id(), lost.request())])
    scene.other.open_owner(Owner(owner, "gone", "gone"), timedelta(seconds=0.1))
    assert len(scene.other.reserve(owner, [lost.name], 1)) == 1
    await scene.app.recorder.wait_for(MonitorReleased)


async def commands(scene: Scene) -> None:
    await scene.bg.admin.pause_queue("default")
    await scene.app.recorder.wait_for(QueuePaused)


async def bus(scene: Scene) -> None:
    scene.received.clear()
    job = await scene.bg.enqueue(note.request())
    await scene.bg.wait_for(job)
    with anyio.fail_after(30):
        while not any(isinstance(event, JobStarted) for event in scene.received):
            await anyio.lowlevel.checkpoint()


CHECKS: list[Callable[[Scene], Awaitable[None]]] = [
    commit, threads, notifier, watcher, heartbeat, settler, monitor, commands, bus
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
def test_a_shared_task_survives_the_native_cancellation_of_all_tasks(
    app: Harness, check: Callable[[Scene], Awaitable[None]]
) -> None:
    beats, received, real = threading.Semaphore(0), list[Event](), app.database.store()

    def beat(*args: Any, **kwargs: Any) -> Any:
        beats.release()
        return real.heartbeat(*args, **kwargs)

    async def hear(event: Event) -> None:
        received.append(event)
        await anyio.lowlevel.checkpoint()

    async def main() -> None:
        store: Any = Wrapped(real, heartbeat=beat)
        config = app.config(
            note,
            store=store,
            queue={"poll_interval": 3600.0},
            enqueue_only=[lost],
            listeners=[app.recorder, hear],
            lease=3.0,
            heartbeat_interval=0.2,
            sweep_interval=0.2,
        )
        with anyio.fail_after(60):
            async with bgjobs.run(config) as bg:
                await bg.wait_for(await bg.enqueue(note.request()))
                for _ in range(3):
                    cancel_all_others()
                    await anyio.lowlevel.checkpoint()
                with app.opened() as other:
                    await check(Scene(bg, app, other, beats, received))
                bg.stop(grace=0)

    asyncio.run(main())
    assert app.recorder.of(ChildCrashed) == []


def test_a_natively_cancelled_listener_receives_the_next_event(
    sqlite_app: Harness,
) -> None:
    received, begun = list[str](), anyio.Event()

    async def hear(event: Event) -> None:
        received.append(type(event).__name__)
        if isinstance(event, JobStarted) and not begun.is_set():
            begun.set()
            await anyio.sleep_forever()

    async def main() -> None:
        config = sqlite_app.config(note, listeners=[hear])
        async with bgjobs.run(config) as bg:
            job = await bg.enqueue(note.request())
            await begun.wait()
            cancel_all_others()
            await bg.wait_for(job)

    asyncio.run(main())
    assert "JobSucceeded" in received


async def test_a_slow_call_occupies_one_thread_only(app: Harness) -> None:
    gate, real = threading.Event(), app.database.store()
    begun = anyio.Event()
    token = anyio.lowlevel.current_token()

    def listed(*args: Any, **kwargs: Any) -> Any:
        anyio.from_thread.run_sync(begun.set, token=token)
        assert gate.wait(30)
        return real.list(*args, **kwargs)

    store: Any = Wrapped(real, list=listed)
    async with (
        bgjobs.run(app.config(note, store=store)) as bg,
        anyio.create_task_group() as group,
    ):
        group.start_soon(bg.list, bgjobs.JobFilter("failed"))
        await begun.wait()
        job = await bg.enqueue(note.request())
        assert isinstance(await bg.wait_for(job), bgjobs.SucceededJob)
        gate.set()


async def test_slow_completion_work_delays_no_other_job_on_postgres(
    app: Harness,
) -> None:
    begun, gate = anyio.Event(), threading.Event()
    token = anyio.lowlevel.current_token()

    def work(_connection: Any) -> None:
        anyio.from_thread.run_sync(begun.set, token=token)
        if isinstance(app.database, PostgresSchema):  # SQLite has one writer at a time
            assert gate.wait(30)

    @bgjobs.worker
    async def slow(context: bgjobs.JobContext) -> None:
        context.complete_with(work)

    async with bgjobs.run(app.config(note, slow)) as bg:
        first = await bg.enqueue(slow.request())
        await begun.wait()
        job = await bg.enqueue(note.request())
        assert isinstance(await bg.wait_for(job), bgjobs.SucceededJob)
        gate.set()
        assert isinstance(await bg.wait_for(first), bgjobs.SucceededJob)


async def test_a_handler_that_ignores_its_cancellation_delays_no_other_command(
    app: Harness,
) -> None:
    go_on = anyio.Event()

    @bgjobs.worker
    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            await go_on.wait()

    async with bgjobs.run(app.config(stubborn)) as bg:
        job = await bg.enqueue(stubborn.request())
        await app.recorder.wait_for(JobStarted)
        await bg.admin.cancel(job.id, reason="not wanted")
        await bg.admin.pause_queue("default")
        await app.recorder.wait_for(QueuePaused)
        go_on.set()


def test_a_change_source_opened_during_a_native_cancellation_is_closed(app: Harness) -> None:
    real, closed = app.database.store(), list[str]()
    begun, cancelled = threading.Event(), threading.Event()

    def watch() -> Any:
        watcher = real.watch()
        first = not begun.is_set()
        begun.set()
        assert cancelled.wait(30)
        if watcher is None or not first:
            return watcher

        def close() -> None:
            closed.append("first")
            watcher.close()

        return Wrapped(cast("Any", watcher), close=close)

    async def main() -> None:
        config = app.config(note, store=Wrapped(real, watch=watch))
        async with bgjobs.run(config) as bg:
            while not begun.is_set():
                await anyio.sleep(0.001)
            cancel_all_others()
            cancelled.set()
            await bg.wait_for(await bg.enqueue(note.request()))

    asyncio.run(main())
    assert closed == ["first"]
