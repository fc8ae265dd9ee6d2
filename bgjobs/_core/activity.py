"""What queues have done: counts and durations of runs by worker and time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import final
from uuid import UUID

from attrs import frozen

from bgjobs._core.arguments import check_amount, check_type

DURATION_BOUNDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    *(30.0, 60.0, 300.0, 900.0, 3600.0),
)
"""Upper bounds in seconds of the classes of durations; one more class is above all of them."""
SUCCEEDED, FAILED, RETRIED, CANCELLED, DURATIONS = range(5)
"""The places of the counts in a list; from the last one on, the classes of durations."""
LENGTH = DURATIONS + len(DURATION_BOUNDS) + 1
"""The length of such a list."""
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@final
@frozen
class MinuteTotals:
    """What one start of a queue did in one minute for one worker."""

    at: datetime
    """When the minute began, by the store's clock."""
    name: str
    """The name of the worker."""
    owner: UUID
    """The start of a queue; or the process, for jobs that its monitor has ended."""
    counts: Sequence[int]
    """`LENGTH` counts since the minute began, 0 or more each."""


@final
@frozen
class Activity:
    """How the runs of one worker ended during a time, in all processes.

    A job that is retried counts once for each attempt. Not counted are runs that were
    interrupted or snoozed, and jobs that ended without a run.
    """

    worker: str
    """The name of the worker."""
    at: datetime
    """When the time began, in UTC."""
    succeeded: int
    failed: int
    """Jobs that failed for good."""
    retried: int
    """Attempts that failed and were put back."""
    cancelled: int
    """Jobs that ended because an operator had cancelled them."""
    durations: Sequence[int]
    """How many of these runs took at most as long as each of `DURATION_BOUNDS` and longer than
    the bound before; the last number counts those that took longer than all bounds."""

    def plus(self, *others: "Activity") -> "Activity":
        """Return the activity of this part and the others together.

        It has the worker and the time of this part.

        Raises:
            TypeError: One of the others is no `Activity`.
        """
        for one in others:
            check_type("plus", one, Activity, "an Activity")
        parts = (self.counts, *(one.counts for one in others))
        sums = [sum(one) for one in zip(*parts, strict=True)]
        return activity_of(self.worker, self.at, sums)

    @property
    def counts(self) -> Sequence[int]:
        """The four counts of ends, and those of `durations`."""
        ends = (self.succeeded, self.failed, self.retried, self.cancelled)
        return (*ends, *self.durations)

    @property
    def ended(self) -> int:
        """The number of runs that ended, however they did."""
        return self.succeeded + self.failed + self.retried + self.cancelled

    def quantile(self, share: float) -> float | None:
        """Return an estimate of the seconds within which this share of the runs ended.

        The estimate lies in the class of durations that has the quantile, at the place that it
        would have if the durations in the class were spread evenly. Above all bounds it is the
        highest bound.

        Args:
            share: 0 to 1, such as 0.95.

        Returns:
            None if no run ended.

        Raises:
            TypeError: `share` is no number.
            ValueError: `share` is not between 0 and 1.
        """
        check_amount("quantile: share", share)
        if share > 1:
            raise ValueError(f"quantile: share: expected 0 to 1, found {share!r}")
        total = sum(self.durations)
        return _quantile(self.durations, share * total) if total else None


def _quantile(durations: Sequence[int], wanted: float) -> float:
    """Return the estimated duration of the run that has this many runs before it."""
    before = 0
    for (low, high), count in zip(pairwise((0.0, *DURATION_BOUNDS)), durations, strict=False):
        if count and before + count >= wanted:
            return low + (high - low) * (wanted - before) / count
        before += count
    return DURATION_BOUNDS[-1]


def activity_of(worker: str, at: datetime, counts: Sequence[int]) -> Activity:
    """Return the activity with these `LENGTH` counts."""
    succeeded, failed, retried, cancelled = counts[:DURATIONS]
    return Activity(
        worker, at, succeeded, failed, retried, cancelled, tuple(counts[DURATIONS:])
    )


@final
@frozen
class ProcessReport:
    """What a process that runs queues reports about itself."""

    id: UUID
    """The same for all reports of one process."""
    node: str
    """Host and process."""
    version: str
    """The version of bgjobs."""
    python: str
    """The version of Python."""
    loop_lag: timedelta
    """By how much the event loop was late at most since the report before."""


@final
@frozen
class RunningProcess:
    """A process that runs queues, by its last report."""

    id: UUID
    node: str
    """Host and process."""
    version: str
    """The version of bgjobs."""
    python: str
    """The version of Python."""
    started_at: datetime
    loop_lag: timedelta
    """By how much the event loop was late at most, as it was last reported."""
    silent_for: timedelta
    """How long ago the last report was, by the store's clock."""
