"""Occurrences in the words of a wall clock."""

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from bgjobs.errors import ScheduleFault, ScheduleValidationError
from bgjobs.schedules import Schedule, from_cron
from bgjobs.schedules.builder import ScheduleBuilder


def utc(text: str) -> datetime:
    """Read a time of the clock in UTC: ``2026-03-08 02:30``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def after(schedule: Schedule, start: str, count: int = 1) -> list[str]:
    """Give the next occurrences as times in UTC."""
    found = islice(schedule.occurrences(utc(start)), count)
    return [f"{one:%Y-%m-%d %H:%M:%S}".removesuffix(":00") for one in found]


def local(schedule: Schedule | str, zone: str, start: str, count: int) -> list[str]:
    """Give the next occurrences after a local time, as local times with their offset."""
    if isinstance(schedule, str):
        schedule = from_cron(schedule, zone)
    begin = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    found = islice(schedule.occurrences(begin), count)
    shown = [one.astimezone(ZoneInfo(zone)) for one in found]
    return [one.isoformat(" ", "minutes") for one in shown]


def refusal(builder: ScheduleBuilder) -> ScheduleValidationError:
    """Give the error of a build that has to fail."""
    with pytest.raises(ScheduleValidationError) as caught:
        builder.build()
    return caught.value


def only_fault(builder: ScheduleBuilder) -> ScheduleFault:
    """Give the one fault of a build that has to fail."""
    (fault,) = refusal(builder).faults
    return fault


def built(builder: ScheduleBuilder) -> Schedule:
    """Build it; days that were said without a time occur every minute."""
    try:
        return builder.build()
    except ScheduleValidationError as error:
        if [fault.kind for fault in error.faults] != ["no_time"]:
            raise
    return builder.every_minute().build()
