"""Which workers may have more jobs reserved, decided from what is counted in the rows."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import final

from attrs import frozen

from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap


@final
@frozen
class Use:
    """How much of a worker goes on, in all processes."""

    running: int
    started: int = 0
    """Starts within the period of its rate."""
    oldest: timedelta | None = None
    """How long ago the first of these was."""


@final
@frozen
class Openings:
    """What may be reserved now."""

    free: Mapping[str, int]
    """How many more of each worker with a cap; 0 where it is reached."""
    reopens_in: timedelta | None
    """When a rate that is used up allows another start; None where none is."""

    def names(self, names: Collection[str]) -> list[str]:
        """Leave out the workers of which none may be reserved."""
        return [name for name in names if self.free.get(name, 1) > 0]

    def split(self, jobs: Sequence[Job]) -> tuple[list[Job], list[Job]]:
        """Give the jobs that are within the caps, in their order, and those beyond."""
        left = dict(self.free)
        kept: list[Job] = []
        excess: list[Job] = []
        for job in jobs:
            if job.name in left:
                left[job.name] -= 1
            (kept if left.get(job.name, 0) >= 0 else excess).append(job)
        return kept, excess


def openings(caps: Sequence[Cap], uses: Mapping[str, Use]) -> Openings:
    """Say what may be reserved when so much goes on already."""
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
        return None  # a job has to end first, and that is heard of
    return timedelta(seconds=cap.rate.period) - use.oldest


def earliest(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    """Give the shorter wait; None waits for ever."""
    return min((wait for wait in (one, other) if wait is not None), default=None)
