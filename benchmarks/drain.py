"""Running jobs that do nothing: what the library itself costs for each."""

from functools import partial
from time import perf_counter, process_time
from typing import final

import anyio
from anyio import to_thread
from attrs import frozen

from benchmarks.places import Place
from benchmarks.workload import check_counts, noop_worker, preload
from bgjobs import Config, Queue, run

LOOK = 0.002
"""Seconds between two looks whether the last jobs are settled."""


@final
@frozen
class Drained:
    """How fast the jobs ran, and for how much processor time."""

    jobs_per_second: float
    cpu_micros: float


@final
class Marks:
    """Which handlers were called, and when first."""

    def __init__(self, jobs: int) -> None:
        self._runs = bytearray(jobs)
        self._left = jobs
        self.first = 0.0
        self.first_cpu = 0.0
        self.all_ran = anyio.Event()

    def hit(self, i: int) -> None:
        """Note one call of the handler."""
        if not self.first:
            self.first = perf_counter()
            self.first_cpu = process_time()
        self._runs[i] += 1
        self._left -= 1
        if not self._left:
            self.all_ran.set()

    def check(self) -> None:
        """Fail unless every job ran once."""
        if self._runs != b"\x01" * len(self._runs):
            raise AssertionError("not every job ran exactly once")


def measure_drain(place: Place, backend: str, jobs: int, concurrency: int) -> Drained:
    """Run stored jobs, and check that the store says the same of them as the handlers."""
    preload(place, jobs)
    place.tidy()
    drained = anyio.run(partial(_drain, place, jobs, concurrency), backend=backend)
    check_counts(place, succeeded=jobs)
    return drained


async def _drain(place: Place, jobs: int, concurrency: int) -> Drained:
    """Take the time from the first handler until the store shows nothing unfinished."""
    marks = Marks(jobs)
    queue = Queue("bench", workers=[noop_worker(marks.hit)], concurrency=concurrency)
    async with run(Config(store=place.store, queues=[queue])):
        await marks.all_ran.wait()
        while await to_thread.run_sync(place.has_live_jobs):
            await anyio.sleep(LOOK)
        seconds = perf_counter() - marks.first
        cpu = process_time() - marks.first_cpu
    marks.check()
    return Drained(jobs / seconds, cpu / jobs * 1e6)
