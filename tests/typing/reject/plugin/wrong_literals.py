"""Invalid schedules that the types allow.

With the plugin, mypy must report every part of a message after the mark of a line, and no
error in any other line.
"""

from typing import Final, Literal

import bgjobs
from bgjobs.schedules import Schedule, ScheduleBuilder, every, from_cron, schedule

BEGIN: Final = 17
ZONE: Final = "Europe/Pari"
EVENING: Literal[20] = 20


class Settings:
    """Constants that are attributes."""

    ZONE: Final = "Mars/Olympus"


def recur(*when: Schedule | ScheduleBuilder) -> None: ...


# Ranges that run backwards.
schedule().between_seconds(30, 5)  # P: Seconds: Range start must be smaller
schedule().between_minutes(30, 30)  # P: got start:30 end:30
schedule().between_hours(17, 8)  # P: Hours: Range start must be smaller than end, got start:17
schedule().between_hours(end=8, start=17)  # P: got start:17 end:8
schedule().between_days_of_month(31, 1)  # P: Day of month: Range start
schedule().between_months("june", "march")  # P: got start:june end:march
schedule().between_months("june", 3)  # P: Month: Range start
schedule().between_days_of_week("friday", "monday")  # P: Day of week: Range start
schedule().between_hours(BEGIN, 8)  # P: got start:17 end:8
schedule().between_hours(EVENING, 8).build()  # P: got start:20 end:8
bgjobs.schedule().between_hours(17, 8).on_monday().build()  # P: got start:17 end:8

# Steps below 1, or longer than the unit.
schedule().every_minutes(0)  # P: Minutes: Step must be between 1 and 60, found: 0
schedule().every_minutes(-5).build()  # P: found: -5
schedule().every_hours(48 // 2 + 1)  # P: between 1 and 24, found: 25
schedule().every_months(True)  # P: found: True

# Time zones that do not exist.
schedule().in_timezone("Europe/Pari")  # P: found: 'Europe/Pari', did you mean 'Europe/Paris'?
schedule().in_timezone("Europe" + "/Pari").build()  # P: Time zone must be an IANA name
schedule().in_timezone(ZONE)  # P: did you mean 'Europe/Paris'?
schedule().in_timezone(Settings.ZONE)  # P: found: 'Mars/Olympus'
schedule().in_timezone("")  # P: found: ''

# Days that no year has: reported once, at `build`.
schedule().on_day_of_month(30).on_february().build()  # P: Schedule never occurs: no year has
schedule().on_month(4, "june").on_day_of_month(31).build()  # P: Schedule never occurs
schedule().on_nth_weekday(5, "monday").between_days_of_month(1, 28).build()  # P: never occurs
ScheduleBuilder().on_last_workday_of_month().on_weekends().build()  # P: Schedule never occurs
bgjobs.schedules.schedule().on_february().on_day_of_month(30).at(3).build()  # P: never occurs
schedule().on_february().on_day_of_month(30)

# Days without a time of day: reported at `build`, when no later call can add one.
schedule().on_weekdays().build()  # P: No time of day is given
schedule().on_monday().on_june().in_timezone("Europe/Paris").build()  # P: add a time, such as
schedule().on_weekdays()

# Conditions that cannot be combined.
schedule().at(8).on_hour(9).build()  # P: Hours cannot be combined with at()
schedule().at(8).every_hour().every_minute().build()  # P: Hours cannot be + Minutes cannot be

# The conditions of a variable are unknown, the arguments of the call are not.
builder = schedule().on_february()
builder.between_hours(17, 8).build()  # P: got start:17 end:8
builder.on_day_of_month(30).in_timezone("X/Y").build()  # P: found: 'X/Y'

# Several at once, each at its method.
recur(schedule().at(3).build(), schedule().between_hours(17, 8))  # P: got start:17 end:8
recur(
    schedule()
    .on_weekdays()
    .between_hours(17, 8)  # P: got start:17 end:8
    .between_minutes(  # P: got start:50 end:10
        50,
        10,
    )
    .in_timezone("Europe/Pari")  # P: did you mean 'Europe/Paris'?
    .build(),
    schedule()
    .on_february()  # with a comment inside the chain
    .on_day_of_month(30)
    .build(),  # P: Schedule never occurs
)
schedule().between_hours(17, 8).at(9).build()  # P: got start:17 end:8 + combined with at()

# Cron text.
from_cron("61 * * * *")  # P: Cron minute must be between 0 and 59, found: '61'
from_cron("0 25 * * MOO")  # P: Cron hour must be between + Cron day of week cannot be read
from_cron("0 3 * *", tz="UTC")  # P: Cron text must have 5 fields
from_cron("0 0 30 2 *")  # P: Schedule never occurs
from_cron("* " * 200)  # P: at most 256 characters
from_cron("0 3 * * *", tz="Europe/Pari")  # P: did you mean 'Europe/Paris'?
bgjobs.schedules.from_cron(text="@dayly", tz="UTC")  # P: found: '@dayly'

# Intervals.
every()  # P: found: 0
every(seconds=0)  # P: Interval must be a whole number of milliseconds, from 1
every(seconds=-1)  # P: found: seconds=-1
every(minutes=1, seconds=-60.0)  # P: found: seconds=-60.0, minutes=1
every(milliseconds=0.5)  # P: found: milliseconds=0.5
bgjobs.every(weeks=10_000) | every(hours=1)  # P: found: weeks=10000

every(seconds=10**5000)  # P: found: seconds=a huge int
every(seconds=60 - 20 * 3)  # P: found: 0

# Not evaluated, because it would take too long.
every(seconds=2 ** (2**33))
every(seconds=10**10**10)
every(seconds=1 << 10**12)
every(seconds=-(1 << 10**12))
from_cron("*" * 10**12)


def checked_more_than_once() -> None:
    while read():
        recur(schedule().on_february().on_day_of_month(30).build())  # P: Schedule never occurs
    try:
        read()
    finally:
        every(seconds=0)  # P: Interval must be
    recur(max([every(seconds=0)], key=str), *later)  # P: Interval must be


def read() -> bool:
    return bool(later)


later = [every(hours=1)] if read() else []

schedule().between_hours(17, 8)  # type: ignore[bgjobs-schedule]  # as users may
