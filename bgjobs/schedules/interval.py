"""`every`: the same time again and again, counted from the end of the last run."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import final

from attrs import frozen

from bgjobs.errors import NoOccurrenceError, ScheduleFault, ScheduleValidationError
from bgjobs.instants import as_instant
from bgjobs.schedules.base import Schedule, start_of_search
from bgjobs.schedules.description import describe_interval
from bgjobs.texts import value_text

MILLISECOND = timedelta(milliseconds=1)
LONGEST = timedelta(days=36_500)
"""A hundred years, as for the delay of a job."""


@final
@frozen(str=False)
class Interval(Schedule):
    """Occurs again a fixed time after the last run has ended; made by `every`."""

    milliseconds: int

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.milliseconds * MILLISECOND

    @property
    def text(self) -> str:
        """See `Schedule.text`."""
        return f"every {self.milliseconds}ms"

    @property
    def timezone(self) -> tzinfo:
        """UTC: no wall clock has to do with it."""
        return UTC

    def next_after(self, instant: datetime) -> datetime:
        """Give `instant` plus the interval; see `Schedule.next_after`."""
        instant = start_of_search(self.text, instant)
        try:
            return instant + self.length
        except OverflowError:
            raise NoOccurrenceError(self.text, instant) from None

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Give none: it is counted from the end of the last run."""
        as_instant("after", after)
        as_instant("until", until)
        return iter(())

    def describe(self) -> str:
        """See `Schedule.describe`."""
        return describe_interval(self.milliseconds)

    def remark(self, occurrence: datetime) -> str:
        """Give nothing: no clock that is changed has to do with it."""
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
    """Make the interval that is the sum of these: ``every(minutes=1, seconds=30)``.

    A positive whole number of milliseconds, up to a hundred years; else
    `ScheduleValidationError`. A day is 24 hours, whatever the clocks do.
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
        # timedelta would take a truth value for 0 or 1.
        flags = any(isinstance(value, bool) for value in given.values())
        length = timedelta(0) if flags else timedelta(**given)
    except (TypeError, ValueError, OverflowError):
        length = timedelta(0)
    whole, rest = divmod(length, MILLISECOND)
    if rest or not 1 <= whole <= LONGEST // MILLISECOND:
        raise ScheduleValidationError([_fault({k: v for k, v in given.items() if v != 0})])
    return Interval(whole)


def _fault(given: dict[str, float]) -> ScheduleFault:
    found = ", ".join(f"{name}={value_text(value)}" for name, value in given.items()) or "0"
    message = (
        "Interval must be a whole number of milliseconds, from 1 to a hundred years, "
        f"found: {found}"
    )
    return ScheduleFault("interval", "out_of_bounds", given, message)
