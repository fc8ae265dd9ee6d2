"""What a change of the clocks did to an occurrence, in words."""

from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from bgjobs.schedules._masks import Masks, next_wall_time
from bgjobs.schedules._zones import SECOND, wall_clock, wall_time
from bgjobs.schedules.units import WEEKDAYS

NOTHING = timedelta(0)


class FollowsAClock(Masks, Protocol):
    """A calendar, as much of it as remarks need."""

    @property
    def fixed(self) -> bool:
        """Whether each local time occurs once, whatever the clocks do."""
        ...

    @property
    def timezone(self) -> tzinfo:
        """Whose clocks."""
        ...


def remark_on(calendar: FollowsAClock, occurrence: datetime) -> str:
    """Say what happened to this occurrence; empty if nothing."""
    shown = wall_clock(occurrence, calendar.timezone)
    moved = _moved(calendar, occurrence, shown) if calendar.fixed else ""
    if moved or next_wall_time(calendar, shown) != shown:
        return moved
    time = wall_time(shown, calendar.timezone)
    if not time.repeated:
        return ""
    if calendar.fixed:
        which = "only the first counts"
    else:
        which = "the first" if occurrence < time.change() else "the second"
    return f"{_clock(shown)} comes twice: {which}"


def _moved(calendar: FollowsAClock, occurrence: datetime, shown: datetime) -> str:
    """Say which time in the gap that ends here was to occur."""
    gap = _gap_before(occurrence, calendar.timezone)
    begin = shown - gap
    missing = next_wall_time(calendar, begin) if gap > NOTHING else None
    if missing is None or missing >= shown:
        return ""
    later = next_wall_time(calendar, missing + SECOND)
    return _move(missing, shown, several=later is not None and later < shown)


def _move(missing: datetime, shown: datetime, *, several: bool) -> str:
    days = ("", "")
    if missing.date() != shown.date():
        days = f"{_weekday(missing)} ", f"{_weekday(shown)} "
    what = "and later do not exist" if several else "does not exist"
    return f"{days[0]}{_clock(missing)} {what}: moved to {days[1]}{_clock(shown)}"


def _gap_before(instant: datetime, zone: tzinfo) -> timedelta:
    """Give by how much clocks were set forward at this instant."""
    before = (instant - SECOND).astimezone(zone).utcoffset()
    after = instant.astimezone(zone).utcoffset()
    return (after or NOTHING) - (before or NOTHING)


def _clock(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def _weekday(wall: datetime) -> str:
    return WEEKDAYS[wall.weekday()][:3].title()
