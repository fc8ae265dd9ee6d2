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
from bgjobs._runtime.cancellation import native_task, outliving
from bgjobs._runtime.client import BgJobs
from bgjobs._runtime.leases.monitor import Monitor
from bgjobs._runtime.lifecycle import LastCall
from bgjobs._runtime.services import Engine
from bgjobs._runtime.supervision.children import Tree
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
    engine = Engine.assemble(config, bus)
    engine.life.host = native_task()
    last_call = LastCall(config.store, config.clock)
    async with (
        _beside(bus.deliveries.run, stop=bus.close),
        _beside(engine.dispatch.threads.run, stop=engine.dispatch.threads.finish),
        _open_store(engine),
        _beside(last_call.run, stop=last_call.cancel),
        _beside(engine.settlements.run, stop=engine.settlements.finish),
        _beside(engine.enqueues.run, stop=engine.enqueues.finish),
        _tree(engine, known, last_call.begun) as bg,
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
async def _open_store(engine: Engine) -> AsyncGenerator[None]:
    dispatch, store = engine.dispatch, engine.store
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
            if engine.config.migrate:
                applied = await dispatch.call(store.migrate)
                if applied:
                    engine.bus.emit(Migrated, tuple(applied))
            await dispatch.call(store.check_schema)
            await dispatch.call(engine.time.heartbeat, (), as_duration(engine.config.lease))
        except StoreError as error:
            engine.bus.emit(SetupFailed, error)
            raise
        yield
    finally:
        if is_ours:  # a store that somebody else has open refuses, and stays open
            with CancelScope(shield=True):
                await dispatch.once(store.close)


@asynccontextmanager
async def _tree(engine: Engine, known: Config, queues_ended: Event) -> AsyncGenerator[BgJobs]:
    supervisor = Supervisor(engine.config.restart_tolerance, engine.clock)
    tree = Tree(engine, supervisor)
    try:
        async with _services(queues_ended) as services, _group() as queues:
            tree.start(services, queues)
            bg = BgJobs(engine, tree, known)
            try:
                yield bg
            except BaseException:
                queues.cancel_scope.cancel()
                raise
            finally:
                engine.life.left = True
                engine.wakeups.idle()  # handlers that wait for the end of others give up
            bg.stop()
    except Exception:
        supervisor.raise_failures()  # they came first, if there are any
        raise
    finally:
        engine.life.ended = True  # not before: handlers enqueue until they end
        await outliving(partial(_finish, engine, tree))
    supervisor.raise_failures()


async def _finish(engine: Engine, tree: Tree) -> None:
    """Do what can be done only when all queues have ended."""
    with suppress(StoreError):
        await Monitor(engine).release_dead()
        await tree.bring_about_last_changes()
        await engine.notifier.flush()


@asynccontextmanager
async def _services(ended: Event) -> AsyncGenerator[TaskGroup]:
    """Give a task group that is cancelled when the block has ended, and not before.

    Whatever cancels the block: the thread of a plain handler may go on for a while, and its
    lease must be renewed until then.
    """
    started = Event()
    groups: list[TaskGroup] = []

    async def keep() -> None:
        async with create_task_group() as services:
            groups.append(services)
            started.set()
            await ended.wait()
            services.cancel_scope.cancel()

    async with _group() as around:
        around.start_soon(outliving, keep)
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
