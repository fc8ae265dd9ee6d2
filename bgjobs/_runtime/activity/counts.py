"""Counts how runs end and how long they take, without a call to the store.

`OwnerCounts.add` is called for each run that has ended, so it does next to nothing.
`RunCounts.totals` adds what was counted to the totals of the present minute. Totals are
absolute, so that a write whose answer was lost can be repeated.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import final
from uuid import UUID

from bgjobs._core.activity import (
    CANCELLED,
    DURATION_BOUNDS,
    DURATIONS,
    FAILED,
    LENGTH,
    RETRIED,
    SUCCEEDED,
    MinuteTotals,
)
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.settlements import Cancel, Fail, Requeue, Settlement, Succeed
from bgjobs._core.timestamps import FIRST_INSTANT

LONGEST_KEPT = timedelta(hours=1)
"""After this time, totals that could not be written are dropped.

The minutes of two hours ago are added up for all owners, and a repeat of such a minute would
count twice.
"""

_Key = tuple[datetime, str, UUID]


@final
class OwnerCounts:
    """The runs of one start of a queue that ended since `RunCounts.totals` was called."""

    def __init__(self, owner: UUID) -> None:
        self.owner = owner
        self.is_closed: bool = False
        """Whether no run is added any more."""
        self.fresh: dict[str, list[int]] = {}
        """The counts by worker."""

    def add(self, job: Job, settlement: Settlement, seconds: float | None) -> None:
        """Count a run that ended after this many seconds; not one that was only put back.

        `seconds` is None for a job that ended without a run.
        """
        place = SUCCEEDED if type(settlement) is Succeed else _place(job, settlement)
        if place is None:
            return
        counts = self.fresh.get(job.name)
        if counts is None:
            counts = self.fresh[job.name] = [0] * LENGTH
        counts[place] += 1
        if seconds is not None:
            counts[DURATIONS + bisect_left(DURATION_BOUNDS, seconds)] += 1


@final
class RunCounts:
    """The counts of one process."""

    def __init__(self) -> None:
        self.process: OwnerCounts = OwnerCounts(new_id())
        """Jobs that ended here without a run: those that the monitor ends."""
        self._owners: list[OwnerCounts] = [self.process]
        self._minute = FIRST_INSTANT
        self._totals: dict[_Key, list[int]] = {}
        self._unwritten: dict[_Key, None] = {}
        """The keys of totals to write, in an order that is the same in every run."""

    def of_owner(self, owner: UUID) -> OwnerCounts:
        """Return the counts of a new owner."""
        counts = OwnerCounts(owner)
        self._owners.append(counts)
        return counts

    def totals(self, now: datetime) -> Sequence[MinuteTotals]:
        """Return the totals that are not `written` yet; what is fresh counts for this minute.

        When the clock was set back, it counts for the last minute that was seen, since the
        totals of earlier minutes are not known any more.
        """
        self._minute = max(self._minute, now.replace(second=0, microsecond=0))
        for one in self._owners:
            fresh, one.fresh = one.fresh, {}
            for name, counts in fresh.items():
                self._add((self._minute, name, one.owner), counts)
        self._owners = [one for one in self._owners if not one.is_closed]
        self._forget()
        return [MinuteTotals(*key, tuple(self._totals[key])) for key in self._unwritten]

    def written(self, rows: Sequence[MinuteTotals]) -> None:
        """Record that these totals are stored."""
        for row in rows:
            key = (row.at, row.name, row.owner)
            if self._totals.get(key) == list(row.counts):
                self._unwritten.pop(key, None)

    def _add(self, key: _Key, counts: Sequence[int]) -> None:
        before = self._totals.get(key, [0] * LENGTH)
        self._totals[key] = [a + b for a, b in zip(before, counts, strict=True)]
        self._unwritten[key] = None

    def _forget(self) -> None:
        """Drop the totals of past minutes that are written, and of those that are too old."""
        for key in list(self._totals):
            age = self._minute - key[0]
            if age > LONGEST_KEPT or (age and key not in self._unwritten):
                del self._totals[key]
                self._unwritten.pop(key, None)


def _place(job: Job, settlement: Settlement) -> int | None:
    """Return the place of the count of this end; None if it is not counted."""
    match settlement:
        case Fail():
            return FAILED
        case Cancel():
            return CANCELLED
        case Requeue(attempts=attempts) if attempts > job.attempts:
            return RETRIED
        case _:
            return None
