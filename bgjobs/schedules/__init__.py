"""Schedules: when scheduled jobs recur, as values without a clock of their own.

schedule()    a calendar, built with the methods of `ScheduleBuilder` and ``.build()``
every         an interval, which counts from the end of the last run
from_cron     a calendar from cron text
a | b         the union of two schedules
from_text     a schedule from the text that `Schedule.text` has written
"""

from bgjobs.errors import NoOccurrenceError, ScheduleProblem, ScheduleValidationError
from bgjobs.schedules.base import AnyOf, Schedule
from bgjobs.schedules.builder import ScheduleBuilder, schedule
from bgjobs.schedules.calendar import Calendar
from bgjobs.schedules.cron import from_cron
from bgjobs.schedules.description import Preview, PreviewLine
from bgjobs.schedules.interval import Interval, every
from bgjobs.schedules.text import from_text
from bgjobs.schedules.units import (
    DayOfMonth,
    Hour,
    Minute,
    Month,
    Nth,
    Second,
    Weekday,
    day_of_month,
    hour,
    is_day_of_month,
    is_hour,
    is_minute,
    is_month,
    is_second,
    is_weekday,
    minute,
    month,
    second,
    weekday,
)

__all__ = [
    "AnyOf",
    "Calendar",
    "DayOfMonth",
    "Hour",
    "Interval",
    "Minute",
    "Month",
    "NoOccurrenceError",
    "Nth",
    "Preview",
    "PreviewLine",
    "Schedule",
    "ScheduleBuilder",
    "ScheduleProblem",
    "ScheduleValidationError",
    "Second",
    "Weekday",
    "day_of_month",
    "every",
    "from_cron",
    "from_text",
    "hour",
    "is_day_of_month",
    "is_hour",
    "is_minute",
    "is_month",
    "is_second",
    "is_weekday",
    "minute",
    "month",
    "schedule",
    "second",
    "weekday",
]
