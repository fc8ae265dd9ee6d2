"""Times, durations and ids as people read and write them."""

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from uuid import UUID

_UNITS = (86_400, 3_600, 60, 1)
"""Seconds of a day, an hour, a minute, a second."""
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", re.ASCII)
MAX_DIGITS = 32
"""Hexadecimal digits of a whole id."""
_MIN_DIGITS = 8
"""Digits of the shortest id that is shown."""
_BITS = 128
_GROUPS = (8, 12, 16, 20)
"""A hyphen follows each of these digits."""


def parse_duration(text: str) -> timedelta | None:
    """Parse ``90``, ``45s``, ``1h30m`` or ``7d``; return None for other text."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return None
    counts = [float(count or 0) for count in found.groups()]
    try:
        return timedelta(
            seconds=sum(count * unit for count, unit in zip(counts, _UNITS, strict=True))
        )
    except OverflowError:
        return None


def short_duration(length: timedelta) -> str:
    """Return a duration in a suitable unit: ``4.2 s``, ``12 min``, ``3 h``, ``9 d``."""
    seconds = length.total_seconds()
    if abs(seconds) < 10:  # noqa: PLR2004 - tenths matter only below it
        return f"{seconds:.1f} s"
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if abs(seconds) < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:,.0f} d"


def relative_time(moment: datetime, now: datetime) -> str:
    """Return how long ago a time was, or how far ahead it is."""
    if moment > now:
        return f"in {short_duration(moment - now)}"
    return f"{short_duration(now - moment)} ago"


def absolute_time(moment: datetime, zone: tzinfo | None) -> str:
    """Return a time to the second in a time zone; None is the zone of the machine."""
    return _in_zone(moment, zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def clock_time(moment: datetime, zone: tzinfo | None) -> str:
    """Return the time of day to the second in a time zone."""
    return _in_zone(moment, zone).strftime("%H:%M:%S")


def _in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    try:
        return moment.astimezone(zone)
    except (OverflowError, ValueError):
        return moment.astimezone(UTC)  # the calendar of that zone does not reach so far


def time_and_age(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    """Return a time in a time zone, and how long ago it was or how far ahead it is."""
    return f"{absolute_time(moment, zone)} ({relative_time(moment, now)})"


def iso_time(moment: datetime | None) -> str | None:
    """Return a time for programs: ISO 8601 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def id_prefix(one: UUID, digits: int) -> str:
    """Return the first digits of an id, with its hyphens."""
    return str(one)[: digits + sum(1 for group in _GROUPS if digits > group)]


def shared_digits(one: UUID, other: UUID) -> int:
    """Return the number of digits with which both ids begin."""
    return (_BITS - (one.int ^ other.int).bit_length()) // 4


def distinct_digits(ids: Collection[UUID]) -> int:
    """Return how many digits distinguish these ids from each other."""
    pairs = pairwise(sorted(set(ids)))
    needed = (shared_digits(one, other) + 1 for one, other in pairs)
    return min(MAX_DIGITS, max([_MIN_DIGITS, *needed]))


def distinct_prefixes(ids: Collection[UUID]) -> dict[UUID, str]:
    """Return a prefix of each id that distinguishes it from the others."""
    digits = distinct_digits(ids)
    return {one: id_prefix(one, digits) for one in ids}
