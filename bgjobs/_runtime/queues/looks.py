"""Whether a queue looks for jobs from the start, or only after those that it reserved last.

PostgreSQL keeps the rows of ended jobs, and their index entries, until no open transaction can
see them. A reservation reads past all of them: after 200,000 jobs this takes 60 ms instead of
3 ms. So when looks from the start have become slow, a queue looks after the last job that it
has reserved. It then overlooks jobs that became available before that place: those that another
process put back, or whose transaction was committed late. A look from the start, at intervals,
finds them.
https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import final

from bgjobs._core.jobs import Job
from bgjobs.stores.types import FROM_THE_START, Position

SLOW = 0.02
"""Seconds that a slow look from the start takes at least, without the time of its jobs."""
TIMES = 2
"""How many times as long as the last look from a position a slow one takes at least."""
IN_A_ROW = 3
"""How many looks in a row must be slow: other work may delay a few."""
SECONDS_PER_JOB = 5e-5
"""What reserving and reading one job takes at most."""
REST = 10
"""How many times as long as a slow look from the start the queue waits before the next one."""


@final
class Looks:
    """The positions after which a queue may look, and when it looks from the start again."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        """How many seconds a queue may look from positions in any case."""
        self._positions: dict[str, Position] = {}
        self._usual = 0.0
        """Seconds of the last look from a position, without the time of its jobs."""
        self._slow = 0
        """How many of the last looks from the start were slow."""
        self._from_start_at = -inf

    def after(self, now: float) -> Mapping[str, Position]:
        """Return the position for each worker, or none to look from the start."""
        return self._positions if now < self._from_start_at else FROM_THE_START

    def until_from_start(self, now: float) -> float:
        """Return the seconds until a look from the start; infinity if the next one is."""
        return self._from_start_at - now if now < self._from_start_at else inf

    def look_from_start(self) -> None:
        """Make the next look one from the start."""
        self._from_start_at = -inf

    def record(
        self, after: Mapping[str, Position], jobs: Sequence[Job], began: float, ended: float
    ) -> None:
        """Record which jobs a look has reserved, and decide about the next ones."""
        seconds = ended - began - SECONDS_PER_JOB * len(jobs)
        if after:
            self._usual = seconds
        else:
            self._slow = self._slow + 1 if self._is_slow(seconds) else 0
            if self._slow >= IN_A_ROW:
                self._from_start_at = ended + max(REST * seconds, self._interval)
        if self._slow:
            self._remember(jobs)

    def _is_slow(self, seconds: float) -> bool:
        return seconds > max(SLOW, TIMES * self._usual)

    def _remember(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.priority == 0:
                known, new = self._positions.get(job.name), Position(job.available_at, job.id)
                self._positions[job.name] = new if known is None else max(known, new)
