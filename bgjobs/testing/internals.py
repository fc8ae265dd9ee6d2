"""The parts of a running application that the test tools need and its users do not."""

from collections.abc import Generator
from contextlib import contextmanager

from bgjobs._core.config import AnyWorker
from bgjobs._runtime.client import BgJobs
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.port import Store


def store_of(where: BgJobs | Store) -> Store:
    """Return the store of an application, or the store itself."""
    if not isinstance(where, BgJobs):
        _check_store(where, "where: expected a running BgJobs or a store")
        return where
    # The engine is private to the runtime and to these tools.
    return where._services.store  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def workers_of(where: BgJobs | Store) -> dict[str, AnyWorker]:
    """Return the workers of an application by name; empty for a store, which has none."""
    if not isinstance(where, BgJobs):
        return {}
    workers = where._services.workers()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above
    return {worker.name: worker for worker in workers}


def poll_now(bg: BgJobs) -> None:
    """Wake all queues, as no event announces jobs that `enqueue_in` has stored."""
    bg._services.wakeups.wake(None)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above


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
    if not hasattr(store, "get_enqueued"):
        raise TypeError(f"{expected}, found {type(store).__name__}")
