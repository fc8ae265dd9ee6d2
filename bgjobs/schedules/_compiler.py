"""The compiler of builders: from recorded entries to a schedule, or to a list of problems."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias, TypeVar, final

from attrs import frozen

from bgjobs._core.text import value_text
from bgjobs.errors import NoOccurrenceError, ScheduleProblem, ScheduleValidationError
from bgjobs.schedules._masks import LAST, SHAPES, matching_days, nth_weekday, union
from bgjobs.schedules._zones import load_zone
from bgjobs.schedules.base import Schedule, any_of
from bgjobs.schedules.calendar import Calendar
from bgjobs.schedules.description import describe_days
from bgjobs.schedules.units import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    UNITS,
    Unit,
    UnitName,
)

T = TypeVar("T")

_FIELDS: dict[UnitName, str] = {
    "second": "seconds",
    "minute": "minutes",
    "hour": "hours",
    "day_of_month": "days",
    "month": "months",
    "day_of_week": "weekdays",
}
_OF_DAYS = (DAY_OF_MONTH, MONTH, DAY_OF_WEEK)
_LENGTHS = {2: (28, 29), 4: (30,), 6: (30,), 9: (30,), 11: (30,)}
_ANY_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
"""The calendar repeats itself, and each zone has one rule for the future."""


def collect(checks: Iterable[Callable[[], T]], faults: list[ScheduleProblem]) -> list[T]:
    """Return the results of the checks that pass; append the problems of the others."""
    passed: list[T] = []
    for check in checks:
        try:
            passed.append(check())
        except ScheduleValidationError as error:
            faults += error.problems
    return passed


def collect_all(checks: Iterable[Callable[[], T]]) -> list[T]:
    """Return the results of all checks; raise one error with the problems of all of them."""
    faults: list[ScheduleProblem] = []
    passed = collect(checks, faults)
    if faults:
        raise ScheduleValidationError(faults)
    return passed


@final
@frozen
class Every:
    """All numbers of the unit."""

    unit: Unit

    def mask(self) -> int:
        """Return all bits."""
        return self.unit.every


@final
@frozen
class Values:
    """Single numbers or names."""

    unit: Unit
    values: tuple[object, ...]

    def mask(self) -> int:
        """Return the bits; raise an error that lists all values that do not fit."""
        return union(
            1 << number
            for number in collect_all(partial(self.unit.number, value) for value in self.values)
        )


@final
@frozen
class Range:
    """All numbers from `start` to `end`, both included."""

    unit: Unit
    start: object
    end: object

    def mask(self) -> int:
        """Return the bits; raise an error unless both ends fit and `start` is smaller."""
        start, end = collect_all(
            [partial(self.unit.number, self.start), partial(self.unit.number, self.end)]
        )
        if start >= end:
            raise ScheduleValidationError([self._reversed()])
        return (2 << end) - (1 << start)

    def _reversed(self) -> ScheduleProblem:
        message = (
            f"{self.unit.label}: Range start must be smaller than end, "
            f"got start:{self.start} end:{self.end}"
        )
        found = (self.start, self.end)
        return ScheduleProblem(self.unit.name, "reversed_range", found, message)


@final
@frozen
class Steps:
    """Every nth number, beginning with the unit's first one."""

    unit: Unit
    step: object

    def mask(self) -> int:
        """Return the bits; raise an error unless the step is within the unit."""
        span = self.unit.most - self.unit.least + 1
        if type(self.step) is not int or not 1 <= self.step <= span:
            raise ScheduleValidationError([self._out_of_bounds(span)])
        return sum(1 << n for n in range(self.unit.least, self.unit.most + 1, self.step))

    def _out_of_bounds(self, span: int) -> ScheduleProblem:
        found = value_text(self.step)
        message = f"{self.unit.label}: Step must be between 1 and {span}, found: {found}"
        return ScheduleProblem(self.unit.name, "out_of_bounds", self.step, message, (1, span))


@final
@frozen
class Special:
    """Days that have no number of their own, such as the last day of a month."""

    unit: Unit
    bits: int

    def mask(self) -> int:
        """Return the bits."""
        return self.bits


@final
@frozen
class NthWeekday:
    """The first to fifth or the last such weekday of a month."""

    nth: object
    weekday: object
    unit: Unit = DAY_OF_WEEK

    def mask(self) -> int:
        """Return the bit; raise an error if the weekday or `nth` does not exist."""
        weekday = self.unit.number(self.weekday)
        nth = LAST if self.nth == "last" else self.nth
        if type(nth) is not int or not 1 <= nth <= LAST or self.nth == LAST:
            found = value_text(self.nth)
            message = f"Nth weekday must be between 1 and 5 or 'last', found: {found}"
            fault = ScheduleProblem(self.unit.name, "out_of_bounds", self.nth, message, (1, 5))
            raise ScheduleValidationError([fault])
        return nth_weekday(nth, weekday)


@final
@frozen
class At:
    """A time of the day."""

    hour: object
    minute: object

    def masks(self) -> tuple[int, int]:
        """Return the bit of the hour and that of the minute."""
        hour, minute = collect_all(
            [partial(HOUR.number, self.hour), partial(MINUTE.number, self.minute)]
        )
        return 1 << hour, 1 << minute


UnitEntry: TypeAlias = Every | Values | Range | Steps | Special | NthWeekday
Entry: TypeAlias = UnitEntry | At
Masked: TypeAlias = tuple[UnitEntry, int]
"""An entry and its mask."""


def compile_entries(entries: Sequence[Entry], zone: str) -> Schedule:
    """Return the schedule; raise an error that lists every problem of every entry."""
    of_units = [one for one in entries if not isinstance(one, At)]
    times = [one for one in entries if isinstance(one, At)]
    faults: list[ScheduleProblem] = []
    masks = collect([entry.mask for entry in of_units], faults)
    times_of_day = collect([time.masks for time in times], faults)
    collect([partial(load_zone, zone)], faults)
    if times:
        faults += _conflicts(of_units)
    if faults:
        raise ScheduleValidationError(faults)
    masked = list(zip(of_units, masks, strict=True))
    fields = {_FIELDS[unit.name]: _mask(unit, masked) for unit in UNITS}
    if not times:
        calendar = ensure_occurs(Calendar(**fields, zone=zone, fixed=_is_fixed(masked)))
        _check_time_of_day(of_units)
        return calendar
    return any_of(
        ensure_occurs(
            Calendar(**{**fields, "hours": hours, "minutes": minutes}, zone=zone, fixed=True)
        )
        for hours, minutes in _grouped(times_of_day)
    )


def _conflicts(entries: Sequence[UnitEntry]) -> list[ScheduleProblem]:
    """Return the problems of hours and minutes that are given in addition to `at`."""
    message = (
        "{} cannot be combined with at(): give every time with at(), or join two schedules "
        "with |"
    )
    return [
        ScheduleProblem(unit.name, "conflict", unit.name, message.format(unit.label))
        for unit in (HOUR, MINUTE)
        if any(entry.unit is unit for entry in entries)
    ]


def _check_time_of_day(entries: Sequence[UnitEntry]) -> None:
    """Refuse days without a time: every minute of them is hardly what was meant."""
    if entries and all(entry.unit in _OF_DAYS for entry in entries):
        message = (
            "No time of day is given, so it would occur every minute of these days: "
            "add a time, such as at(9), or every_minute()"
        )
        fault = ScheduleProblem("hour", "no_time", None, message)
        raise ScheduleValidationError([fault])


def _mask(unit: Unit, masked: Sequence[Masked]) -> int:
    selected = _selected(unit, masked)
    if not selected and unit is SECOND:
        return 1
    return union(mask for _, mask in selected) or unit.every


def _selected(unit: Unit, masked: Sequence[Masked]) -> list[Masked]:
    """Return the entries of one unit; any other entry replaces `Every`."""
    of_unit = [one for one in masked if one[0].unit is unit]
    return [one for one in of_unit if not isinstance(one[0], Every)] or of_unit


def _is_fixed(masked: Sequence[Masked]) -> bool:
    """Whether both hour and minute are given as numbers, neither as all of them or by steps."""
    return all(
        selected and not any(isinstance(entry, Every | Steps) for entry, _ in selected)
        for selected in (_selected(HOUR, masked), _selected(MINUTE, masked))
    )


def _grouped(times: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return few pairs of masks of hours and minutes that match exactly these times."""
    hours_of: dict[int, int] = {}
    for hour, minute in times:
        hours_of[minute] = hours_of.get(minute, 0) | hour
    minutes_of: dict[int, int] = {}
    for minute, hours in hours_of.items():
        minutes_of[hours] = minutes_of.get(hours, 0) | minute
    return list(minutes_of.items())


def ensure_occurs(calendar: Calendar) -> Calendar:
    """Return `calendar`; raise `ScheduleValidationError` if 400 years have no occurrence."""
    days = calendar.days, calendar.weekdays, calendar.months
    if not days_exist(*days):
        raise _impossible(f"no year has such a day: {describe_days(*days)}")
    try:
        calendar.next_after(_ANY_YEAR)
    except NoOccurrenceError:
        problem = f"clocks in {calendar.zone} always skip this time on {describe_days(*days)}"
        raise _impossible(problem) from None
    return calendar


def days_exist(days: int, weekdays: int, months: int) -> bool:
    """Whether any year has a day that these masks match.

    Over the years, every month begins on every day of the week.
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
        [ScheduleProblem("day_of_month", "impossible", problem, message)]
    )
