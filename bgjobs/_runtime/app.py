"""`run`: the tree of one application, from the opened store to the last release.

listeners          async listeners hear what is left for them, last of all
'- store threads   they call the store, and end when it is closed
   '- store        opened and checked; group commit ends when nothing waits any more
      '- services  the supervisor's children: heartbeat, monitor, watch, notifier, pruner
         '- queues and scheduled jobs, one child each; the block of `async with` is beside them
"""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial, wraps
from typing import Any, cast

from anyio import (
    TASK_STATUS_IGNORED,
    CancelScope,
    Event,
    create_task_group,
    get_cancelled_exc_class,
)
from anyio.abc import TaskGroup, TaskStatus
from attrs import evolve

from bgjobs._core.arguments import check_type
from bgjobs._core.config import Config
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.admin.jobs import Admin
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.cancellation import native_task, run_shielded
from bgjobs._runtime.client import BgJobs
from bgjobs._runtime.leases.monitor import Monitor
from bgjobs._runtime.lifecycle import ShutdownTimeout
from bgjobs._runtime.services import Services
from bgjobs._runtime.supervision.children import Children
from bgjobs._runtime.supervision.supervisor import Supervisor
from bgjobs.errors import StoreError, StoreUnavailableError, unwrapped
from bgjobs.events import Migrated, SetupFailed


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
    check_type("run", config, Config, "a Config")
    async with _run(config, config) as bg:
        yield bg


@asynccontextmanager
async def administer(config: Config) -> AsyncGenerator[Admin]:
    """Operate the system that runs with this configuration, for the length of the block.

    It opens the store and runs no queue, no scheduled job and no migration; `Config.check` and
    `SchemaMismatchError` are as in `run`.
    """
    check_type("administer", config, Config, "a Config")
    workers = {worker.name: worker for worker in config.all_workers()}
    idle = evolve(
        config, queues=(), scheduled_jobs=(), enqueue_only=workers.values(), migrate=False
    )
    async with _run(idle, config) as bg:
        yield bg.admin


@asynccontextmanager
async def _run(config: Config, known: Config) -> AsyncGenerator[BgJobs]:
    """Run what `config` says; what is known of the whole system is `known`."""
    known.check()
    listeners = [*config.store.listeners, *config.listeners]
    bus = Bus(listeners, logs_failures=config.log_failures)
    services = Services.assemble(config, bus)
    services.lifecycle.host = native_task()
    shutdown_timeout = ShutdownTimeout(config.store, config.clock)
    async with (
        _beside(bus.deliveries.run, stop=bus.close),
        _beside(services.dispatch.threads.run, stop=services.dispatch.threads.finish),
        _open_store(services),
        _beside(shutdown_timeout.run, stop=shutdown_timeout.cancel),
        _beside(services.settlements.run, stop=services.settlements.finish),
        _beside(services.enqueues.run, stop=services.enqueues.finish),
        _children(services, known, shutdown_timeout.begun) as bg,
    ):
        yield bg


async def serve(
    config: Config, *, task_status: TaskStatus[BgJobs] = TASK_STATUS_IGNORED
) -> None:
    """Run an application as a task: ``bg = await nursery.start(bgjobs.serve, config)``.

    It ends after `BgJobs.stop`; cancelling it stops the application without grace.
    """
    check_type("serve", config, Config, "a Config")
    async with run(config) as bg:
        task_status.started(bg)
        await bg.wait_stopping()


@asynccontextmanager
async def _open_store(services: Services) -> AsyncGenerator[None]:
    dispatch, store = services.dispatch, services.store
    is_ours = False

    @wraps(store.open)
    def connect() -> None:
        nonlocal is_ours
        is_ours = True  # also where its answer is lost
        try:
            store.open()
        except StoreError as error:
            is_ours = isinstance(error, StoreUnavailableError)
            raise

    try:
        try:
            await dispatch.once(connect)
            if services.config.migrate:
                applied = await dispatch.call(store.migrate)
                if applied:
                    services.bus.emit(Migrated, tuple(applied))
            await dispatch.call(store.check_schema)
            await dispatch.call(services.time.heartbeat, (), as_duration(services.config.lease))
        except StoreError as error:
            services.bus.emit(SetupFailed, error)
            raise
        yield
    finally:
        if is_ours:  # a store that somebody else has open refuses, and stays open
            with CancelScope(shield=True):
                await dispatch.once(store.close)


@asynccontextmanager
async def _children(
    services: Services, known: Config, queues_ended: Event
) -> AsyncGenerator[BgJobs]:
    supervisor = Supervisor(services.config.restart_tolerance, services.clock)
    children = Children(services, supervisor)
    try:
        async with _background(queues_ended) as background, _group() as queues:
            children.start(background, queues)
            bg = BgJobs(services, children, known)
            try:
                yield bg
            except BaseException:
                queues.cancel_scope.cancel()
                raise
            finally:
                services.lifecycle.left = True
                services.wakeups.notify_idle()  # handlers that wait for others stop waiting
            bg.stop()
    except Exception:
        supervisor.raise_failures()  # they came first, if there are any
        raise
    finally:
        services.lifecycle.ended = True  # not before: handlers enqueue until they end
        await run_shielded(partial(_finish, services, children))
    supervisor.raise_failures()


async def _finish(services: Services, children: Children) -> None:
    """Do what can be done only when all queues have ended."""
    with suppress(StoreError):
        await Monitor(services).release_dead()
        await children.bring_about_last_changes()
        await services.notifier.flush()


@asynccontextmanager
async def _background(ended: Event) -> AsyncGenerator[TaskGroup]:
    """Give a task group that is cancelled when the block has ended, and not before.

    Whatever cancels the block: the thread of a plain handler may go on for a while, and its
    lease must be renewed until then.
    """
    started = Event()
    groups: list[TaskGroup] = []

    async def keep() -> None:
        async with create_task_group() as group:
            groups.append(group)
            started.set()
            await ended.wait()
            group.cancel_scope.cancel()

    async with _group() as around:
        around.start_soon(run_shielded, keep)
        try:
            with CancelScope(shield=True):  # it is there at the next turn of the loop
                await started.wait()
            yield groups[0]
        finally:
            ended.set()


@asynccontextmanager
async def _beside(
    task: Callable[[], Coroutine[Any, Any, None]], *, stop: Callable[[], None]
) -> AsyncGenerator[None]:
    """Run a task beside the block; at its end, however it ends, tell it to stop and wait."""
    async with _group() as group:
        group.start_soon(task)
        try:
            yield
        finally:
            stop()


@asynccontextmanager
async def _group() -> AsyncGenerator[TaskGroup]:
    """Open a task group that leaves as it is what the block raises, without a group around it.

    With one, `sys.exit(4)` would end the process with another code.
    """
    block_error: BaseException | None = None
    try:
        async with create_task_group() as group:
            try:
                yield group
            except BaseException as error:
                if _ends_the_block(error):
                    raise
                block_error = error
    except BaseExceptionGroup as errors:
        block_error = block_error or _interruption(errors)
    if block_error is not None:
        raise block_error


def _ends_the_block(error: BaseException) -> bool:
    """Whether this is the event loop's way, or Python's own, to end a block early."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(get_cancelled_exc_class())[0] is not None
    return isinstance(error, (get_cancelled_exc_class(), GeneratorExit))


def _interruption(group: "BaseExceptionGroup[BaseException]") -> BaseException:
    """Return the Ctrl-C that came while a block was being left, which Trio puts into a group.

    Raise the group if it holds anything else, and on asyncio, where a task that was interrupted
    has ended the event loop's run already.
    """
    error = unwrapped(group)
    if native_task() is not None or not isinstance(error, KeyboardInterrupt):
        raise group
    return error
