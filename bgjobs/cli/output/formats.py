"""Times and durations as people read and write them."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

_UNITS = (86_400, 3_600, 60, 1)
"""Seconds of a day, an hour, a minute, a second."""
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", re.ASCII)


def duration(text: str) -> timedelta | None:
    """Read ``90``, ``45s``, ``1h30m`` or ``7d``; None for other text."""
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


def short(length: timedelta) -> str:
    """Write a duration in its largest unit or two: ``4.2 s``, ``12 min``, ``3 h``, ``9 d``."""
    seconds = length.total_seconds()
    if abs(seconds) < 10:  # noqa: PLR2004 - from here on tenths say nothing
        return f"{seconds:.1f} s"
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if abs(seconds) < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:,.0f} d"


def since(moment: datetime, now: datetime) -> str:
    """Say how long ago something was, or in how long it will be."""
    if moment > now:
        return f"in {short(moment - now)}"
    return f"{short(now - moment)} ago"


def exact(moment: datetime, zone: tzinfo | None) -> str:
    """Write an instant to the second, in this time zone; None is that of the machine."""
    try:
        moment = moment.astimezone(zone)
    except (OverflowError, ValueError):
        moment = moment.astimezone(UTC)  # in that zone it lies beyond the calendar
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z")


def iso(moment: datetime | None) -> str | None:
    """Write an instant for programs: ISO 8601, UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
