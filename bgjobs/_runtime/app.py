"""`run`, `serve` and `administer`: they open the store and run the tree of tasks.

Each line runs inside the one above it, and ends before it:

async listeners           receive the last events
'- store threads          call the store
   '- store               opened, migrated and checked; closed by the last call
      '- shutdown timeout closes the store if releasing jobs takes too long
         '- group commits write the ends of runs, and new jobs
            '- services   notifier, heartbeat, commands, monitor, watch, pruner
               '- queues  and scheduled jobs, one child each, beside the block of the user
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial, wraps

from anyio import TASK_STATUS_IGNORED, CancelScope, Event
from anyio.abc import TaskStatus
from attrs import evolve

from bgjobs._core.arguments import check_type
from bgjobs._core.config import Config
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.admin.admin import Admin
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.cancellation import native_task, run_shielded
from bgjobs._runtime.client import BgJobs
from bgjobs._runtime.leases.monitor import Monitor
from bgjobs._runtime.lifecycle import ShutdownTimeout
from bgjobs._runtime.services import Services
from bgjobs._runtime.supervision.children import Children
from bgjobs._runtime.supervision.supervisor import Supervisor
from bgjobs._runtime.task_groups import background_tasks, run_beside, task_group
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import Migrated, SetupFailed


@asynccontextmanager
async def run(config: Config) -> AsyncGenerator[BgJobs]:
    """Run an application for the length of an `async with` block.

    Leaving the block stops the application: its queues start no new jobs, handlers may run on
    for `config.grace` seconds and are then cancelled, and unfinished jobs are released, so that
    they run again. If the block raises or is cancelled, handlers are cancelled at once.
    Afterwards no job is reserved by this process, except where the store was unavailable: those
    jobs are released when their leases expire.

    An exception of the block itself is raised unchanged, without a group around it.

    A cancelled handler may shield its cleanup with ``CancelScope(shield=True)`` of AnyIO or
    Trio; the end of the block waits for it. See
    https://anyio.readthedocs.io/en/stable/cancellation.html#shielding.

    Args:
        config: The store, the queues and all settings; checked by `Config.check`.

    Yields:
        BgJobs: The running application.

    Raises:
        ConfigError: The configuration has problems. It lists all of them; nothing was started.
        SchemaMismatchError: The schema of the database is of another version of bgjobs, or
            does not exist and `config.migrate` is False.
        StoreError: The store could not be opened; `StoreUnavailableError` if the database could
            not be reached.
        ExceptionGroup: A child crashed more often than `config.restart_tolerance` allows. Its
            message names the child, and its exceptions are the last crash. The application was
            stopped without grace.
    """
    check_type("run", config, Config, "a Config")
    async with _run(config, config) as bg:
        yield bg


@asynccontextmanager
async def administer(config: Config) -> AsyncGenerator[Admin]:
    """Open the store for the methods of `Admin`, for the length of an `async with` block.

    It runs no queue, no scheduled job and no migration.

    Args:
        config: The configuration of the application to administer. Its queues, workers and
            scheduled jobs are the ones that the methods of `Admin` know.

    Yields:
        Admin: Usable until the block is left.

    Raises:
        ConfigError: The configuration has problems. It lists all of them; nothing was started.
        SchemaMismatchError: The schema of the database is of another version of bgjobs, or
            does not exist.
        StoreError: The store could not be opened, as for `run`.
    """
    check_type("administer", config, Config, "a Config")
    workers = {worker.name: worker for worker in config.all_workers()}
    without_queues = evolve(
        config, queues=(), scheduled_jobs=(), enqueue_only=workers.values(), migrate=False
    )
    async with _run(without_queues, config) as bg:
        yield bg.admin


@asynccontextmanager
async def _run(config: Config, system: Config) -> AsyncGenerator[BgJobs]:
    """Run the queues of `config`; `system` is the configuration that `Admin` knows."""
    system.check()
    listeners = [*config.store.listeners, *config.listeners]
    bus = Bus(listeners, logs_failures=config.log_failures)
    services = Services.assemble(config, bus)
    services.lifecycle.host = native_task()
    shutdown_timeout = ShutdownTimeout(config.store, config.clock)
    async with (
        run_beside(bus.deliveries.run, stop=bus.close),
        run_beside(services.dispatch.threads.run, stop=services.dispatch.threads.finish),
        _open_store(services),
        run_beside(shutdown_timeout.run, stop=shutdown_timeout.cancel),
        run_beside(services.settlements.run, stop=services.settlements.finish),
        run_beside(services.enqueues.run, stop=services.enqueues.finish),
        _run_children(services, system, shutdown_timeout.begun) as bg,
    ):
        yield bg


async def serve(
    config: Config, *, task_status: TaskStatus[BgJobs] = TASK_STATUS_IGNORED
) -> None:
    """Run an application as a task: ``bg = await nursery.start(bgjobs.serve, config)``.

    The task ends after `BgJobs.stop`. Cancelling it stops the application without grace.
    `nursery` is a `trio.Nursery` or an `anyio.abc.TaskGroup`.

    Args:
        config: As for `run`.
        task_status: Passed by ``start``, which returns the `BgJobs` once the application runs.

    Raises:
        Exception: The same exceptions as `run`.
    """
    check_type("serve", config, Config, "a Config")
    async with run(config) as bg:
        task_status.started(bg)
        await bg.wait_stopping()


@asynccontextmanager
async def _open_store(services: Services) -> AsyncGenerator[None]:
    """Open, migrate and check the store, and read its clock; close it at the end."""
    dispatch, store = services.dispatch, services.store
    must_close = False

    @wraps(store.open)
    def connect() -> None:
        nonlocal must_close
        must_close = True  # also if a cancellation hides the answer
        try:
            store.open()
        except StoreError as error:
            # A store that another application has open refuses, and must stay open.
            must_close = isinstance(error, StoreUnavailableError)
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
        if must_close:
            with CancelScope(shield=True):
                await dispatch.once(store.close)


@asynccontextmanager
async def _run_children(
    services: Services, system: Config, queues_ended: Event
) -> AsyncGenerator[BgJobs]:
    """Run the services and queues for the length of the block, then release what is left."""
    supervisor = Supervisor(services.config.restart_tolerance, services.clock)
    children = Children(services, supervisor)
    try:
        async with background_tasks(queues_ended) as background, task_group() as queues:
            children.start(background, queues)
            bg = BgJobs(services, children, system)
            try:
                yield bg
            except BaseException:
                queues.cancel_scope.cancel()
                raise
            finally:
                services.lifecycle.left = True
                services.wakeups.notify_idle()  # a handler that waits in `drain` returns
            bg.stop()
    except Exception:
        supervisor.raise_failures()  # raised instead, as they came first
        raise
    finally:
        services.lifecycle.ended = True  # handlers may enqueue until they end
        await run_shielded(partial(_finish, services, children))
    supervisor.raise_failures()


async def _finish(services: Services, children: Children) -> None:
    """Release jobs of dead owners and make delayed changes, once all queues have ended."""
    with suppress(StoreError):
        await Monitor(services).release_dead()
        await children.finish_changes()
        await services.notifier.flush()
