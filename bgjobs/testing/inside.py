"""What tests may see of a running application and others may not."""

from collections.abc import Generator
from contextlib import contextmanager

from bgjobs.config import AnyWorker
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.runtime.bgjobs import BgJobs
from bgjobs.stores.abc import Store


def store_of(where: BgJobs | Store) -> Store:
    """Give the store, whatever was given."""
    if not isinstance(where, BgJobs):
        if not hasattr(where, "get_enqueued"):
            found = type(where).__name__
            raise TypeError(f"expected a running BgJobs or a store, found {found}")
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
