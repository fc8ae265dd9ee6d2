"""The units of a calendar: their types, their bounds, and values known only at run time.

The aliases are `Literal` types, so a type checker refuses `on_hour(24)` and `"munday"`. A
number that is known only at run time goes through a constructor such as `hour`, or through a
predicate such as `is_hour`.
"""

from collections.abc import Iterable
from typing import Literal, TypeGuard, cast, final

from attrs import frozen

from bgjobs._core.text import value_text
from bgjobs.errors import ScheduleFault, ScheduleValidationError

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
"""Which of the Mondays, Tuesdays, ... of a month."""
# fmt: on

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""Numbered from 1, as in ISO 8601."""

UnitName = Literal["second", "minute", "hour", "day_of_month", "month", "day_of_week"]


@final
@frozen
class Unit:
    """One unit: where its numbers begin and end, and how people call it and them."""

    name: UnitName
    label: str
    """How error texts begin."""
    least: int
    most: int
    names: tuple[str, ...] = ()
    """Of the numbers from `least` on, for units whose numbers have names."""

    @property
    def every(self) -> int:
        """The mask of all its numbers: bit n is number n."""
        return (2 << self.most) - (1 << self.least)

    def number(self, value: object) -> int:
        """Give the number of a value or name; `ScheduleValidationError` for any other."""
        if isinstance(value, str):
            if value in self.names:
                return self.least + self.names.index(value)
            if self.names:
                raise ScheduleValidationError([self._unknown(value)])
        if type(value) is not int or not self.least <= value <= self.most:
            raise ScheduleValidationError([self._out_of_bounds(value)])
        return value

    def _out_of_bounds(self, value: object) -> ScheduleFault:
        found = value_text(value)
        message = f"{self.label} must be between {self.least} and {self.most}, found: {found}"
        return ScheduleFault(
            self.name, "out_of_bounds", value, message, (self.least, self.most)
        )

    def _unknown(self, value: str) -> ScheduleFault:
        known = ", ".join(self.names)
        message = f"{self.label} must be one of {known}, found: {value_text(value)}"
        return ScheduleFault(self.name, "unknown_name", value, message)


SECOND = Unit("second", "Seconds", 0, 59)
MINUTE = Unit("minute", "Minutes", 0, 59)
HOUR = Unit("hour", "Hours", 0, 23)
DAY_OF_MONTH = Unit("day_of_month", "Day of month", 1, 31)
MONTH = Unit("month", "Month", 1, 12, MONTHS)
DAY_OF_WEEK = Unit("day_of_week", "Day of week", 1, 7, WEEKDAYS)
UNITS = (SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


def union(masks: Iterable[int]) -> int:
    """Give the mask of all numbers that are in one of these."""
    united = 0
    for mask in masks:
        united |= mask
    return united


def second(value: int) -> Second:
    """Check a number that is known only at run time; `ScheduleValidationError` outside 0-59."""
    return cast("Second", SECOND.number(value))


def minute(value: int) -> Minute:
    """Check a number that is known only at run time; `ScheduleValidationError` outside 0-59."""
    return cast("Minute", MINUTE.number(value))


def hour(value: int) -> Hour:
    """Check a number that is known only at run time; `ScheduleValidationError` outside 0-23."""
    return cast("Hour", HOUR.number(value))


def day_of_month(value: int) -> DayOfMonth:
    """Check a number that is known only at run time; `ScheduleValidationError` outside 1-31."""
    return cast("DayOfMonth", DAY_OF_MONTH.number(value))


def month(value: int | str) -> Month:
    """Check a number from 1 to 12 or an English name; `ScheduleValidationError` for others."""
    return cast("Month", MONTH.number(value))


def weekday(value: int | str) -> Weekday:
    """Check a number from 1, Monday, to 7 or an English name, as `month` does."""
    return cast("Weekday", DAY_OF_WEEK.number(value))


def is_second(value: object) -> TypeGuard[Second]:
    """Say whether it is a number from 0 to 59."""
    return _fits(SECOND, value)


def is_minute(value: object) -> TypeGuard[Minute]:
    """Say whether it is a number from 0 to 59."""
    return _fits(MINUTE, value)


def is_hour(value: object) -> TypeGuard[Hour]:
    """Say whether it is a number from 0 to 23."""
    return _fits(HOUR, value)


def is_day_of_month(value: object) -> TypeGuard[DayOfMonth]:
    """Say whether it is a number from 1 to 31."""
    return _fits(DAY_OF_MONTH, value)


def is_month(value: object) -> TypeGuard[Month]:
    """Say whether it is a number from 1 to 12 or the English name of a month."""
    return _fits(MONTH, value)


def is_weekday(value: object) -> TypeGuard[Weekday]:
    """Say whether it is a number from 1 to 7 or the English name of a weekday."""
    return _fits(DAY_OF_WEEK, value)


def _fits(unit: Unit, value: object) -> bool:
    try:
        unit.number(value)
    except ScheduleValidationError:
        return False
    return True
