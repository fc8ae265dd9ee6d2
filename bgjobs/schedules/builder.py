"""`schedule()`: a calendar schedule said in words.

Within a unit words add up (OR), across units they narrow down (AND)::

    schedule().on_weekdays().on_hour(8).on_hour(20).on_minute(0).build()

Nothing is checked before `build`, which then tells everything that is wrong.
"""

from typing import final
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from bgjobs.schedules._compiler import compiled
from bgjobs.schedules._zones import name_of
from bgjobs.schedules.base import Schedule
from bgjobs.schedules.calendar_days import LAST_DAY, LAST_WORKDAY
from bgjobs.schedules.entries import (
    At,
    Entry,
    Every,
    NthWeekday,
    Range,
    Special,
    Steps,
    Values,
)
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
    """The words said so far. Immutable: keep it, and branch from it as often as you like."""

    _entries: tuple[Entry, ...] = ()
    _zone: str = "UTC"

    def build(self) -> Schedule:
        """Give the schedule; `ScheduleValidationError` lists everything that is wrong."""
        return compiled(self._entries, self._zone)

    def in_timezone(self, name: str | ZoneInfo) -> "ScheduleBuilder":
        """Follow the wall clock of this IANA time zone, such as ``Europe/Paris``; else UTC.

        A `ZoneInfo` counts by its key.
        """
        return evolve(self, zone=name_of(name))

    def at(self, hour: Hour, minute: Minute = 0) -> "ScheduleBuilder":
        """Occur at this time of the day; several times can be said, each is kept as it is."""
        return self._add(At(hour, minute))

    def every_second(self) -> "ScheduleBuilder":
        """Take all seconds; forgets the ones said before."""
        return self._every(SECOND)

    def every_seconds(self, step: int) -> "ScheduleBuilder":
        """Take second 0 and every `step`-th one after it, within each minute."""
        return self._add(Steps(SECOND, step))

    def on_second(self, second: Second, *more: Second) -> "ScheduleBuilder":
        """Take these seconds; the first ones said replace the default, second 0."""
        return self._add(Values(SECOND, (second, *more)))

    def between_seconds(self, start: Second, end: Second) -> "ScheduleBuilder":
        """Take the seconds from `start` to `end`, both included."""
        return self._add(Range(SECOND, start, end))

    def every_minute(self) -> "ScheduleBuilder":
        """Take all minutes; forgets the ones said before."""
        return self._every(MINUTE)

    def every_minutes(self, step: int) -> "ScheduleBuilder":
        """Take minute 0 and every `step`-th one after it, within each hour."""
        return self._add(Steps(MINUTE, step))

    def on_minute(self, minute: Minute, *more: Minute) -> "ScheduleBuilder":
        """Take these minutes."""
        return self._add(Values(MINUTE, (minute, *more)))

    def between_minutes(self, start: Minute, end: Minute) -> "ScheduleBuilder":
        """Take the minutes from `start` to `end`, both included."""
        return self._add(Range(MINUTE, start, end))

    def every_hour(self) -> "ScheduleBuilder":
        """Take all hours; forgets the ones said before."""
        return self._every(HOUR)

    def every_hours(self, step: int) -> "ScheduleBuilder":
        """Take hour 0 and every `step`-th one after it, within each day."""
        return self._add(Steps(HOUR, step))

    def on_hour(self, hour: Hour, *more: Hour) -> "ScheduleBuilder":
        """Take these hours."""
        return self._add(Values(HOUR, (hour, *more)))

    def between_hours(self, start: Hour, end: Hour) -> "ScheduleBuilder":
        """Take the hours from `start` to `end`, both included: 8 to 17 ends at 17:59:59."""
        return self._add(Range(HOUR, start, end))

    def every_day_of_month(self) -> "ScheduleBuilder":
        """Take all days of the month; forgets the ones said before."""
        return self._every(DAY_OF_MONTH)

    def every_days_of_month(self, step: int) -> "ScheduleBuilder":
        """Take the 1st and every `step`-th day after it, within each month."""
        return self._add(Steps(DAY_OF_MONTH, step))

    def on_day_of_month(self, day: DayOfMonth, *more: DayOfMonth) -> "ScheduleBuilder":
        """Take these days of the month; months that are too short are left out."""
        return self._add(Values(DAY_OF_MONTH, (day, *more)))

    def between_days_of_month(self, start: DayOfMonth, end: DayOfMonth) -> "ScheduleBuilder":
        """Take the days of the month from `start` to `end`, both included."""
        return self._add(Range(DAY_OF_MONTH, start, end))

    def on_last_day_of_month(self) -> "ScheduleBuilder":
        """Take the last day of each month."""
        return self._add(Special(DAY_OF_MONTH, LAST_DAY))

    def on_last_workday_of_month(self) -> "ScheduleBuilder":
        """Take the last day of each month that is neither a Saturday nor a Sunday."""
        return self._add(Special(DAY_OF_MONTH, LAST_WORKDAY))

    def every_month(self) -> "ScheduleBuilder":
        """Take all months; forgets the ones said before."""
        return self._every(MONTH)

    def every_months(self, step: int) -> "ScheduleBuilder":
        """Take January and every `step`-th month after it, within each year."""
        return self._add(Steps(MONTH, step))

    def on_month(self, month: Month, *more: Month) -> "ScheduleBuilder":
        """Take these months, by number or by name."""
        return self._add(Values(MONTH, (month, *more)))

    def between_months(self, start: Month, end: Month) -> "ScheduleBuilder":
        """Take the months from `start` to `end`, both included."""
        return self._add(Range(MONTH, start, end))

    def every_day_of_week(self) -> "ScheduleBuilder":
        """Take all weekdays; forgets the ones said before."""
        return self._every(DAY_OF_WEEK)

    def on_day_of_week(self, weekday: Weekday, *more: Weekday) -> "ScheduleBuilder":
        """Take these weekdays, by name or by number, Monday being 1 and Sunday 7."""
        return self._add(Values(DAY_OF_WEEK, (weekday, *more)))

    def between_days_of_week(self, start: Weekday, end: Weekday) -> "ScheduleBuilder":
        """Take the weekdays from `start` to `end`, both included; the week begins on Monday."""
        return self._add(Range(DAY_OF_WEEK, start, end))

    def on_nth_weekday(self, nth: Nth, weekday: Weekday) -> "ScheduleBuilder":
        """Take the nth such weekday of each month: ``on_nth_weekday("last", "friday")``.

        Months without a fifth one are left out.
        """
        return self._add(NthWeekday(nth, weekday))

    def on_weekdays(self) -> "ScheduleBuilder":
        """Take Monday to Friday."""
        return self.between_days_of_week("monday", "friday")

    def on_weekends(self) -> "ScheduleBuilder":
        """Take Saturday and Sunday."""
        return self.between_days_of_week("saturday", "sunday")

    def on_monday(self) -> "ScheduleBuilder":
        """Take Mondays."""
        return self.on_day_of_week("monday")

    def on_tuesday(self) -> "ScheduleBuilder":
        """Take Tuesdays."""
        return self.on_day_of_week("tuesday")

    def on_wednesday(self) -> "ScheduleBuilder":
        """Take Wednesdays."""
        return self.on_day_of_week("wednesday")

    def on_thursday(self) -> "ScheduleBuilder":
        """Take Thursdays."""
        return self.on_day_of_week("thursday")

    def on_friday(self) -> "ScheduleBuilder":
        """Take Fridays."""
        return self.on_day_of_week("friday")

    def on_saturday(self) -> "ScheduleBuilder":
        """Take Saturdays."""
        return self.on_day_of_week("saturday")

    def on_sunday(self) -> "ScheduleBuilder":
        """Take Sundays."""
        return self.on_day_of_week("sunday")

    def on_january(self) -> "ScheduleBuilder":
        """Take January."""
        return self.on_month("january")

    def on_february(self) -> "ScheduleBuilder":
        """Take February."""
        return self.on_month("february")

    def on_march(self) -> "ScheduleBuilder":
        """Take March."""
        return self.on_month("march")

    def on_april(self) -> "ScheduleBuilder":
        """Take April."""
        return self.on_month("april")

    def on_may(self) -> "ScheduleBuilder":
        """Take May."""
        return self.on_month("may")

    def on_june(self) -> "ScheduleBuilder":
        """Take June."""
        return self.on_month("june")

    def on_july(self) -> "ScheduleBuilder":
        """Take July."""
        return self.on_month("july")

    def on_august(self) -> "ScheduleBuilder":
        """Take August."""
        return self.on_month("august")

    def on_september(self) -> "ScheduleBuilder":
        """Take September."""
        return self.on_month("september")

    def on_october(self) -> "ScheduleBuilder":
        """Take October."""
        return self.on_month("october")

    def on_november(self) -> "ScheduleBuilder":
        """Take November."""
        return self.on_month("november")

    def on_december(self) -> "ScheduleBuilder":
        """Take December."""
        return self.on_month("december")

    def _add(self, entry: Entry) -> "ScheduleBuilder":
        return evolve(self, entries=(*self._entries, entry))

    def _every(self, unit: Unit) -> "ScheduleBuilder":
        kept = [one for one in self._entries if isinstance(one, At) or one.unit is not unit]
        return evolve(self, entries=(*kept, Every(unit)))


def schedule() -> ScheduleBuilder:
    """Begin a schedule: second 0 of every minute, in UTC, until you say more.

    Where you say days you have to say a time, too: ``every_minute()`` for all of them.
    """
    return ScheduleBuilder()
