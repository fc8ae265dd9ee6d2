"""Schedules in plain English: exact, so that no two calendars read alike."""

from collections.abc import Sequence
from functools import reduce
from itertools import product
from math import prod

from bgjobs.schedules._masks import Masks
from bgjobs.schedules.calendar_days import EVERY_WEEKDAY, LAST, LAST_DAY, LAST_WORKDAY
from bgjobs.schedules.texts import numbers, ranges, runs
from bgjobs.schedules.units import (
    DAY_OF_MONTH,
    HOUR,
    MINUTE,
    MONTH,
    MONTHS,
    SECOND,
    WEEKDAYS,
    Unit,
    union,
)

LONGEST_LIST = 6
"""More times, or more numbers at equal distances, are said by their rule."""
MOST_WINDOWS = 2

_ALWAYS = "every day"
_ZERO = 1
_WORKDAYS = 0b0011_1110
_WEEKEND = 0b1100_0000
_NTH = ("first", "second", "third", "fourth", "fifth", "last")
_INTERVALS = (
    (86_400_000, "day"),
    (3_600_000, "hour"),
    (60_000, "minute"),
    (1000, "second"),
    (1, "millisecond"),
)


def describe_calendar(masks: Masks, zone: str) -> str:
    """Say when a calendar occurs: ``at 02:30 every day (Europe/Paris)``."""
    days = describe_days(masks.days, masks.weekdays, masks.months)
    if not days.startswith(_ALWAYS):
        days = f"on {days}"
    if times := _times(masks):
        said = f"at {listed(times)} {days}"
    else:
        said = _sentence(_rhythm(masks), days.removeprefix(_ALWAYS).lstrip())
    return said if zone == "UTC" else f"{said} ({zone})"


def describe_days(days: int, weekdays: int, months: int) -> str:
    """Say which days these masks match: ``the last day of the month, in January``.

    It fits behind the word "on", unless it begins with "every day".
    """
    named, week, season = _days(days), _weekdays(weekdays), _months(months)
    if not named and not week:
        return f"{_ALWAYS} {season}".rstrip()
    if days == days & DAY_OF_MONTH.every and months.bit_count() == 1 and named:
        named, season = f"{listed(_ranges(days))} {_month(months.bit_length() - 1)}", ""
    if not named:
        return _sentence(week, season)
    return _sentence(named, season, f"but only on {week}" if week else "")


def describe_interval(milliseconds: int) -> str:
    """Say how long an interval is: ``every 90 seconds``."""
    for size, name in _INTERVALS:
        count, rest = divmod(milliseconds, size)
        # A day of the calendar may have 23 hours; this one has 24.
        if count and not rest and (name, count) != ("day", 1):
            return f"every {name}" if count == 1 else f"every {count:,} {name}s"
    raise AssertionError(f"an interval lasts a millisecond or more, found: {milliseconds}")


def listed(terms: Sequence[str]) -> str:
    """Join words as in ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(terms[:-1]), terms[-1])))


def _sentence(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _times(masks: Masks) -> list[str]:
    """Write out the times of the day, if they are few."""
    fields = [masks.hours, masks.minutes]
    if masks.seconds != _ZERO:
        fields.append(masks.seconds)
    if prod(mask.bit_count() for mask in fields) > LONGEST_LIST:
        return []
    return [":".join(f"{n:02}" for n in time) for time in product(*map(numbers, fields))]


def _rhythm(masks: Masks) -> str:
    """Say the times of the day by their rule."""
    if masks.seconds == masks.minutes == _ZERO:
        return _on_the_hour(masks.hours)
    said, of = _within_hours(masks)
    windows = list(runs(masks.hours))
    if masks.hours != HOUR.every and not _are_windows(windows, 1 if of == "in" else 2):
        return f"{said} {of} {_numbered('hour', masks.hours)}"
    if of == "of" and not said.endswith(" of every minute"):
        said += " of every hour"
    if masks.hours == HOUR.every:
        return said
    fine = masks.seconds.bit_count() > 1
    start, end = (":00:00", ":59:59") if fine else (":00", ":59")
    return _sentence(said, _from_to(windows, start, end))


def _on_the_hour(hours: int) -> str:
    if steps := _steps(HOUR, hours):
        return steps
    windows = list(runs(hours))
    if _are_windows(windows, 2):
        return _sentence("every hour", _from_to(windows, ":00", ":00"))
    return f"at minute 0 of {_numbered('hour', hours)}"


def _within_hours(masks: Masks) -> tuple[str, str]:
    """Say the minutes and seconds, and with which word the hours follow."""
    unit, mask = (MINUTE, masks.minutes) if masks.seconds == _ZERO else (SECOND, masks.seconds)
    steps = _steps(unit, mask)
    said, of = (steps, "in") if steps else (f"at {_numbered(unit.name, mask)}", "of")
    if unit is MINUTE or (steps and masks.minutes == MINUTE.every):
        return said, of
    if masks.minutes == MINUTE.every:
        return f"{said} of every minute", "of"
    return f"{said} {of} {_numbered('minute', masks.minutes)}", "of"


def _steps(unit: Unit, mask: int) -> str:
    """Say "every 5 minutes", where that is true around the clock; else nothing."""
    size = unit.most + 1
    step = size // mask.bit_count()
    if step == size or mask != union(1 << n for n in range(0, size, step)):
        return ""
    return f"every {unit.name}" if step == 1 else f"every {step} {unit.name}s"


def _are_windows(windows: Sequence[tuple[int, int]], shortest: int) -> bool:
    return len(windows) <= MOST_WINDOWS and all(
        last - first + 1 >= shortest for first, last in windows
    )


def _from_to(windows: Sequence[tuple[int, int]], start: str, end: str) -> str:
    return listed([f"from {first:02}{start} to {last:02}{end}" for first, last in windows])


def _numbered(name: str, mask: int) -> str:
    """Say "minute 5", "minutes 5 and 10 to 20", or "every 7th minute from 0 to 56"."""
    found = list(numbers(mask))
    if len(found) == 1:
        return f"{name} {found[0]}"
    first, last, step = found[0], found[-1], found[1] - found[0]
    if step > 1 and len(found) >= LONGEST_LIST and found == [*range(first, last + 1, step)]:
        return f"every {_ordinal(step)} {name} from {first} to {last}"
    return f"{name}s {listed(_ranges(mask))}"


def _ranges(mask: int) -> list[str]:
    return [term.replace("-", " to ") for term in ranges(mask)]


def _ordinal(step: int) -> str:
    return f"{step}{({2: 'nd', 3: 'rd'}).get(step, 'th')}"


def _days(days: int) -> str:
    """Say days of the month; nothing for all of them."""
    plain = days & DAY_OF_MONTH.every
    if plain == DAY_OF_MONTH.every:
        return ""
    terms = [_numbered("day", plain)] if plain else []
    terms += ["the last day"] if days & LAST_DAY else []
    terms += ["the last workday"] if days & LAST_WORKDAY else []
    return f"{listed(terms)} of the month"


def _months(months: int) -> str:
    if months == MONTH.every:
        return ""
    terms = [" to ".join(_month(int(n)) for n in term.split("-")) for term in ranges(months)]
    return f"{'from' if len(terms) == 1 and ' to ' in terms[0] else 'in'} {listed(terms)}"


def _month(number: int) -> str:
    return MONTHS[number - 1].title()


def _weekdays(weekdays: int) -> str:
    """Say weekdays; nothing for all of them."""
    weeks = [weekdays >> 8 * nth & EVERY_WEEKDAY for nth in range(LAST + 1)]
    weekly = weeks[0] | reduce(int.__and__, weeks[1:LAST])
    if weekly == EVERY_WEEKDAY:
        return ""
    terms = _weekly(weekly)
    single = [
        f"the {name} {_weekday(number)}"
        for name, week in zip(_NTH, weeks[1:], strict=True)
        for number in numbers(week & ~weekly)
    ]
    return listed([*terms, *single]) + (" of the month" if single else "")


def _weekly(weekly: int) -> list[str]:
    if weekly == _WORKDAYS:
        return ["weekdays"]
    if weekly == _WEEKEND:
        return ["weekends"]
    return [f"{_weekday(number)}s" for number in numbers(weekly)]


def _weekday(number: int) -> str:
    return WEEKDAYS[number - 1].title()
