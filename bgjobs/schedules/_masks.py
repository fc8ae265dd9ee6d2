"""Calendars as bit masks: the days that match, the next time that matches, and their text.

Each unit is an integer whose bit n is number n, so the next number is the lowest bit that is
left after a shift. A search looks at each month once and at no single day. The Gregorian
calendar repeats itself after 400 years, which is where a search ends.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from bgjobs.schedules.units import DAY_OF_MONTH, HOUR, MINUTE, MONTH, SECOND

CYCLE = 400
LAST_YEAR = 9999
LAST_DAY = 1 << 32
"""In a mask of days of the month: the last day."""
LAST_WORKDAY = 1 << 33
"""In a mask of days of the month: the last day that is neither a Saturday nor a Sunday."""
EVERY_WEEKDAY = 0b1111_1110
WORKDAYS = 0b0011_1110
LAST = 6
"""As the `nth` of a weekday: the last one of the month."""
SHAPES = tuple((first, length) for first in range(7) for length in range(28, 32))
"""All possible months: the weekday of their first day, Monday being 0, and their length."""

_FIVE_WEEKS = sum(1 << 7 * week for week in range(6))
_SHORTEST_RANGE = 3


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


def union(masks: Iterable[int]) -> int:
    """Return the mask of all numbers that are in at least one of these."""
    united = 0
    for mask in masks:
        united |= mask
    return united


def lowest(mask: int) -> int:
    """Return the lowest number of a mask that is not empty."""
    return (mask & -mask).bit_length() - 1


def numbers(mask: int) -> Iterator[int]:
    """Yield the numbers of a mask in ascending order."""
    while mask:
        yield lowest(mask)
        mask &= mask - 1


def runs(mask: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last number of each run of consecutive numbers."""
    while mask:
        first = lowest(mask)
        length = lowest(~(mask >> first))
        yield first, first + length - 1
        mask &= ~((1 << first + length) - 1)


def nth_weekday(nth: int, weekday: int) -> int:
    """Return the bit, in a mask of weekdays, of the nth such weekday of a month.

    Args:
        nth: 1 to 5 count from the beginning of the month, `LAST` is the last one, and 0 means
            every week.
        weekday: 1, Monday, to 7.
    """
    return 1 << 8 * nth + weekday


@lru_cache(maxsize=4096)
def month_shape(year: int, month: int) -> tuple[int, int]:
    """Return the weekday of the first day, Monday being 0, and the number of days."""
    return monthrange(year, month)


@lru_cache(maxsize=4096)
def matching_days(days: int, weekdays: int, first: int, length: int) -> int:
    """Return the days that both masks match, in a month of this shape."""
    chosen = days & ((2 << length) - 2)
    if days & LAST_DAY:
        chosen |= 1 << length
    if days & LAST_WORKDAY:
        workdays = _every_week(WORKDAYS, first) & ((2 << length) - 2)
        chosen |= 1 << workdays.bit_length() - 1
    return chosen & _matching_weekdays(weekdays, first, length)


def _matching_weekdays(weekdays: int, first: int, length: int) -> int:
    matching = 0
    for nth in range(LAST + 1):
        week = weekdays >> 8 * nth & EVERY_WEEKDAY
        if week:
            matching |= _every_week(week, first) & _window(nth, length)
    return matching


def _every_week(week: int, first: int) -> int:
    """Repeat a week's mask over a month whose first day is this weekday."""
    return (week >> 1) * _FIVE_WEEKS >> first << 1


def _window(nth: int, length: int) -> int:
    """Return the days among which the nth weekday of each name lies."""
    if nth == 0:
        return (2 << length) - 2
    begin = length - 6 if nth == LAST else 7 * nth - 6
    return 0b111_1111 << begin


def next_wall_time(masks: Masks, start: datetime) -> datetime | None:
    """Return the first matching time at or after `start`; None if the calendar has none left.

    Microseconds are ignored. The result has the time zone of `start`, which is not consulted:
    only the fields of its wall clock are compared.
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


def calendar_text(masks: Masks, zone: str, *, fixed: bool) -> str:
    """Return the stored form of a calendar, which `from_text` reads back.

    Units that always match are left out.
    """
    parts = ["fixed" if fixed else "elapsed"]
    for name, mask, every, terms in (
        ("second", masks.seconds, SECOND.every, ranges(masks.seconds)),
        ("minute", masks.minutes, MINUTE.every, ranges(masks.minutes)),
        ("hour", masks.hours, HOUR.every, ranges(masks.hours)),
        ("day", masks.days, DAY_OF_MONTH.every, _day_terms(masks.days)),
        ("month", masks.months, MONTH.every, ranges(masks.months)),
        ("weekday", masks.weekdays, EVERY_WEEKDAY, _weekday_terms(masks.weekdays)),
    ):
        if mask != every:
            parts.append(f"{name}={','.join(terms)}")
    if zone != "UTC":
        parts.append(f"zone={zone}")
    return " ".join(parts)


def ranges(mask: int) -> Iterator[str]:
    """Yield a mask as numbers; three or more consecutive numbers become a range ``1-3``."""
    for first, last in runs(mask):
        if last - first + 1 >= _SHORTEST_RANGE:
            yield f"{first}-{last}"
        else:
            yield from map(str, range(first, last + 1))


def _day_terms(mask: int) -> Iterator[str]:
    yield from ranges(mask & DAY_OF_MONTH.every)
    if mask & LAST_DAY:
        yield "L"
    if mask & LAST_WORKDAY:
        yield "LW"


def _weekday_terms(mask: int) -> Iterator[str]:
    yield from ranges(mask & EVERY_WEEKDAY)
    for nth in range(1, LAST + 1):
        for weekday in numbers(mask >> 8 * nth & EVERY_WEEKDAY):
            yield f"{weekday}#{'L' if nth == LAST else nth}"
