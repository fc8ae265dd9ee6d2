"""Masks as text: lists of numbers and ranges, in the form in which schedules are stored."""

from collections.abc import Iterable, Iterator

from bgjobs.schedules._masks import Masks, lowest
from bgjobs.schedules.calendar_days import EVERY_WEEKDAY, LAST, LAST_DAY, LAST_WORKDAY
from bgjobs.schedules.units import DAY_OF_MONTH, HOUR, MINUTE, MONTH, SECOND

SHORTEST_RANGE = 3


def calendar_text(masks: Masks, zone: str, *, fixed: bool) -> str:
    """Write a calendar; units that always match are left out."""
    words = ["fixed" if fixed else "elapsed"]
    for name, mask, every, terms in (
        ("second", masks.seconds, SECOND.every, ranges(masks.seconds)),
        ("minute", masks.minutes, MINUTE.every, ranges(masks.minutes)),
        ("hour", masks.hours, HOUR.every, ranges(masks.hours)),
        ("day", masks.days, DAY_OF_MONTH.every, _days(masks.days)),
        ("month", masks.months, MONTH.every, ranges(masks.months)),
        ("weekday", masks.weekdays, EVERY_WEEKDAY, _weekdays(masks.weekdays)),
    ):
        if mask != every:
            words.append(f"{name}={','.join(terms)}")
    if zone != "UTC":
        words.append(f"zone={zone}")
    return " ".join(words)


def numbers(mask: int) -> Iterator[int]:
    """Give the numbers in a mask, in order."""
    while mask:
        yield lowest(mask)
        mask &= mask - 1


def runs(mask: int) -> Iterator[tuple[int, int]]:
    """Give the first and last number of every run of neighbours in a mask."""
    while mask:
        first = lowest(mask)
        length = lowest(~(mask >> first))
        yield first, first + length - 1
        mask &= ~((1 << first + length) - 1)


def ranges(mask: int) -> Iterator[str]:
    """Write a mask as numbers and, for three neighbours and more, as ranges."""
    for first, last in runs(mask):
        if last - first + 1 >= SHORTEST_RANGE:
            yield f"{first}-{last}"
        else:
            yield from map(str, range(first, last + 1))


def _days(mask: int) -> Iterable[str]:
    yield from ranges(mask & DAY_OF_MONTH.every)
    if mask & LAST_DAY:
        yield "L"
    if mask & LAST_WORKDAY:
        yield "LW"


def _weekdays(mask: int) -> Iterable[str]:
    yield from ranges(mask & EVERY_WEEKDAY)
    for nth in range(1, LAST + 1):
        for weekday in numbers(mask >> 8 * nth & EVERY_WEEKDAY):
            yield f"{weekday}#{'L' if nth == LAST else nth}"
