"""The job that every measure uses: two whole numbers, and a handler that does nothing."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.places import Place
from bgjobs import Counts, JobRequest, Store, Worker, worker
from bgjobs.ids import new_ids
from bgjobs.stores.abc import NewJob

Noop = Worker[[int, int], Coroutine[Any, Any, None]]

BATCH = 1000
"""Jobs in one call of `enqueue_many`."""


def noop_worker(hit: Callable[[int], None]) -> Noop:
    """Give the worker whose handler only says that it was called."""

    @worker
    async def noop(i: int, t: int) -> None:  # noqa: ARG001 - the payload that peers get too
        hit(i)

    return noop


def ignore(_: int) -> None:
    """Stand in for a handler that is never called."""


def batches(jobs: int) -> Iterator[range]:
    """Number the jobs, in portions for `enqueue_many`."""
    for first in range(0, jobs, BATCH):
        yield range(first, min(jobs, first + BATCH))


def preload(place: Place, jobs: int) -> None:
    """Store jobs before a measurement begins."""
    noop = noop_worker(ignore)
    with opened(place) as store:
        for batch in batches(jobs):
            store.write(_new([noop.request(i, 0) for i in batch]))


def _new(requests: list[JobRequest]) -> list[NewJob]:
    ids = new_ids(len(requests))
    return [NewJob(*pair) for pair in zip(ids, requests, strict=True)]


def check_counts(place: Place, *, due: int = 0, succeeded: int = 0) -> None:
    """Fail unless the store holds just these jobs."""
    with opened(place) as store:
        found = store.count()
    expected = Counts(due=due, delayed=0, reserved=0, succeeded=succeeded, failed=0)
    if found != expected:
        raise AssertionError(f"expected {expected}, found {found}")


@contextmanager
def opened(place: Place) -> Iterator[Store]:
    """Open the store for the length of the block."""
    place.store.open()
    try:
        yield place.store
    finally:
        place.store.close()
