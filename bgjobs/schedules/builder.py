"""`schedule()`: a builder of calendar schedules.

Within a unit, conditions add up (OR); across units, they narrow down (AND)::

    schedule().on_weekdays().on_hour(8).on_hour(20).on_minute(0).build()

Only `build` checks, and its error lists every problem.
"""

from typing import final
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from bgjobs.schedules._compiler import (
    At,
    Entry,
    Every,
    NthWeekday,
    Range,
    Special,
    Steps,
    Values,
    compile_entries,
)
from bgjobs.schedules._masks import LAST_DAY, LAST_WORKDAY
from bgjobs.schedules._zones import zone_name
from bgjobs.schedules.base import Schedule
from bgjobs.schedules.units import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    DayOfMonth,
    Hour,
    Minute,
    Month,
    Nth,
    Second,
    Unit,
    Weekday,
)


@final
@frozen
class ScheduleBuilder:
    """The conditions of a calendar. Immutable: every method returns a new builder.

    Keep a builder and branch from it as often as you like. A unit without a condition always
    matches, except for the second, which is 0. No method but `build` checks its arguments.
    """

    _entries: tuple[Entry, ...] = ()
    _zone: str = "UTC"

    def build(self) -> Schedule:
        """Return the schedule.

        Raises:
            ScheduleValidationError: It lists every problem: values out of range, ranges that
                run backwards, an unknown time zone. If there is none of these: days without a
                time of day, or a calendar that would never occur.
        """
        return compile_entries(self._entries, self._zone)

    def in_timezone(self, name: str | ZoneInfo) -> "ScheduleBuilder":
        """Follow the wall clock of a time zone instead of UTC. The last call counts.

        Args:
            name: An IANA name such as ``Europe/Paris``, see https://www.iana.org/time-zones,
                or a `ZoneInfo` that has such a key.
        """
        return evolve(self, zone=zone_name(name))

    def at(self, hour: Hour, minute: Minute = 0) -> "ScheduleBuilder":
        """Match this time of the day. Several calls match several times.

        It cannot be combined with conditions on hours and minutes. Such a time occurs exactly
        once a day, also when clocks are changed: see `Calendar.fixed`.

        Args:
            hour: 0 to 23.
            minute: 0 to 59.
        """
        return self._add(At(hour, minute))

    def every_second(self) -> "ScheduleBuilder":
        """Match every second; earlier conditions on seconds are dropped."""
        return self._every(SECOND)

    def every_seconds(self, step: int) -> "ScheduleBuilder":
        """Match second 0 and every `step`-th second after it, within each minute.

        Args:
            step: 1 to 60; 20 matches seconds 0, 20 and 40.
        """
        return self._add(Steps(SECOND, step))

    def on_second(self, second: Second, *more: Second) -> "ScheduleBuilder":
        """Match these seconds, 0 to 59, instead of second 0."""
        return self._add(Values(SECOND, (second, *more)))

    def between_seconds(self, start: Second, end: Second) -> "ScheduleBuilder":
        """Match the seconds from `start` to a greater `end`, both included and 0 to 59."""
        return self._add(Range(SECOND, start, end))

    def every_minute(self) -> "ScheduleBuilder":
        """Match every minute; earlier conditions on minutes are dropped."""
        return self._every(MINUTE)

    def every_minutes(self, step: int) -> "ScheduleBuilder":
        """Match minute 0 and every `step`-th minute after it, within each hour.

        Args:
            step: 1 to 60; 25 matches minutes 0, 25 and 50 of each hour.
        """
        return self._add(Steps(MINUTE, step))

    def on_minute(self, minute: Minute, *more: Minute) -> "ScheduleBuilder":
        """Match these minutes, 0 to 59."""
        return self._add(Values(MINUTE, (minute, *more)))

    def between_minutes(self, start: Minute, end: Minute) -> "ScheduleBuilder":
        """Match the minutes from `start` to a greater `end`, both included and 0 to 59."""
        return self._add(Range(MINUTE, start, end))

    def every_hour(self) -> "ScheduleBuilder":
        """Match every hour; earlier conditions on hours are dropped."""
        return self._every(HOUR)

    def every_hours(self, step: int) -> "ScheduleBuilder":
        """Match hour 0 and every `step`-th hour after it, within each day.

        Args:
            step: 1 to 24; 9 matches hours 0, 9 and 18 of each day.
        """
        return self._add(Steps(HOUR, step))

    def on_hour(self, hour: Hour, *more: Hour) -> "ScheduleBuilder":
        """Match all minutes of these hours, 0 to 23; for a time of the day, use `at`."""
        return self._add(Values(HOUR, (hour, *more)))

    def between_hours(self, start: Hour, end: Hour) -> "ScheduleBuilder":
        """Match the hours from `start` to a greater `end`, both included and 0 to 23.

        8 to 17 ends at 17:59:59. For a night, use two ranges.
        """
        return self._add(Range(HOUR, start, end))

    def every_day_of_month(self) -> "ScheduleBuilder":
        """Match every day of the month; earlier conditions on days of the month are dropped."""
        return self._every(DAY_OF_MONTH)

    def every_days_of_month(self, step: int) -> "ScheduleBuilder":
        """Match day 1 and every `step`-th day after it, within each month.

        Args:
            step: 1 to 31; 10 matches days 1, 11, 21 and 31.
        """
        return self._add(Steps(DAY_OF_MONTH, step))

    def on_day_of_month(self, day: DayOfMonth, *more: DayOfMonth) -> "ScheduleBuilder":
        """Match these days of the month, 1 to 31; shorter months are left out."""
        return self._add(Values(DAY_OF_MONTH, (day, *more)))

    def between_days_of_month(self, start: DayOfMonth, end: DayOfMonth) -> "ScheduleBuilder":
        """Match the days from `start` to a greater `end`, both included and 1 to 31."""
        return self._add(Range(DAY_OF_MONTH, start, end))

    def on_last_day_of_month(self) -> "ScheduleBuilder":
        """Match the last day of each month."""
        return self._add(Special(DAY_OF_MONTH, LAST_DAY))

    def on_last_workday_of_month(self) -> "ScheduleBuilder":
        """Match the last day of each month that is neither a Saturday nor a Sunday."""
        return self._add(Special(DAY_OF_MONTH, LAST_WORKDAY))

    def every_month(self) -> "ScheduleBuilder":
        """Match every month; earlier conditions on months are dropped."""
        return self._every(MONTH)

    def every_months(self, step: int) -> "ScheduleBuilder":
        """Match January and every `step`-th month after it, within each year.

        Args:
            step: 1 to 12; 3 matches January, April, July and October.
        """
        return self._add(Steps(MONTH, step))

    def on_month(self, month: Month, *more: Month) -> "ScheduleBuilder":
        """Match these months, by number, 1 to 12, or by name, such as ``june``."""
        return self._add(Values(MONTH, (month, *more)))

    def between_months(self, start: Month, end: Month) -> "ScheduleBuilder":
        """Match the months from `start` to a later `end`, both included."""
        return self._add(Range(MONTH, start, end))

    def every_day_of_week(self) -> "ScheduleBuilder":
        """Match every weekday; earlier conditions on weekdays are dropped."""
        return self._every(DAY_OF_WEEK)

    def on_day_of_week(self, weekday: Weekday, *more: Weekday) -> "ScheduleBuilder":
        """Match these weekdays, by number, 1, Monday, to 7, or by name, such as ``monday``."""
        return self._add(Values(DAY_OF_WEEK, (weekday, *more)))

    def between_days_of_week(self, start: Weekday, end: Weekday) -> "ScheduleBuilder":
        """Match the weekdays from `start` to a later `end`, both included.

        The week begins on Monday, as in ISO 8601.
        """
        return self._add(Range(DAY_OF_WEEK, start, end))

    def on_nth_weekday(self, nth: Nth, weekday: Weekday) -> "ScheduleBuilder":
        """Match the nth such weekday of each month: ``on_nth_weekday("last", "friday")``.

        Args:
            nth: 1 to 5 or ``"last"``. Months without a fifth one are left out.
            weekday: 1, Monday, to 7, or a name.
        """
        return self._add(NthWeekday(nth, weekday))

    def on_weekdays(self) -> "ScheduleBuilder":
        """Match Monday to Friday."""
        return self.between_days_of_week("monday", "friday")

    def on_weekends(self) -> "ScheduleBuilder":
        """Match Saturday and Sunday."""
        return self.between_days_of_week("saturday", "sunday")

    def on_monday(self) -> "ScheduleBuilder":
        """Match Mondays."""
        return self.on_day_of_week("monday")

    def on_tuesday(self) -> "ScheduleBuilder":
        """Match Tuesdays."""
        return self.on_day_of_week("tuesday")

    def on_wednesday(self) -> "ScheduleBuilder":
        """Match Wednesdays."""
        return self.on_day_of_week("wednesday")

    def on_thursday(self) -> "ScheduleBuilder":
        """Match Thursdays."""
        return self.on_day_of_week("thursday")

    def on_friday(self) -> "ScheduleBuilder":
        """Match Fridays."""
        return self.on_day_of_week("friday")

    def on_saturday(self) -> "ScheduleBuilder":
        """Match Saturdays."""
        return self.on_day_of_week("saturday")

    def on_sunday(self) -> "ScheduleBuilder":
        """Match Sundays."""
        return self.on_day_of_week("sunday")

    def on_january(self) -> "ScheduleBuilder":
        """Match January."""
        return self.on_month("january")

    def on_february(self) -> "ScheduleBuilder":
        """Match February."""
        return self.on_month("february")

    def on_march(self) -> "ScheduleBuilder":
        """Match March."""
        return self.on_month("march")

    def on_april(self) -> "ScheduleBuilder":
        """Match April."""
        return self.on_month("april")

    def on_may(self) -> "ScheduleBuilder":
        """Match May."""
        return self.on_month("may")

    def on_june(self) -> "ScheduleBuilder":
        """Match June."""
        return self.on_month("june")

    def on_july(self) -> "ScheduleBuilder":
        """Match July."""
        return self.on_month("july")

    def on_august(self) -> "ScheduleBuilder":
        """Match August."""
        return self.on_month("august")

    def on_september(self) -> "ScheduleBuilder":
        """Match September."""
        return self.on_month("september")

    def on_october(self) -> "ScheduleBuilder":
        """Match October."""
        return self.on_month("october")

    def on_november(self) -> "ScheduleBuilder":
        """Match November."""
        return self.on_month("november")

    def on_december(self) -> "ScheduleBuilder":
        """Match December."""
        return self.on_month("december")

    def _add(self, entry: Entry) -> "ScheduleBuilder":
        return evolve(self, entries=(*self._entries, entry))

    def _every(self, unit: Unit) -> "ScheduleBuilder":
        kept = [one for one in self._entries if isinstance(one, At) or one.unit is not unit]
        return evolve(self, entries=(*kept, Every(unit)))


def schedule() -> ScheduleBuilder:
    """Return a builder that matches second 0 of every minute, in UTC.

    Conditions on days need a time of day: add ``at(9)`` or, for all of them,
    ``every_minute()``.
    """
    return ScheduleBuilder()
