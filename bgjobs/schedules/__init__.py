"""When scheduled jobs recur: pure values over the calendar, without a clock of their own.

schedule()    a calendar in words: `ScheduleBuilder`, then ``.build()``
every         an interval, counted from the end of the last run
from_cron     a calendar from cron text
a | b         whichever is next
from_text     what `Schedule.text` has written
"""

from bgjobs.errors import NoOccurrenceError, ScheduleFault, ScheduleValidationError
from bgjobs.schedules.base import AnyOf, Schedule
from bgjobs.schedules.builder import ScheduleBuilder, schedule
from bgjobs.schedules.calendar import Calendar
from bgjobs.schedules.cron import from_cron
from bgjobs.schedules.interval import Interval, every
from bgjobs.schedules.preview import Preview, PreviewLine
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
    "ScheduleFault",
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
