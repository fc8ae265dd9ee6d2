"""Time zones with every kind of change, instants around the changes, and shorthands."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from itertools import islice
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import pytest

from bgjobs.errors import ScheduleProblem, ScheduleValidationError
from bgjobs.schedules import Schedule, from_cron
from bgjobs.schedules.builder import ScheduleBuilder

BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
END = datetime(2038, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
UNUSUAL = (
    "UTC",
    "America/New_York",
    "America/Los_Angeles",
    "Europe/Paris",
    "Europe/London",
    "Europe/Dublin",  # its winter time is the one that differs from standard time
    "Australia/Lord_Howe",  # by half an hour
    "Australia/Sydney",
    "Pacific/Norfolk",
    "Pacific/Chatham",  # at a quarter to three
    "Pacific/Apia",  # no 30 December 2011
    "Pacific/Kiritimati",
    "Antarctica/Troll",  # by two hours
    "Antarctica/Casey",  # by three
    "Antarctica/Vostok",
    "Africa/Cairo",  # at midnight, as the next ones
    "Asia/Beirut",
    "Asia/Amman",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Hovd",
    "America/Asuncion",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/Havana",
    "America/St_Johns",  # at a minute past midnight, until 2011
    "America/Miquelon",
    "America/Caracas",  # by half an hour, permanently
    "America/Godthab",
    "Atlantic/Azores",
    "Asia/Pyongyang",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Africa/Casablanca",  # set back during Ramadan
    "Africa/El_Aaiun",
    "Africa/Juba",
    "Africa/Windhoek",
    "Europe/Chisinau",
)
OTHERS = tuple(Random(2026).sample(sorted(available_timezones() - set(UNUSUAL)), 25))
ZONES = UNUSUAL + OTHERS


def zone_named(name: str) -> tzinfo:
    """Return a zone; UTC is that of `datetime`."""
    return UTC if name == "UTC" else ZoneInfo(name)


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """Return the instants from 2000 to 2037 at which clocks in a zone are changed."""
    zone = zone_named(name)
    found = []
    day = BEGIN
    while day < END:
        if _offset(day, zone) != _offset(day + DAY, zone):
            found.append(_change_between(day, day + DAY, zone))
        day += DAY
    return tuple(found)


def some_instant(random: Random, name: str) -> datetime:
    """Return a random instant, mostly close to a change of the clocks."""
    around = changes(name)
    if around and random.random() < 0.85:
        near = random.choice((60, 7_200, 90_000))
        instant = random.choice(around) + timedelta(seconds=random.randint(-near, near))
    else:
        instant = BEGIN + timedelta(seconds=random.randrange((END - BEGIN) // SECOND))
    if random.random() < 0.3:
        instant += timedelta(microseconds=random.randrange(1_000_000))
    return instant


def _offset(instant: datetime, zone: tzinfo) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()


def _change_between(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    before = _offset(low, zone)
    while high - low > SECOND:
        middle = low + (high - low) // SECOND // 2 * SECOND
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def utc(text: str) -> datetime:
    """Parse a time in UTC: ``2026-03-08 02:30``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def after(schedule: Schedule, start: str, count: int = 1) -> list[str]:
    """Return the next occurrences as times in UTC."""
    found = islice(schedule.occurrences(utc(start)), count)
    return [f"{one:%Y-%m-%d %H:%M:%S}".removesuffix(":00") for one in found]


def local(schedule: Schedule | str, zone: str, start: str, count: int) -> list[str]:
    """Return the next occurrences after a local time, as local times with their offset."""
    if isinstance(schedule, str):
        schedule = from_cron(schedule, zone)
    begin = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    found = islice(schedule.occurrences(begin), count)
    shown = [one.astimezone(ZoneInfo(zone)) for one in found]
    return [one.isoformat(" ", "minutes") for one in shown]


def refusal(builder: ScheduleBuilder) -> ScheduleValidationError:
    """Return the error of a build that has to fail."""
    with pytest.raises(ScheduleValidationError) as caught:
        builder.build()
    return caught.value


def only_fault(builder: ScheduleBuilder) -> ScheduleProblem:
    """Return the only problem of a build that has to fail."""
    (fault,) = refusal(builder).problems
    return fault


def built(builder: ScheduleBuilder) -> Schedule:
    """Build it; days without a time occur every minute."""
    try:
        return builder.build()
    except ScheduleValidationError as error:
        if [fault.kind for fault in error.problems] != ["no_time"]:
            raise
    return builder.every_minute().build()
