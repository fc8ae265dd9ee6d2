"""Which days of a month match: pure arithmetic on masks, where bit n stands for number n."""

from calendar import monthrange
from functools import lru_cache

LAST_DAY = 1 << 32
"""In a mask of days of the month: the last one."""
LAST_WORKDAY = 1 << 33
"""The last one that is neither a Saturday nor a Sunday."""
EVERY_WEEKDAY = 0b1111_1110
LAST = 6
"""The last weekday of its name in a month, beside the first to the fifth."""
SHAPES = tuple((first, length) for first in range(7) for length in range(28, 32))
"""All months there are: the weekday of their first day, Monday being 0, and their length."""

_WORKDAYS = 0b0011_1110
_FIVE_WEEKS = sum(1 << 7 * week for week in range(6))


def nth_weekday(nth: int, weekday: int) -> int:
    """Give the bit, in a mask of weekdays, of the nth such weekday of a month.

    `nth` 1 to 5 count from its beginning and `LAST` is its last; 0 means every week.
    """
    return 1 << 8 * nth + weekday


@lru_cache(maxsize=4096)
def month_shape(year: int, month: int) -> tuple[int, int]:
    """Give the weekday of the first day, Monday being 0, and the number of days."""
    return monthrange(year, month)


@lru_cache(maxsize=4096)
def matching_days(days: int, weekdays: int, first: int, length: int) -> int:
    """Give the days, of a month of this shape, that both masks match."""
    chosen = days & ((2 << length) - 2)
    if days & LAST_DAY:
        chosen |= 1 << length
    if days & LAST_WORKDAY:
        workdays = _every_week(_WORKDAYS, first) & ((2 << length) - 2)
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
    """Repeat a week's mask over a month that begins with this weekday."""
    return (week >> 1) * _FIVE_WEEKS >> first << 1


def _window(nth: int, length: int) -> int:
    """Give the days among which the nth weekday of each name lies."""
    if nth == 0:
        return (2 << length) - 2
    begin = length - 6 if nth == LAST else 7 * nth - 6
    return 0b111_1111 << begin
