"""The parts of a running application that the test tools read."""

from collections.abc import Generator
from contextlib import contextmanager

from bgjobs.config import AnyWorker
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.runtime.bgjobs import BgJobs
from bgjobs.stores.abc import Store


def store_of(where: BgJobs | Store) -> Store:
    """Give the store, whatever was given."""
    if not isinstance(where, BgJobs):
        _check_store(where, "where: expected a running BgJobs or a store")
        return where
    # The engine is nobody's business but of the runtime and of these tools.
    return where._engine.store  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def workers_of(where: BgJobs | Store) -> dict[str, AnyWorker]:
    """Give the workers that are known there, by name; a store knows none."""
    if not isinstance(where, BgJobs):
        return {}
    workers = where._engine.workers()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above
    return {worker.name: worker for worker in workers}


def look_now(bg: BgJobs) -> None:
    """Let the queues look for jobs that came past this application, as by `enqueue_in`."""
    bg._engine.wakeups.wake(None)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above


@contextmanager
def opened(store: Store) -> Generator[None]:
    """Have a store open in the block, which it may be before."""
    _check_store(store, "store: expected a store such as SQLiteStore(...)")
    try:
        store.open()
    except StoreUnavailableError:
        raise
    except StoreError:  # it is open; if that was not it, the next verb says so
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
