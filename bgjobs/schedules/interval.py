"""`every`: intervals, which count from the end of the last run."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import final

from attrs import frozen

from bgjobs._core.text import value_text
from bgjobs._core.timestamps import as_instant
from bgjobs.errors import NoOccurrenceError, ScheduleProblem, ScheduleValidationError
from bgjobs.schedules.base import Schedule
from bgjobs.schedules.description import describe_interval

MILLISECOND = timedelta(milliseconds=1)
LONGEST = timedelta(days=36_500)
"""A hundred years, which is also the longest delay of a job."""


@final
@frozen(str=False)
class Interval(Schedule):
    """Occurs a fixed time after the end of the last run; created by `every`."""

    milliseconds: int
    """1 to 3,153,600,000,000, which is a hundred years."""

    @property
    def length(self) -> timedelta:
        """The time from the end of a run to the next occurrence."""
        return self.milliseconds * MILLISECOND

    @property
    def text(self) -> str:
        """See `Schedule.text`."""
        return f"every {self.milliseconds}ms"

    @property
    def timezone(self) -> tzinfo:
        """UTC: intervals follow no wall clock."""
        return UTC

    def next_after(self, instant: datetime) -> datetime:
        """Return `instant` plus the interval; see `Schedule.next_after`."""
        instant = self._start_of_search(instant)
        try:
            return instant + self.length
        except OverflowError:
            raise NoOccurrenceError(self.text, instant) from None

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Return none: see `Schedule.slots`."""
        as_instant("after", after)
        as_instant("until", until)
        return iter(())

    def describe(self) -> str:
        """See `Schedule.describe`."""
        return describe_interval(self.milliseconds)

    def remark(self, occurrence: datetime) -> str:
        """Return an empty text: changes of the clocks do not affect intervals."""
        as_instant("occurrence", occurrence)
        return ""


def every(
    *,
    milliseconds: float = 0,
    seconds: float = 0,
    minutes: float = 0,
    hours: float = 0,
    days: float = 0,
    weeks: float = 0,
) -> Interval:
    """Return the interval that is the sum of these: ``every(minutes=1, seconds=30)``.

    It counts from the end of the last run. A day is 24 hours, also when clocks are changed.

    Raises:
        ScheduleValidationError: The sum is not a whole number of milliseconds, or is not from
            1 millisecond to a hundred years.
    """
    given = {
        "milliseconds": milliseconds,
        "seconds": seconds,
        "minutes": minutes,
        "hours": hours,
        "days": days,
        "weeks": weeks,
    }
    try:
        # timedelta would accept a bool as 0 or 1.
        flags = any(isinstance(value, bool) for value in given.values())
        length = timedelta(0) if flags else timedelta(**given)
    except (TypeError, ValueError, OverflowError):
        length = timedelta(0)
    whole, rest = divmod(length, MILLISECOND)
    if rest or not 1 <= whole <= LONGEST // MILLISECOND:
        raise ScheduleValidationError([_fault({k: v for k, v in given.items() if v != 0})])
    return Interval(whole)


def _fault(given: dict[str, float]) -> ScheduleProblem:
    found = ", ".join(f"{name}={value_text(value)}" for name, value in given.items()) or "0"
    message = (
        "Interval must be a whole number of milliseconds, from 1 to a hundred years, "
        f"found: {found}"
    )
    return ScheduleProblem("interval", "out_of_bounds", given, message)
