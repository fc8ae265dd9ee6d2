"""What was said to a builder, word by word, and what each word makes of a unit's mask."""

from functools import partial
from typing import final

from attrs import frozen

from bgjobs._core.text import value_text
from bgjobs.errors import ScheduleFault, ScheduleValidationError
from bgjobs.schedules.calendar_days import LAST, nth_weekday
from bgjobs.schedules.faults import gathered
from bgjobs.schedules.units import DAY_OF_WEEK, HOUR, MINUTE, Unit, union


@final
@frozen
class Every:
    """All numbers of the unit."""

    unit: Unit

    def mask(self) -> int:
        """Give all bits."""
        return self.unit.every


@final
@frozen
class Values:
    """Single numbers or names."""

    unit: Unit
    values: tuple[object, ...]

    def mask(self) -> int:
        """Give the bits; `ScheduleValidationError` lists all that do not fit."""
        numbers = gathered(partial(self.unit.number, value) for value in self.values)
        return union(1 << number for number in numbers)


@final
@frozen
class Range:
    """All numbers from one to another, both included."""

    unit: Unit
    start: object
    end: object

    def mask(self) -> int:
        """Give the bits; `ScheduleValidationError` unless the bounds fit and rise."""
        start, end = gathered(
            [partial(self.unit.number, self.start), partial(self.unit.number, self.end)]
        )
        if start >= end:
            raise ScheduleValidationError([self._reversed()])
        return (2 << end) - (1 << start)

    def _reversed(self) -> ScheduleFault:
        message = (
            f"{self.unit.label}: Range start must be smaller than end, "
            f"got start:{self.start} end:{self.end}"
        )
        found = (self.start, self.end)
        return ScheduleFault(self.unit.name, "reversed_range", found, message)


@final
@frozen
class Steps:
    """Every nth number, from the unit's first on."""

    unit: Unit
    step: object

    def mask(self) -> int:
        """Give the bits; `ScheduleValidationError` unless the step is within the unit."""
        span = self.unit.most - self.unit.least + 1
        if type(self.step) is not int or not 1 <= self.step <= span:
            raise ScheduleValidationError([self._out_of_bounds(span)])
        return sum(1 << n for n in range(self.unit.least, self.unit.most + 1, self.step))

    def _out_of_bounds(self, span: int) -> ScheduleFault:
        found = value_text(self.step)
        message = f"{self.unit.label}: Step must be between 1 and {span}, found: {found}"
        return ScheduleFault(self.unit.name, "out_of_bounds", self.step, message, (1, span))


@final
@frozen
class Special:
    """Days that have no number of their own, such as the last one of a month."""

    unit: Unit
    bits: int

    def mask(self) -> int:
        """Give the bits."""
        return self.bits


@final
@frozen
class NthWeekday:
    """The first, second, ... or last weekday of a name in a month."""

    nth: object
    weekday: object
    unit: Unit = DAY_OF_WEEK

    def mask(self) -> int:
        """Give the bit; `ScheduleValidationError` for a weekday or a number that is none."""
        weekday = self.unit.number(self.weekday)
        nth = LAST if self.nth == "last" else self.nth
        if type(nth) is not int or not 1 <= nth <= LAST or self.nth == LAST:
            found = value_text(self.nth)
            message = f"Nth weekday must be between 1 and 5 or 'last', found: {found}"
            fault = ScheduleFault(self.unit.name, "out_of_bounds", self.nth, message, (1, 5))
            raise ScheduleValidationError([fault])
        return nth_weekday(nth, weekday)


@final
@frozen
class At:
    """A time of the day."""

    hour: object
    minute: object

    def masks(self) -> tuple[int, int]:
        """Give the bit of the hour and that of the minute."""
        hour, minute = gathered(
            [partial(HOUR.number, self.hour), partial(MINUTE.number, self.minute)]
        )
        return 1 << hour, 1 << minute


UnitEntry = Every | Values | Range | Steps | Special | NthWeekday
Entry = UnitEntry | At
