"""Schedules for people to read: descriptions in English, and previews.

Descriptions are exact: two calendars that differ read differently.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import reduce
from itertools import product
from math import prod
from typing import final

from attrs import frozen

from bgjobs._core.text import value_text
from bgjobs.schedules._masks import (
    EVERY_WEEKDAY,
    LAST,
    LAST_DAY,
    LAST_WORKDAY,
    WORKDAYS,
    Masks,
    numbers,
    ranges,
    runs,
    union,
)
from bgjobs.schedules.units import (
    DAY_OF_MONTH,
    HOUR,
    MINUTE,
    MONTH,
    MONTHS,
    SECOND,
    WEEKDAYS,
    Unit,
    weekday_abbreviation,
)

LONGEST_PREVIEW = 10_000
"""More lines than people read: a schedule of seconds has billions of occurrences."""

LONGEST_LIST = 6
"""More times, or more numbers at equal distances, are described by their rule."""
MOST_WINDOWS = 2
"""More runs of hours are listed as numbers."""

_ALWAYS = "every day"
_ZERO = 1
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
    """Return when a calendar occurs: ``at 02:30 every day (Europe/Paris)``."""
    days = describe_days(masks.days, masks.weekdays, masks.months)
    if not days.startswith(_ALWAYS):
        days = f"on {days}"
    if times := _times(masks):
        text = f"at {join_terms(times)} {days}"
    else:
        text = _sentence(_rhythm(masks), days.removeprefix(_ALWAYS).lstrip())
    return text if zone == "UTC" else f"{text} ({zone})"


def describe_days(days: int, weekdays: int, months: int) -> str:
    """Return which days these masks match: ``the last day of the month, in January``.

    It fits after the word "on", unless it begins with "every day".
    """
    named, week, season = _days(days), _weekdays(weekdays), _months(months)
    if not named and not week:
        return f"{_ALWAYS} {season}".rstrip()
    if days == days & DAY_OF_MONTH.every and months.bit_count() == 1 and named:
        named, season = f"{join_terms(_ranges(days))} {_month(months.bit_length() - 1)}", ""
    if not named:
        return _sentence(week, season)
    return _sentence(named, season, f"but only on {week}" if week else "")


def describe_interval(milliseconds: int) -> str:
    """Return how long an interval is: ``every 90 seconds``."""
    for size, name in _INTERVALS:
        count, rest = divmod(milliseconds, size)
        # "every day" would mean a day of the calendar, which may have 23 hours.
        if count and not rest and (name, count) != ("day", 1):
            return f"every {name}" if count == 1 else f"every {count:,} {name}s"
    raise AssertionError(f"an interval lasts a millisecond or more, found: {milliseconds}")


def join_terms(terms: Sequence[str]) -> str:
    """Join terms as in ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(terms[:-1]), terms[-1])))


def _sentence(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _times(masks: Masks) -> list[str]:
    """Return the times of the day, or nothing if there are too many."""
    fields = [masks.hours, masks.minutes]
    if masks.seconds != _ZERO:
        fields.append(masks.seconds)
    if prod(mask.bit_count() for mask in fields) > LONGEST_LIST:
        return []
    return [":".join(f"{n:02}" for n in time) for time in product(*map(numbers, fields))]


def _rhythm(masks: Masks) -> str:
    """Return the times of the day by their rule."""
    if masks.seconds == masks.minutes == _ZERO:
        return _on_the_hour(masks.hours)
    text, of = _within_hours(masks)
    windows = list(runs(masks.hours))
    if masks.hours != HOUR.every and not _are_windows(windows, 1 if of == "in" else 2):
        return f"{text} {of} {_numbered('hour', masks.hours)}"
    if of == "of" and not text.endswith(" of every minute"):
        text += " of every hour"
    if masks.hours == HOUR.every:
        return text
    fine = masks.seconds.bit_count() > 1
    start, end = (":00:00", ":59:59") if fine else (":00", ":59")
    return _sentence(text, _from_to(windows, start, end))


def _on_the_hour(hours: int) -> str:
    if steps := _steps(HOUR, hours):
        return steps
    windows = list(runs(hours))
    if _are_windows(windows, 2):
        return _sentence("every hour", _from_to(windows, ":00", ":00"))
    return f"at minute 0 of {_numbered('hour', hours)}"


def _within_hours(masks: Masks) -> tuple[str, str]:
    """Return the minutes and seconds, and the word with which the hours follow."""
    unit, mask = (MINUTE, masks.minutes) if masks.seconds == _ZERO else (SECOND, masks.seconds)
    steps = _steps(unit, mask)
    text, of = (steps, "in") if steps else (f"at {_numbered(unit.name, mask)}", "of")
    if unit is MINUTE or (steps and masks.minutes == MINUTE.every):
        return text, of
    if masks.minutes == MINUTE.every:
        return f"{text} of every minute", "of"
    return f"{text} {of} {_numbered('minute', masks.minutes)}", "of"


def _steps(unit: Unit, mask: int) -> str:
    """Return "every 5 minutes" where that holds around the clock, else nothing."""
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
    return join_terms([f"from {first:02}{start} to {last:02}{end}" for first, last in windows])


def _numbered(name: str, mask: int) -> str:
    """Return "minute 5", "minutes 5 and 10 to 20", or "every 7th minute from 0 to 56"."""
    found = list(numbers(mask))
    if len(found) == 1:
        return f"{name} {found[0]}"
    first, last, step = found[0], found[-1], found[1] - found[0]
    if step > 1 and len(found) >= LONGEST_LIST and found == [*range(first, last + 1, step)]:
        return f"every {_ordinal(step)} {name} from {first} to {last}"
    return f"{name}s {join_terms(_ranges(mask))}"


def _ranges(mask: int) -> list[str]:
    return [term.replace("-", " to ") for term in ranges(mask)]


def _ordinal(step: int) -> str:
    return f"{step}{({2: 'nd', 3: 'rd'}).get(step, 'th')}"


def _days(days: int) -> str:
    """Return days of the month; nothing for all of them."""
    plain = days & DAY_OF_MONTH.every
    if plain == DAY_OF_MONTH.every:
        return ""
    terms = [_numbered("day", plain)] if plain else []
    terms += ["the last day"] if days & LAST_DAY else []
    terms += ["the last workday"] if days & LAST_WORKDAY else []
    return f"{join_terms(terms)} of the month"


def _months(months: int) -> str:
    if months == MONTH.every:
        return ""
    terms = [" to ".join(_month(int(n)) for n in term.split("-")) for term in ranges(months)]
    return f"{'from' if len(terms) == 1 and ' to ' in terms[0] else 'in'} {join_terms(terms)}"


def _month(number: int) -> str:
    return MONTHS[number - 1].title()


def _weekdays(weekdays: int) -> str:
    """Return weekdays; nothing for all of them."""
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
    return join_terms([*terms, *single]) + (" of the month" if single else "")


def _weekly(weekly: int) -> list[str]:
    if weekly == WORKDAYS:
        return ["weekdays"]
    if weekly == _WEEKEND:
        return ["weekends"]
    return [f"{_weekday(number)}s" for number in numbers(weekly)]


def _weekday(number: int) -> str:
    return WEEKDAYS[number - 1].title()


def check_count(count: object) -> None:
    """Raise an error unless `count` is a number of lines for a preview."""
    if type(count) is not int:
        raise TypeError(f"count: expected a whole number, found {type(count).__name__}")
    if not 0 <= count <= LONGEST_PREVIEW:
        found = value_text(count)
        raise ValueError(
            f"count: expected a whole number from 0 to {LONGEST_PREVIEW:,}, found {found}"
        )


@final
@frozen
class PreviewLine:
    """One occurrence in a preview."""

    local: datetime
    """In the time zone of the schedule."""
    utc: datetime
    """The same instant in UTC."""
    remark: str
    """Empty unless a change of the clocks moved or repeated it."""

    def __str__(self) -> str:
        return str(Preview((self,)))


@final
@frozen
class Preview:
    """The result of `Schedule.preview`: a sequence of lines, which `str` formats as a table."""

    lines: tuple[PreviewLine, ...]

    def __iter__(self) -> Iterator[PreviewLine]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def local_times(self) -> Sequence[str]:
        """The local time of each line: ``Mon 2030-01-07 02:30 CET``."""
        return [_local(line.local, self._precision) for line in self.lines]

    @property
    def _precision(self) -> str:
        return _precision([line.utc for line in self.lines])

    def __str__(self) -> str:
        columns = [
            [*self.local_times],
            [_shown(line.utc, self._precision) for line in self.lines],
            [line.remark for line in self.lines],
        ]
        if all(line.local.tzinfo is UTC for line in self.lines):
            del columns[1]
        rows = zip(*map(_aligned, columns), strict=True)
        return "\n".join("   ".join(row).rstrip() for row in rows)


def _precision(instants: list[datetime]) -> str:
    """Return the coarsest precision, as of `datetime.isoformat`, that shows all of them."""
    if any(instant.microsecond for instant in instants):
        return "milliseconds"
    return "seconds" if any(instant.second for instant in instants) else "minutes"


def _local(local: datetime, precision: str) -> str:
    return f"{weekday_abbreviation(local)} {_shown(local, precision)}"


def _shown(moment: datetime, precision: str) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(' ', precision)} {moment.tzname()}"


def _aligned(column: list[str]) -> list[str]:
    width = max(map(len, column), default=0)
    return [cell.ljust(width) for cell in column]
