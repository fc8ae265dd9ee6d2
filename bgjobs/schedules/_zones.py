"""Wall clocks and instants, across the days on which clocks are set forward or back.

Where clocks go forward, wall times are missing: the gap. Where they go back, wall times occur
twice: the overlap. Python tells them apart by `fold` (PEP 495): with fold 0 the offset before
the change is taken, with fold 1 the one after it.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import cast
from zoneinfo import ZoneInfo, available_timezones

from attrs import frozen

from bgjobs.errors import ScheduleFault, ScheduleValidationError
from bgjobs.texts import value_text

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
LONGEST_ZONE = 256


def zone_of(name: object) -> tzinfo:
    """Give a time zone by its IANA name; `ScheduleValidationError` when there is none."""
    if name == "UTC":
        return UTC
    if isinstance(name, str) and 0 < len(name) <= LONGEST_ZONE:
        try:
            return ZoneInfo(name)
        except (OSError, ValueError, KeyError):  # not found; a folder; a path out of the data
            pass
    raise ScheduleValidationError([_unknown(name)])


def name_of(zone: str | tzinfo) -> str:
    """Return the IANA name of a `ZoneInfo` or of UTC; `zone_of` refuses what has none."""
    key: object = "UTC" if zone is UTC else getattr(zone, "key", None)
    return cast("str", key if isinstance(zone, tzinfo) and key is not None else zone)


def _unknown(name: object) -> ScheduleFault:
    if isinstance(name, ZoneInfo):
        message = (
            "Time zone must be an IANA name such as 'Europe/Paris', found: a ZoneInfo without "
            "a key, by which it could be stored"
        )
        return ScheduleFault("timezone", "unknown_zone", name, message)
    text = str(name) if isinstance(name, str | tzinfo) else value_text(name)
    shown = text[:LONGEST_ZONE]
    near = get_close_matches(shown, available_timezones(), n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    message = f"Time zone must be an IANA name such as 'Europe/Paris', found: {shown!r}{hint}"
    return ScheduleFault("timezone", "unknown_zone", name, message)


@frozen
class WallTime:
    """A time on the wall clock of a zone, and the offsets that it may have."""

    wall: datetime
    """Naive."""
    before: timedelta
    """The offset of its first occurrence; in a gap, of the time before the gap."""
    after: timedelta
    """The offset of its second occurrence; the same, except in a gap or an overlap."""
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
        """The instant at which a clock shows it, for the first time."""
        return (self.wall - self.before).replace(tzinfo=UTC)

    @property
    def second(self) -> datetime:
        """The instant at which a clock shows it for the second time."""
        return (self.wall - self.after).replace(tzinfo=UTC)

    def change(self) -> datetime:
        """Give the instant of the change that makes it missing or repeated."""
        low, high = sorted((self.first, self.second))
        before = low.astimezone(self.zone).utcoffset()
        while high - low > SECOND:
            middle = low + (high - low) // 2 // SECOND * SECOND
            if middle.astimezone(self.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        return high


def comes_once(wall: datetime) -> bool:
    """Say whether a zone's clock shows this time once: it lies in no gap and no overlap."""
    return wall.utcoffset() == wall.replace(fold=1 - wall.fold).utcoffset()


def wall_time(wall: datetime, zone: tzinfo) -> WallTime:
    """Look up the offsets of a naive time."""
    aware = wall.replace(tzinfo=zone)
    before = cast("timedelta", aware.utcoffset())
    after = cast("timedelta", aware.replace(fold=1).utcoffset())
    return WallTime(wall, before, after, zone)


def wall_clock(instant: datetime, zone: tzinfo) -> datetime:
    """Give what a clock shows, naive and in whole seconds."""
    return instant.astimezone(zone).replace(tzinfo=None, microsecond=0, fold=0)
