"""Wall clocks and instants, around the changes of a time zone's offset.

Where clocks are set forward, wall times are missing: the gap. Where they are set back, wall
times occur twice: the overlap. Python distinguishes the two by `fold`: fold 0 uses the offset
before the change, fold 1 the one after it. See PEP 495, https://peps.python.org/pep-0495/.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Protocol, cast
from zoneinfo import ZoneInfo, available_timezones

from attrs import frozen

from bgjobs._core.text import value_text
from bgjobs.errors import ScheduleProblem, ScheduleValidationError
from bgjobs.schedules._masks import Masks, next_wall_time
from bgjobs.schedules.units import weekday_abbreviation

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
LONGEST_NAME = 256

_NOTHING = timedelta(0)


def load_zone(name: object) -> tzinfo:
    """Return the time zone of an IANA name; raise `ScheduleValidationError` if unknown."""
    if name == "UTC":
        return UTC
    if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME:
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, KeyError):  # a folder; a path outside the data; not found
            pass
    raise ScheduleValidationError([_unknown(name)])


def zone_name(zone: str | tzinfo) -> str:
    """Return the IANA name of a `ZoneInfo` or of UTC.

    Anything without a name is returned as it is, for `load_zone` to refuse.
    """
    key: object = "UTC" if zone is UTC else getattr(zone, "key", None)
    return cast("str", key if isinstance(zone, tzinfo) and key is not None else zone)


def _unknown(name: object) -> ScheduleProblem:
    expected = "Time zone must be an IANA name such as 'Europe/Paris', found"
    if isinstance(name, ZoneInfo):
        message = f"{expected}: a ZoneInfo without a key, which cannot be stored"
        return ScheduleProblem("timezone", "unknown_zone", name, message)
    text = str(name) if isinstance(name, str | tzinfo) else value_text(name)
    shown = text[:LONGEST_NAME]
    near = get_close_matches(shown, available_timezones(), n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    return ScheduleProblem("timezone", "unknown_zone", name, f"{expected}: {shown!r}{hint}")


@frozen
class WallTime:
    """A time on the wall clock of a zone, and its possible offsets from UTC."""

    wall: datetime
    """Naive."""
    before: timedelta
    """The offset of its first occurrence; in a gap, the offset before the gap."""
    after: timedelta
    """The offset of its second occurrence; equal to `before` outside gaps and overlaps."""
    zone: tzinfo

    @property
    def missing(self) -> bool:
        """Whether it lies in a gap."""
        return self.before < self.after

    @property
    def repeated(self) -> bool:
        """Whether it lies in an overlap."""
        return self.before > self.after

    @property
    def first(self) -> datetime:
        """The instant, in UTC, at which clocks show it for the first time."""
        return (self.wall - self.before).replace(tzinfo=UTC)

    @property
    def second(self) -> datetime:
        """The instant, in UTC, at which clocks show it for the second time."""
        return (self.wall - self.after).replace(tzinfo=UTC)

    def change(self) -> datetime:
        """Return the instant of the change that makes it missing or repeated."""
        low, high = sorted((self.first, self.second))
        before = low.astimezone(self.zone).utcoffset()
        while high - low > SECOND:
            middle = low + (high - low) // 2 // SECOND * SECOND
            if middle.astimezone(self.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        return high


def is_unambiguous(wall: datetime) -> bool:
    """Whether clocks show this aware time exactly once: it is in no gap and no overlap."""
    return wall.utcoffset() == wall.replace(fold=1 - wall.fold).utcoffset()


def wall_time(wall: datetime, zone: tzinfo) -> WallTime:
    """Look up the offsets of a naive time."""
    aware = wall.replace(tzinfo=zone)
    before = cast("timedelta", aware.utcoffset())
    after = cast("timedelta", aware.replace(fold=1).utcoffset())
    return WallTime(wall, before, after, zone)


def wall_clock(instant: datetime, zone: tzinfo) -> datetime:
    """Return what clocks show, naive and in whole seconds."""
    return instant.astimezone(zone).replace(tzinfo=None, microsecond=0, fold=0)


class ZonedMasks(Masks, Protocol):
    """The part of a calendar that remarks need."""

    @property
    def fixed(self) -> bool:
        """Whether each local time occurs exactly once, also when clocks are changed."""
        ...

    @property
    def timezone(self) -> tzinfo:
        """The time zone whose wall clock it follows."""
        ...


def remark_on(calendar: ZonedMasks, occurrence: datetime) -> str:
    """Return what a change of the clocks did to this occurrence; empty if nothing."""
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


def _moved(calendar: ZonedMasks, occurrence: datetime, shown: datetime) -> str:
    """Return the remark for times that are missing in a gap that ends at this instant."""
    gap = _gap_before(occurrence, calendar.timezone)
    begin = shown - gap
    missing = next_wall_time(calendar, begin) if gap > _NOTHING else None
    if missing is None or missing >= shown:
        return ""
    later = next_wall_time(calendar, missing + SECOND)
    return _move(missing, shown, several=later is not None and later < shown)


def _move(missing: datetime, shown: datetime, *, several: bool) -> str:
    days = ("", "")
    if missing.date() != shown.date():
        days = f"{weekday_abbreviation(missing)} ", f"{weekday_abbreviation(shown)} "
    what = "and later do not exist" if several else "does not exist"
    return f"{days[0]}{_clock(missing)} {what}: moved to {days[1]}{_clock(shown)}"


def _gap_before(instant: datetime, zone: tzinfo) -> timedelta:
    """Return by how much clocks were set forward at this instant."""
    before = (instant - SECOND).astimezone(zone).utcoffset()
    after = instant.astimezone(zone).utcoffset()
    return (after or _NOTHING) - (before or _NOTHING)


def _clock(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"
