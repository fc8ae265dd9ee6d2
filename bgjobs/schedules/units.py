"""The units of a calendar: their types, their bounds, and checks for values at run time.

The aliases are `Literal` types, so a type checker rejects `on_hour(24)` and `"munday"`. Pass a
number that is known only at run time through a constructor such as `hour` or a predicate such
as `is_hour`.
"""

from datetime import datetime
from typing import Literal, TypeGuard, cast, final

from attrs import frozen

from bgjobs._core.text import value_text
from bgjobs.errors import ScheduleProblem, ScheduleValidationError

# fmt: off
Second = Literal[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59,
]
Minute = Literal[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59,
]
Hour = Literal[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
]
DayOfMonth = Literal[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
]
Month = Literal[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]
Weekday = Literal[
    1, 2, 3, 4, 5, 6, 7,
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
]
Nth = Literal[1, 2, 3, 4, 5, "last"]
"""Which one of the Mondays, of the Tuesdays, ... of a month."""
# fmt: on

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""Numbered from 1, as in ISO 8601, https://www.iso.org/iso-8601-date-and-time-format.html."""

UnitName = Literal["second", "minute", "hour", "day_of_month", "month", "day_of_week"]


@final
@frozen
class Unit:
    """One unit: its bounds, and the names of it and of its numbers."""

    name: UnitName
    label: str
    """The beginning of error messages."""
    least: int
    most: int
    names: tuple[str, ...] = ()
    """The names of the numbers from `least` on; empty if they have none."""

    @property
    def every(self) -> int:
        """The mask of all its numbers, in which bit n is number n."""
        return (2 << self.most) - (1 << self.least)

    def number(self, value: object) -> int:
        """Return the number of a number or name; raise `ScheduleValidationError` for others."""
        if isinstance(value, str):
            if value in self.names:
                return self.least + self.names.index(value)
            if self.names:
                raise ScheduleValidationError([self._unknown(value)])
        if type(value) is not int or not self.least <= value <= self.most:
            raise ScheduleValidationError([self._out_of_bounds(value)])
        return value

    def _out_of_bounds(self, value: object) -> ScheduleProblem:
        found = value_text(value)
        message = f"{self.label} must be between {self.least} and {self.most}, found: {found}"
        return ScheduleProblem(
            self.name, "out_of_bounds", value, message, (self.least, self.most)
        )

    def _unknown(self, value: str) -> ScheduleProblem:
        known = ", ".join(self.names)
        message = f"{self.label} must be one of {known}, found: {value_text(value)}"
        return ScheduleProblem(self.name, "unknown_name", value, message)


SECOND = Unit("second", "Seconds", 0, 59)
MINUTE = Unit("minute", "Minutes", 0, 59)
HOUR = Unit("hour", "Hours", 0, 23)
DAY_OF_MONTH = Unit("day_of_month", "Day of month", 1, 31)
MONTH = Unit("month", "Month", 1, 12, MONTHS)
DAY_OF_WEEK = Unit("day_of_week", "Day of week", 1, 7, WEEKDAYS)
UNITS = (SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


def weekday_abbreviation(moment: datetime) -> str:
    """Return ``Mon`` to ``Sun``, in English in every locale."""
    return WEEKDAYS[moment.weekday()][:3].title()


def second(value: int) -> Second:
    """Return `value`, which is known only at run time, as a `Second`.

    Raises:
        ScheduleValidationError: It is not an int from 0 to 59.
    """
    return cast("Second", SECOND.number(value))


def minute(value: int) -> Minute:
    """Return `value`, which is known only at run time, as a `Minute`.

    Raises:
        ScheduleValidationError: It is not an int from 0 to 59.
    """
    return cast("Minute", MINUTE.number(value))


def hour(value: int) -> Hour:
    """Return `value`, which is known only at run time, as an `Hour`.

    Raises:
        ScheduleValidationError: It is not an int from 0 to 23.
    """
    return cast("Hour", HOUR.number(value))


def day_of_month(value: int) -> DayOfMonth:
    """Return `value`, which is known only at run time, as a `DayOfMonth`.

    Raises:
        ScheduleValidationError: It is not an int from 1 to 31.
    """
    return cast("DayOfMonth", DAY_OF_MONTH.number(value))


def month(value: int | str) -> Month:
    """Return `value`, which is known only at run time, as a `Month`.

    Raises:
        ScheduleValidationError: It is neither an int from 1 to 12 nor a name such as ``june``.
    """
    return cast("Month", MONTH.number(value))


def weekday(value: int | str) -> Weekday:
    """Return `value`, which is known only at run time, as a `Weekday`.

    Raises:
        ScheduleValidationError: It is neither an int from 1, Monday, to 7 nor a name such as
            ``monday``.
    """
    return cast("Weekday", DAY_OF_WEEK.number(value))


def is_second(value: object) -> TypeGuard[Second]:
    """Whether `value` is an int from 0 to 59."""
    return _fits(SECOND, value)


def is_minute(value: object) -> TypeGuard[Minute]:
    """Whether `value` is an int from 0 to 59."""
    return _fits(MINUTE, value)


def is_hour(value: object) -> TypeGuard[Hour]:
    """Whether `value` is an int from 0 to 23."""
    return _fits(HOUR, value)


def is_day_of_month(value: object) -> TypeGuard[DayOfMonth]:
    """Whether `value` is an int from 1 to 31."""
    return _fits(DAY_OF_MONTH, value)


def is_month(value: object) -> TypeGuard[Month]:
    """Whether `value` is an int from 1 to 12 or an English name such as ``june``."""
    return _fits(MONTH, value)


def is_weekday(value: object) -> TypeGuard[Weekday]:
    """Whether `value` is an int from 1, Monday, to 7 or a name such as ``monday``."""
    return _fits(DAY_OF_WEEK, value)


def _fits(unit: Unit, value: object) -> bool:
    try:
        unit.number(value)
    except ScheduleValidationError:
        return False
    return True
