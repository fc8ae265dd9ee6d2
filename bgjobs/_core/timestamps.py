"""Conversions of instants, which are aware datetimes in UTC, and of durations."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import inf

from bgjobs.errors import NaiveDatetimeError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LONGEST_DELAY = timedelta(days=36_500)
"""A hundred years; both databases and Python can add it to the present and subtract it."""


def as_instant(what: str, moment: datetime) -> datetime:
    """Return `moment` in UTC; `what` names it in errors.

    Raises:
        TypeError: It is not a datetime.
        NaiveDatetimeError: It has no time zone.
        ValueError: In UTC it is before the year 1 or after the year 9999.
    """
    if not isinstance(moment, datetime):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise TypeError(
            f"{what}: expected a datetime with a time zone, found {type(moment).__name__}"
        )
    if moment.utcoffset() is None:
        raise NaiveDatetimeError(what, moment)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(
            f"{what}: expected an instant from the year 1 to 9999 in UTC, "
            f"found {moment.isoformat()}"
        ) from None


def as_duration(value: float | timedelta) -> timedelta:
    """Return a duration given as seconds or as a `timedelta`."""
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


def to_microseconds(instant: datetime) -> int:
    """Return the whole microseconds since 1970; exact, unlike `datetime.timestamp`."""
    return (instant - EPOCH) // MICROSECOND


# The jobs of a batch were stored and reserved at few different instants, so the cache halves
# the time to read them. Positional arguments, because a keyword takes longer than all the rest.
@lru_cache(maxsize=256)
def from_microseconds(count: int) -> datetime:
    """Return the instant `count` microseconds after the beginning of 1970."""
    return EPOCH + timedelta(0, 0, count)


FIRST_INSTANT, LAST_INSTANT = (
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
)
"""The first and the last instant of a `datetime`."""
FIRST_MICROSECOND, LAST_MICROSECOND = (
    to_microseconds(FIRST_INSTANT),
    to_microseconds(LAST_INSTANT),
)
"""The numbers of the first and the last instant of a `datetime`."""


def check_delay(what: str, seconds: float) -> timedelta:
    """Return a delay of 0 seconds to 100 years as a `timedelta`; `what` names it in errors."""
    check_number(what, seconds)
    if not 0 <= seconds <= LONGEST_DELAY.total_seconds():
        raise ValueError(
            f"{what}: expected 0 seconds to {LONGEST_DELAY.days:,} days, "
            f"found {_as_float(seconds):g} seconds"
        )
    return timedelta(seconds=seconds)


def _as_float(number: float) -> float:
    """Return a number as a float for an error; infinity if no float is so large."""
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf


def check_number(what: str, value: object) -> None:
    """Raise `TypeError` unless `value` is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what}: expected a number, found {type(value).__name__}")
