"""Valid schedules: checked by mypy, with and without its plugin, and by pyright; never run."""

from datetime import UTC, datetime
from typing import Final, Literal, assert_type
from zoneinfo import ZoneInfo

import bgjobs
from bgjobs.schedules import (
    DayOfMonth,
    Hour,
    Interval,
    Minute,
    Month,
    Preview,
    Schedule,
    ScheduleBuilder,
    Second,
    Weekday,
    day_of_month,
    every,
    from_cron,
    from_text,
    hour,
    is_day_of_month,
    is_hour,
    is_minute,
    is_month,
    is_second,
    is_weekday,
    minute,
    month,
    schedule,
    second,
    weekday,
)

BEGIN: Final = 8
END: Literal[17] = 17
ZONE: Final = "Europe/Paris"


def recur(when: Schedule) -> None: ...


def words() -> None:
    assert_type(schedule(), ScheduleBuilder)
    assert_type(schedule().on_hour(0, 8, 23).on_minute(0, 59).on_second(0), ScheduleBuilder)
    assert_type(schedule().build(), Schedule)
    recur(schedule().on_weekdays().between_hours(BEGIN, END).in_timezone(ZONE).build())
    recur(schedule().at(8).in_timezone(ZoneInfo(ZONE)).build())
    recur(from_cron("0 8 * * *", ZoneInfo(ZONE)))
    recur(schedule().on_friday().at(hour=8, minute=30).at(17).build())
    recur(schedule().on_month(2, "march").on_day_of_week("monday", 7).at(9).build())
    recur(schedule().between_months("june", "september").at(9).build())
    recur(schedule().on_nth_weekday(5, "friday").on_nth_weekday("last", 1).at(9).build())
    recur(schedule().every_minutes(15).every_hours(2).every_second().build())
    recur(schedule().on_day_of_month(29).on_february().at(9).build())
    recur(ScheduleBuilder().on_last_workday_of_month().at(18).build())


def unions() -> None:
    noon = schedule().at(12).build()
    assert_type(noon | every(hours=1), Schedule)
    assert_type(every(hours=1) | from_cron("@daily"), Schedule)
    assert_type(every(hours=1) | every(hours=2) | noon, Schedule)
    recur(noon | every(hours=1))


def others() -> None:
    assert_type(every(minutes=1, seconds=30), Interval)
    assert_type(every(seconds=0.5), Interval)
    assert_type(from_cron("*/5 8-17 * * MON-FRI", tz="Europe/Paris"), Schedule)
    assert_type(from_cron("0 0 30 2 MON"), Schedule)
    assert_type(from_text("every 500ms"), Schedule)
    recur(every(seconds=60 * 60))


def use(when: Schedule) -> None:
    now = datetime.now(UTC)
    assert_type(when.next_after(now), datetime)
    assert_type(when.preview(3, after=now), Preview)
    assert_type(list(when.occurrences(now, now)), list[datetime])
    assert_type(when.text, str)


def top_level() -> None:
    assert_type(bgjobs.schedule().on_hour(3).build(), bgjobs.Schedule)
    assert_type(bgjobs.every(days=1), bgjobs.schedules.Interval)
    assert_type(bgjobs.schedules.from_cron("@hourly"), bgjobs.Schedule)
    assert_type(bgjobs.schedules.hour(3), Hour)


def checked(number: int, text: str) -> None:
    assert_type(second(number), Second)
    assert_type(minute(number), Minute)
    assert_type(hour(number), Hour)
    assert_type(day_of_month(number), DayOfMonth)
    assert_type(month(text), Month)
    assert_type(weekday(number), Weekday)
    said = schedule().on_hour(hour(number)).between_minutes(minute(number), 59)
    said = said.on_second(second(number)).on_day_of_month(day_of_month(number))
    said = said.on_month(month(text)).on_nth_weekday("last", weekday(text))
    recur(said.at(hour(number), minute(number)).build())


def narrowed(number: int, text: str, anything: object) -> None:
    if is_hour(number) and is_hour(anything):
        schedule().on_hour(number).between_hours(number, anything)
    if is_minute(number):
        schedule().on_minute(number)
    if is_second(number):
        schedule().on_second(number)
    if is_day_of_month(number):
        schedule().on_day_of_month(number)
    if is_month(text):
        schedule().on_month(text).between_months(1, text)
    if is_weekday(anything):
        schedule().on_day_of_week(anything)
