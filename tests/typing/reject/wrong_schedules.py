"""Invalid schedules: mypy and pyright must report each marked line and no other line."""

import bgjobs
from bgjobs import ScheduledJob, worker
from bgjobs.schedules import (
    Hour,
    Schedule,
    ScheduleBuilder,
    every,
    from_cron,
    from_text,
    hour,
    is_hour,
    is_month,
    month,
    schedule,
)


@worker
def purge() -> None: ...


def recur(when: Schedule) -> None: ...


# Numbers out of bounds.
schedule().on_second(60)  # E: arg-type | reportArgumentType
schedule().on_second(-1)  # E: arg-type | reportArgumentType
schedule().on_minute(0, 60)  # E: arg-type | reportArgumentType
schedule().on_hour(24)  # E: arg-type | reportArgumentType
schedule().on_hour(8, 24)  # E: arg-type | reportArgumentType
schedule().on_day_of_month(0)  # E: arg-type | reportArgumentType
schedule().on_day_of_month(32)  # E: arg-type | reportArgumentType
schedule().on_month(0)  # E: arg-type | reportArgumentType
schedule().on_month(13)  # E: arg-type | reportArgumentType
schedule().on_day_of_week(0)  # E: arg-type | reportArgumentType
schedule().on_day_of_week(8)  # E: arg-type | reportArgumentType
schedule().on_nth_weekday(6, "friday")  # E: arg-type | reportArgumentType
schedule().on_nth_weekday(0, "friday")  # E: arg-type | reportArgumentType
schedule().between_seconds(0, 60)  # E: arg-type | reportArgumentType
schedule().between_minutes(0, 60)  # E: arg-type | reportArgumentType
schedule().between_hours(8, 24)  # E: arg-type | reportArgumentType
schedule().between_days_of_month(0, 15)  # E: arg-type | reportArgumentType
schedule().between_months(6, 13)  # E: arg-type | reportArgumentType
schedule().between_days_of_week(1, 8)  # E: arg-type | reportArgumentType
schedule().at(24)  # E: arg-type | reportArgumentType
schedule().at(8, 60)  # E: arg-type | reportArgumentType
schedule().on_hour(24).build()  # E: arg-type | reportArgumentType

# Unknown names and wrong types.
schedule().on_month("febuary")  # E: arg-type | reportArgumentType
schedule().on_month("February")  # E: arg-type | reportArgumentType
schedule().on_day_of_week("munday")  # E: arg-type | reportArgumentType
schedule().on_day_of_week("monday", "mon")  # E: arg-type | reportArgumentType
schedule().on_nth_weekday("first", "monday")  # E: arg-type | reportArgumentType
schedule().on_hour("8")  # E: arg-type | reportArgumentType
schedule().on_hour(8.0)  # E: arg-type | reportArgumentType
schedule().on_hour(True)  # E: arg-type | reportArgumentType
schedule().on_hour()  # E: call-arg | reportCallIssue
schedule().on_hour([8, 9])  # E: arg-type | reportArgumentType
schedule().every_minutes("5")  # E: arg-type | reportArgumentType
schedule().every_minutes(2.5)  # E: arg-type | reportArgumentType
schedule().every_minute(5)  # E: call-arg | reportCallIssue
schedule().between_hours(8)  # E: call-arg | reportCallIssue
schedule().in_timezone(1)  # E: arg-type | reportArgumentType
schedule().in_timezone(None)  # E: arg-type | reportArgumentType
schedule().on_mondays()  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType
schedule("daily")  # E: call-arg | reportCallIssue

# A number that is known only at run time.


def unchecked(number: int, text: str) -> None:
    schedule().on_second(number)  # E: arg-type | reportArgumentType
    schedule().on_minute(number)  # E: arg-type | reportArgumentType
    schedule().on_hour(number)  # E: arg-type | reportArgumentType
    schedule().on_day_of_month(number)  # E: arg-type | reportArgumentType
    schedule().on_month(number)  # E: arg-type | reportArgumentType
    schedule().on_month(text)  # E: arg-type | reportArgumentType
    schedule().on_day_of_week(text)  # E: arg-type | reportArgumentType
    schedule().on_nth_weekday(number, "friday")  # E: arg-type | reportArgumentType
    schedule().at(hour(number), number)  # E: arg-type | reportArgumentType
    schedule().on_hour(month(number))  # E: arg-type | reportArgumentType
    if is_hour(number):
        schedule().on_day_of_month(number)  # E: arg-type | reportArgumentType
    else:
        schedule().on_hour(number)  # E: arg-type | reportArgumentType
    if is_month(text):
        schedule().on_day_of_week(text)  # E: arg-type | reportArgumentType
    late: Hour = 24  # E: assignment | reportAssignmentType
    hour("8")  # E: arg-type | reportArgumentType
    hour(late, 5)  # E: call-arg | reportCallIssue


# A builder is not a schedule.
recur(schedule())  # E: arg-type | reportArgumentType
recur(schedule().on_hour(3))  # E: arg-type | reportArgumentType
recur(bgjobs.schedule().on_hour(3))  # E: arg-type | reportArgumentType
bgjobs.ScheduledJob(purge, schedule().on_hour(3))  # E: arg-type | reportArgumentType
bgjobs.ScheduledJob(purge, "0 3 * * *")  # E: arg-type | reportArgumentType
ScheduledJob(purge.request(), every(hours=1))  # E: arg-type | reportArgumentType
ScheduledJob(purge, every(hours=1), catch_up="all")  # E: arg-type | reportArgumentType
recur("0 3 * * *")  # E: arg-type | reportArgumentType
recur(schedule)  # E: arg-type | reportArgumentType
schedule().preview()  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType
schedule() | schedule().build()  # E: operator | reportOperatorIssue, reportUnusedExpression
every(hours=1) | schedule().at(3)  # E: operator | reportOperatorIssue, reportUnusedExpression
every(days=1).at(3)  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType
unbuilt: Schedule = ScheduleBuilder()  # E: assignment | reportAssignmentType
built: ScheduleBuilder = schedule().build()  # E: assignment | reportAssignmentType
Schedule()  # E: abstract | reportAbstractUsage

# The others.
every(5)  # E: call-arg | reportCallIssue
every(second=5)  # E: call-arg | reportCallIssue
every(months=1)  # E: call-arg | reportCallIssue
every(seconds="5")  # E: arg-type | reportArgumentType
bgjobs.every(years=1)  # E: call-arg | reportCallIssue
from_cron(5)  # E: arg-type | reportArgumentType
from_cron("0 3 * * *", tz=None)  # E: arg-type | reportArgumentType
from_cron("0 3 * * *", timezone="UTC")  # E: call-arg | reportCallIssue
from_cron(b"0 3 * * *")  # E: arg-type | reportArgumentType
from_cron(["0", "3", "*", "*", "*"])  # E: arg-type | reportArgumentType
from_cron()  # E: call-arg | reportCallIssue
from_text(schedule().build())  # E: arg-type | reportArgumentType
bgjobs.from_cron("")  # E: attr-defined | reportAttributeAccessIssue, reportUnknownMemberType


@every  # E: arg-type, call-arg | reportCallIssue, reportUntypedFunctionDecorator
def hourly() -> None: ...
