"""`run` and `serve`: they run queues over what a client has.

Each line runs inside the one above it, and ends before it:

services of a client      see `connection`
'- group commit           writes the ends of runs
   '- services            heartbeat, commands, monitor, marked ends, watch, pruner, progress,
      |                   activity
      '- lifespan         the resources of handlers
         '- queues        and scheduled jobs, one child each, beside the block of the user
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial

from anyio import TASK_STATUS_IGNORED, Event
from anyio.abc import TaskStatus

from bgjobs._core.arguments import check_type
from bgjobs._core.config import Config
from bgjobs._runtime.bg_jobs import BgJobs
from bgjobs._runtime.cancellation import native_task, run_shielded
from bgjobs._runtime.client import Client
from bgjobs._runtime.connection import bus_of, open_services
from bgjobs._runtime.leases.monitor import Monitor
from bgjobs._runtime.lifespan import check_resources, open_lifespan
from bgjobs._runtime.persistence.with_work import register_hooks
from bgjobs._runtime.supervision.children import Children
from bgjobs._runtime.supervision.supervisor import Supervisor
from bgjobs._runtime.task_groups import background_tasks, run_beside, task_group
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreError


@asynccontextmanager
async def run(config: Config) -> AsyncGenerator[BgJobs]:
    """Run an application for the length of an `async with` block.

    Leaving the block stops the application: its queues start no new jobs, handlers may run on
    for `config.grace` seconds and are then cancelled, and unfinished jobs are released, so that
    they run again. If the block raises or is cancelled, handlers are cancelled at once.
    Afterwards no job is reserved by this process, except where the store was unavailable: those
    jobs are released when their leases expire.

    An exception of the block itself is raised unchanged, without a group around it.

    `config.lifespan` is opened before the first job runs, and closed after the last handler has
    ended. If opening it raises, the application does not start, and the error is raised
    unchanged. An error that it raises when it is closed is raised by the end of the block.

    A cancelled handler may shield its cleanup with ``CancelScope(shield=True)`` of AnyIO or
    Trio; the end of the block waits for it. See
    https://anyio.readthedocs.io/en/stable/cancellation.html#shielding.

    Args:
        config: The store, the queues and all settings; checked by `Config.check`.

    Yields:
        BgJobs: The running application.

    Raises:
        ConfigError: The configuration has problems. It lists all of them; nothing was started.
            Also if handlers expect other resources than `config.lifespan` yields; it is closed
            then, and no job was run.
        SchemaMismatchError: The schema of the database is of another version of bgjobs, or
            does not exist and `config.migrate` is False.
        StoreError: The store could not be opened; `StoreUnavailableError` if the database could
            not be reached.
        ExceptionGroup: A child crashed more often than `config.restart_tolerance` allows. Its
            message names the child, and its exceptions are the last crash. The application was
            stopped without grace.
    """
    check_type("run", config, Config, "a Config")
    config.check()
    if config.lifespan is None:
        check_resources(config, None, config.run_workers())
    services = WorkerServices(config, bus_of(config))
    services.lifecycle.host = native_task()
    settlements = services.settlements
    async with (
        open_services(services, migrates=config.migrate) as ending,
        run_beside(settlements.run, stop=settlements.finish),
        _run_children(services, ending) as bg,
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
async def _run_children(services: WorkerServices, ending: Event) -> AsyncGenerator[BgJobs]:
    """Run the services and queues for the length of the block, then release what is left."""
    supervisor = Supervisor(services.config.restart_tolerance, services.clock)
    children = Children(services, supervisor)
    client = Client(services, children.admin)
    await register_hooks(services, services.config.run_workers())
    try:
        async with (
            background_tasks(ending) as background,
            open_lifespan(services.config, client) as services.resources,
            task_group() as queues,
        ):
            children.start(background, queues)
            bg = BgJobs(services, children)
            try:
                yield bg
            except BaseException:
                queues.cancel_scope.cancel()
                raise
            finally:
                services.lifecycle.left = True
                services.wakeups.notify_idle()  # a handler that waits in `drain` returns
            bg.stop()
    except Exception:  # whatever the block raised, the failures of children came first
        supervisor.raise_failures()
        raise
    finally:
        services.lifecycle.ended = True  # handlers may enqueue until they end
        await run_shielded(partial(_finish, services, children))
    supervisor.raise_failures()


async def _finish(services: WorkerServices, children: Children) -> None:
    """Release jobs of dead owners and make delayed changes, once all queues have ended."""
    with suppress(StoreError):
        await Monitor(services).release_dead()
        await children.finish_changes()
