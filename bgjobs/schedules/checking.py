"""Refuses calendars that never occur, however long one waits."""

from datetime import UTC, datetime

from bgjobs.errors import NoOccurrenceError, ScheduleFault, ScheduleValidationError
from bgjobs.schedules.calendar import Calendar
from bgjobs.schedules.calendar_days import SHAPES, matching_days
from bgjobs.schedules.description import describe_days

_LENGTHS = {2: (28, 29), 4: (30,), 6: (30,), 9: (30,), 11: (30,)}
_A_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
"""Any will do: the calendar repeats itself, and zones have one rule for the time to come."""


def checked(calendar: Calendar) -> Calendar:
    """Give `calendar`; `ScheduleValidationError` when it has no occurrence in 400 years."""
    days = calendar.days, calendar.weekdays, calendar.months
    if not days_exist(*days):
        raise _impossible(f"no year has such a day: {describe_days(*days)}")
    try:
        calendar.next_after(_A_YEAR)
    except NoOccurrenceError:
        problem = f"clocks in {calendar.zone} always skip this time on {describe_days(*days)}"
        raise _impossible(problem) from None
    return calendar


def days_exist(days: int, weekdays: int, months: int) -> bool:
    """Say whether some year has a day that these masks match.

    Every month begins, in one year or another, with every day of the week.
    """
    lengths = {
        length for n in range(1, 13) if months >> n & 1 for length in _LENGTHS.get(n, (31,))
    }
    return any(
        matching_days(days, weekdays, first, length)
        for first, length in SHAPES
        if length in lengths
    )


def _impossible(problem: str) -> ScheduleValidationError:
    message = f"Schedule never occurs: {problem}"
    return ScheduleValidationError(
        [ScheduleFault("day_of_month", "impossible", problem, message)]
    )
