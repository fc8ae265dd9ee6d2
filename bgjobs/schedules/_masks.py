"""The next time on a wall clock that a calendar matches, unit by unit and never by trying.

Each unit is a mask whose bit n stands for number n, so the next number is the lowest bit that
is left after a shift. Days come from the masks of a month; months without any are passed over.
The Gregorian calendar repeats itself after 400 years, which is where a search ends.
"""

from datetime import datetime
from typing import Protocol

from bgjobs.schedules.calendar_days import matching_days, month_shape

CYCLE = 400
LAST_YEAR = 9999


class Masks(Protocol):
    """What a calendar matches."""

    @property
    def seconds(self) -> int:
        """Bits 0 to 59."""
        ...

    @property
    def minutes(self) -> int:
        """Bits 0 to 59."""
        ...

    @property
    def hours(self) -> int:
        """Bits 0 to 23."""
        ...

    @property
    def days(self) -> int:
        """Bits 1 to 31, `LAST_DAY` and `LAST_WORKDAY`."""
        ...

    @property
    def months(self) -> int:
        """Bits 1 to 12."""
        ...

    @property
    def weekdays(self) -> int:
        """Bits of `nth_weekday`."""
        ...


def lowest(mask: int) -> int:
    """Give the lowest number in a mask that has one."""
    return (mask & -mask).bit_length() - 1


def next_wall_time(masks: Masks, start: datetime) -> datetime | None:
    """Give the first matching time at or after `start`, whose microseconds do not count.

    With the time zone of `start`, or without one: only what its clock shows is looked at. None
    when the calendar has none left.
    """
    year, month, day, zone = start.year, start.month, start.day, start.tzinfo
    days = _days(masks, year, month) >> day if masks.months >> month & 1 else 0
    if days & 1:
        time = _next_time(masks, start.hour, start.minute, start.second)
        if time is not None:
            return datetime(year, month, day, *time, tzinfo=zone)
    days &= ~1
    this_month = (year, month, day + lowest(days)) if days else None
    date = this_month or _in_later_months(masks, year, month)
    return datetime(*date, *_first_time(masks), tzinfo=zone) if date else None


def _days(masks: Masks, year: int, month: int) -> int:
    return matching_days(masks.days, masks.weekdays, *month_shape(year, month))


def _next_time(
    masks: Masks, hour: int, minute: int, second: int
) -> tuple[int, int, int] | None:
    hours = masks.hours >> hour
    if hours & 1:
        minutes = masks.minutes >> minute
        if minutes & 1:
            seconds = masks.seconds >> second
            if seconds:
                return hour, minute, second + lowest(seconds)
        minutes &= ~1
        if minutes:
            return hour, minute + lowest(minutes), lowest(masks.seconds)
    hours &= ~1
    if hours:
        return hour + lowest(hours), lowest(masks.minutes), lowest(masks.seconds)
    return None


def _in_later_months(masks: Masks, year: int, month: int) -> tuple[int, int, int] | None:
    months = masks.months & -(2 << month)
    for later in range(year, min(year + CYCLE, LAST_YEAR) + 1):
        while months:
            month = lowest(months)
            days = _days(masks, later, month)
            if days:
                return later, month, lowest(days)
            months &= months - 1
        months = masks.months
    return None


def _first_time(masks: Masks) -> tuple[int, int, int]:
    return lowest(masks.hours), lowest(masks.minutes), lowest(masks.seconds)
