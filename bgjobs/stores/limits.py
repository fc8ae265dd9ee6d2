"""Decides which workers may have more jobs reserved, from numbers that a store counts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import final

from attrs import frozen

from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap


@final
@frozen
class Use:
    """How many jobs of a worker run and were started, in all processes."""

    running: int
    started: int = 0
    """Starts within the period of the rate."""
    oldest: timedelta | None = None
    """Time since the first of these starts."""


@final
@frozen
class Openings:
    """How many jobs may be reserved now."""

    free: Mapping[str, int]
    """Jobs that may be reserved, by worker with a cap; 0 where the cap is reached."""
    reopens_in: timedelta | None
    """Time until an exhausted rate allows a start; None if no rate is exhausted."""

    def names(self, names: Collection[str]) -> list[str]:
        """Return the names of workers that may have jobs reserved."""
        return [name for name in names if self.free.get(name, 1) > 0]

    def split(self, jobs: Sequence[Job]) -> tuple[list[Job], list[Job]]:
        """Return the jobs within the caps and those beyond, both in their order."""
        left = dict(self.free)
        kept: list[Job] = []
        excess: list[Job] = []
        for job in jobs:
            if job.name in left:
                left[job.name] -= 1
            (kept if left.get(job.name, 0) >= 0 else excess).append(job)
        return kept, excess


def openings(caps: Sequence[Cap], uses: Mapping[str, Use]) -> Openings:
    """Return how many jobs may be reserved, given what runs already."""
    free = {cap.name: _free(cap, uses[cap.name]) for cap in caps}
    waits = [_wait(cap, uses[cap.name]) for cap in caps]
    return Openings(free, min((wait for wait in waits if wait is not None), default=None))


def _free(cap: Cap, use: Use) -> int:
    limits = [
        *([] if cap.running is None else [cap.running - use.running]),
        *([] if cap.rate is None else [cap.rate.allowed - use.started]),
    ]
    return max(0, min(limits))


def _wait(cap: Cap, use: Use) -> timedelta | None:
    if cap.rate is None or use.oldest is None or use.started < cap.rate.allowed:
        return None
    if cap.running is not None and use.running >= cap.running:
        return None  # a job has to end first, and its end wakes the queue
    return timedelta(seconds=cap.rate.period) - use.oldest


def earliest(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    """Return the shorter wait; None means forever."""
    return min((wait for wait in (one, other) if wait is not None), default=None)
