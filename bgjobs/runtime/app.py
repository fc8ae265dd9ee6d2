"""`run`: the tree of one application, from the opened store to the last release.

listeners          async listeners hear what is left for them, last of all
'- store           opened and checked; group commit ends when nothing waits any more
   '- tree         the supervisor's children: heartbeat, monitor, watch, notifier, pruner
      '- queues    one child each; the block of `async with` runs beside them
"""

import os
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from anyio import TASK_STATUS_IGNORED, CancelScope, create_task_group, move_on_after
from anyio.abc import TaskStatus

from bgjobs.config import Config
from bgjobs.errors import StoreError
from bgjobs.events import Migrated, SetupFailed
from bgjobs.runtime.bgjobs import BgJobs
from bgjobs.runtime.bus import Bus
from bgjobs.runtime.engine import Engine
from bgjobs.runtime.heartbeat import Heartbeat
from bgjobs.runtime.monitor import Monitor
from bgjobs.runtime.pruner import Pruner
from bgjobs.runtime.queue import QueueRun
from bgjobs.runtime.queue_control import QueueControl
from bgjobs.runtime.supervisor import Child, Supervisor
from bgjobs.runtime.wakeups import Watch

LAST_RELEASE = 10.0
"""Seconds to give back what is left at the very end; after that the leases do it."""


@asynccontextmanager
async def run(config: Config) -> AsyncGenerator[BgJobs]:
    """Run an application for the length of an `async with` block.

    Leaving the block stops it in order: no new jobs, handlers may go on for `config.grace`
    seconds and are then cancelled, and what is unfinished is given back. When the block
    raises or is cancelled there is no grace. Either way no job of this process is reserved
    afterwards, unless the store is away: then the leases end by themselves.

    Raises:
        ConfigError: Everything that is wrong with the configuration; nothing was started.
        StoreError: The store could not be opened, or its schema is unknown.
        ExceptionGroup: A child crashed more often than tolerated; the message names it.
            What the block itself raises leaves unchanged.
    """
    config.check()
    bus = Bus([*config.store.listeners, *config.listeners])
    engine = Engine.assemble(config, bus)
    controls = [
        QueueControl(
            queue,
            bus.scoped(queue.listeners),
            engine.wakeups.subscribe(worker.name for worker in queue.workers),
        )
        for queue in config.queues
    ]
    async with (
        _beside(bus.deliveries(), stop=bus.close),
        _open_store(engine),
        _beside([engine.commits.run], stop=engine.commits.finish),
        _tree(engine, controls) as bg,
    ):
        yield bg


async def serve(
    config: Config, *, task_status: TaskStatus[BgJobs] = TASK_STATUS_IGNORED
) -> None:
    """Run an application as a task: ``bg = await nursery.start(bgjobs.serve, config)``.

    It ends after `BgJobs.stop`; cancelling it stops the application without grace.
    """
    async with run(config) as bg:
        task_status.started(bg)
        await bg.wait_stopping()


@asynccontextmanager
async def _open_store(engine: Engine) -> AsyncGenerator[None]:
    dispatch, store = engine.dispatch, engine.store
    try:
        try:
            await dispatch.once(store.open)
            if engine.config.migrate:
                applied = await dispatch.call(store.migrate)
                if applied:
                    engine.bus.emit(Migrated, tuple(applied))
            await dispatch.call(store.check_schema)
        except StoreError as error:
            engine.bus.emit(SetupFailed, error)
            raise
        yield
    finally:
        with CancelScope(shield=True):
            await dispatch.once(store.close)


@asynccontextmanager
async def _tree(engine: Engine, controls: list[QueueControl]) -> AsyncGenerator[BgJobs]:
    supervisor = Supervisor(engine.config.restart_tolerance, engine.clock)
    monitor = Monitor(engine)
    block_error: Exception | None = None
    try:
        async with create_task_group() as tree:
            scope = tree.cancel_scope
            for child in _services(engine, monitor):
                tree.start_soon(supervisor.keep, child, scope)
            async with create_task_group() as queues:
                for control in controls:
                    queues.start_soon(supervisor.keep, _queue_child(control, engine), scope)
                bg = BgJobs(engine, controls, tree)
                try:
                    yield bg
                except Exception as error:  # noqa: BLE001 - raised again below, without a group around it
                    block_error = error
                    scope.cancel()
                finally:
                    bg.close()
                bg.stop()
            scope.cancel()
    finally:
        with move_on_after(LAST_RELEASE, shield=True), suppress(StoreError):
            await monitor.release_dead()
    supervisor.raise_failures()
    if block_error is not None:
        raise block_error


def _services(engine: Engine, monitor: Monitor) -> list[Child]:
    heartbeat = Heartbeat(engine.config, engine.bus, engine.registry)
    watch = Watch(engine.dispatch, engine.wakeups, engine.clock)
    if not engine.config.queues:
        return [Child("notifier", engine.notifier.run, engine.bus)]
    return [
        Child("heartbeat", heartbeat.run, engine.bus),
        Child("monitor", monitor.run, engine.bus),
        Child("watch", watch.run, engine.bus),
        Child("notifier", engine.notifier.run, engine.bus),
        Child("pruner", Pruner(engine).run, engine.bus),
    ]


def _queue_child(control: QueueControl, engine: Engine) -> Child:
    node = f"{socket.gethostname()}:{os.getpid()}"

    async def start() -> None:
        await QueueRun(control, engine, node).run()

    return Child(f"queue {control.name!r}", start, control.bus)


@asynccontextmanager
async def _beside(
    tasks: Iterable[Callable[[], Coroutine[Any, Any, None]]], *, stop: Callable[[], None]
) -> AsyncGenerator[None]:
    """Run tasks beside the block; at its end, however it ends, tell them to stop and wait.

    What the block raises leaves as it is, not in the group of the tasks.
    """
    block_error: Exception | None = None
    async with create_task_group() as group:
        for task in tasks:
            group.start_soon(task)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again below, without a group around it
            block_error = error
        finally:
            stop()
    if block_error is not None:
        raise block_error
