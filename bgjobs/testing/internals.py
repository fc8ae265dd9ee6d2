"""The parts of a running application that the test tools need and its users do not."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

from bgjobs._core.config import AnyWorker
from bgjobs._runtime.client import Client
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.port import Store
from bgjobs.stores.types import ANY_CHANGE


def store_of(where: Client | Store) -> Store:
    """Return the store of a client, or the store itself."""
    if not isinstance(where, Client):
        _check_store(where, "where: expected a Client, a BgJobs or a store")
        return where
    # The services are private to the runtime and to these tools.
    return where._services.store  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def now_of(where: Client | Store) -> datetime | None:
    """Return the time by the clock of a client; None for a store, which has its own."""
    if not isinstance(where, Client):
        return None
    return where._services.clock.store_now()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above


def workers_of(where: Client | Store) -> dict[str, AnyWorker]:
    """Return the workers of a client by name; empty for a store, which has none."""
    if not isinstance(where, Client):
        return {}
    workers = where._services.workers.all()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above
    return {worker.name: worker for worker in workers}


def poll_now(bg: Client) -> None:
    """Wake all queues, as no event announces jobs that `enqueue_in` has stored."""
    bg._services.wakeups.notify(ANY_CHANGE)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above


@contextmanager
def opened(store: Store) -> Generator[None]:
    """Open and migrate a store for the block; leave a store that is open as it is."""
    _check_store(store, "store: expected a store such as SQLiteStore(...)")
    try:
        store.open()
    except StoreUnavailableError:
        raise
    except StoreError:  # it is open; after any other error the next call raises again
        yield
        return
    try:
        store.migrate()
        yield
    finally:
        store.close()


def _check_store(store: object, expected: str) -> None:
    if isinstance(store, type):
        raise TypeError(f"{expected}, found the class {store.__name__}")
    if not hasattr(store, "list"):
        raise TypeError(f"{expected}, found {type(store).__name__}")
