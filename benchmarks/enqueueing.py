"""Storing jobs: one by one, from many tasks at once, and many in one call."""

from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter

import anyio

from benchmarks.places import Place
from benchmarks.workload import Noop, batches, check_counts, ignore, noop_worker
from bgjobs import BgJobs, Config, run

WARM_UP = 50
TASKS = 100

Way = Callable[[BgJobs, Noop, int], Awaitable[None]]


def measure_enqueue(place: Place, backend: str, jobs: int, way: Way) -> float:
    """Give the jobs stored in a second; each call has committed when it returns."""
    rate = anyio.run(partial(_enqueue, place, jobs, way), backend=backend)
    check_counts(place, due=WARM_UP + jobs)
    return rate


async def _enqueue(place: Place, jobs: int, way: Way) -> float:
    noop = noop_worker(ignore)
    async with run(Config(store=place.store, enqueue_only=[noop])) as bg:
        await one_by_one(bg, noop, WARM_UP)
        started = perf_counter()
        await way(bg, noop, jobs)
        return jobs / (perf_counter() - started)


async def one_by_one(bg: BgJobs, noop: Noop, jobs: int) -> None:
    """Wait for each call before the next."""
    for i in range(jobs):
        await bg.enqueue(noop.request(i, 0))


async def concurrently(bg: BgJobs, noop: Noop, jobs: int) -> None:
    """Share the calls out to tasks that do not wait for each other."""
    async with anyio.create_task_group() as tasks:
        for task in range(TASKS):
            tasks.start_soon(one_by_one, bg, noop, len(range(task, jobs, TASKS)))


async def by_thousands(bg: BgJobs, noop: Noop, jobs: int) -> None:
    """Give a thousand jobs to each call."""
    for batch in batches(jobs):
        await bg.enqueue_many([noop.request(i, 0) for i in batch])
