"""`connect`, and what it and `run` start around the store.

Each line runs inside the one above it, and ends before it:

async listeners           receive the last events
'- store threads          call the store
   '- store               opened and checked; closed by the last call
      '- shutdown timeout closes the store if the last calls take too long
         '- notifier      notifies other processes of new jobs
            '- group commit writes new jobs
               '- the block of the user, or the queues of `run`
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial, wraps

from anyio import CancelScope, Event

from bgjobs._core.arguments import check_type
from bgjobs._core.config import Config
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.admin.admin import Admin
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.cancellation import run_shielded
from bgjobs._runtime.client import Client
from bgjobs._runtime.lifecycle import ShutdownTimeout
from bgjobs._runtime.notifications.wakeups import Notifier
from bgjobs._runtime.services import ClientServices
from bgjobs._runtime.task_groups import run_beside
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import Migrated, SetupFailed


@asynccontextmanager
async def connect(config: Config) -> AsyncGenerator[Client]:
    """Open the store for a client, for the length of an `async with` block.

    A client enqueues jobs, waits for them, reads them, and has the operators' methods. It runs
    no queue and no scheduled job, renews no lease, deletes no old jobs, never migrates and does
    not open `config.lifespan`.

    Args:
        config: The configuration of the application whose jobs it uses. Its queues, workers and
            scheduled jobs are the ones that the client knows; none of them is run.

    Yields:
        Client: Usable until the block is left.

    Raises:
        ConfigError: The configuration has problems. It lists all of them; nothing was started.
        SchemaMismatchError: The schema of the database is of another version of bgjobs, or
            does not exist.
        StoreError: The store could not be opened, as for `run`.
    """
    check_type("connect", config, Config, "a Config")
    config.check()
    services = ClientServices(config, bus_of(config))
    async with open_services(services, migrates=False) as ending:
        try:
            yield Client(services, Admin(services))
        finally:
            services.lifecycle.left = services.lifecycle.ended = True
            ending.set()


def bus_of(config: Config) -> Bus:
    """Return a bus with the listeners of a configuration and of its store."""
    listeners = [*config.store.listeners, *config.listeners]
    return Bus(listeners, logs_failures=config.log_failures)


@asynccontextmanager
async def open_services(services: ClientServices, *, migrates: bool) -> AsyncGenerator[Event]:
    """Open the store, and run what a client needs for the length of the block.

    Yields:
        Event: Set it when nothing but the last calls of the store is left to do.
    """
    bus, threads = services.bus, services.dispatch.threads
    timeouts = services.enqueues.timeouts
    shutdown_timeout = ShutdownTimeout(services.store, services.clock)
    async with (
        run_beside(bus.deliveries.run, stop=bus.close),
        run_beside(threads.run, stop=threads.finish),
        _open_store(services, migrates=migrates),
        run_beside(shutdown_timeout.run, stop=shutdown_timeout.cancel),
        _run_notifier(services.notifier),
        run_beside(partial(run_shielded, timeouts.run), stop=timeouts.stop),
        run_beside(services.enqueues.run, stop=services.enqueues.finish),
    ):
        yield shutdown_timeout.begun


@asynccontextmanager
async def _run_notifier(notifier: Notifier) -> AsyncGenerator[None]:
    """Run the notifier during the block, and then send what it has not sent."""
    scope = CancelScope(shield=True)

    async def notify() -> None:
        with scope:
            await notifier.run()

    try:
        async with run_beside(partial(run_shielded, notify), stop=scope.cancel):
            yield
    finally:
        with suppress(StoreError):
            await run_shielded(notifier.flush)


@asynccontextmanager
async def _open_store(services: ClientServices, *, migrates: bool) -> AsyncGenerator[None]:
    """Open, perhaps migrate, and check the store, and read its clock; close it at the end."""
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
            if migrates:
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
