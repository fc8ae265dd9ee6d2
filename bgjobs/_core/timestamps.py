"""Instants are aware datetimes in UTC; durations are seconds or `timedelta`."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import inf

from bgjobs.errors import NaiveDatetimeError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LONGEST_DELAY = timedelta(days=36_500)
"""A hundred years: every calendar here can count so far ahead, and so far back."""


def as_instant(what: str, moment: datetime) -> datetime:
    """Return `moment` in UTC; `what` names it in errors.

    Raises:
        TypeError: It is no datetime.
        NaiveDatetimeError: It has no time zone.
        ValueError: In UTC it lies before the year 1 or after the year 9999.
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
    """Give a duration that was written as seconds or as a `timedelta`."""
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


def to_microseconds(instant: datetime) -> int:
    """Count the whole microseconds since 1970; exact, unlike `datetime.timestamp`."""
    return (instant - EPOCH) // MICROSECOND


# A batch of jobs was stored, and reserved, at a few instants: this halves what reading them
# takes. By position, because a keyword takes longer than all the rest.
@lru_cache(maxsize=256)
def from_microseconds(count: int) -> datetime:
    """Give the instant that lies `count` microseconds after 1970."""
    return EPOCH + timedelta(0, 0, count)


FIRST_MICROSECOND, LAST_MICROSECOND = (
    to_microseconds(datetime.min.replace(tzinfo=UTC)),
    to_microseconds(datetime.max.replace(tzinfo=UTC)),
)
"""The counts of the first and the last instant that a `datetime` can say."""


def check_delay(what: str, seconds: float) -> timedelta:
    """Give a delay that every calendar here can count."""
    check_number(what, seconds)
    if not 0 <= seconds <= LONGEST_DELAY.total_seconds():
        raise ValueError(
            f"{what}: expected 0 seconds to {LONGEST_DELAY.days:,} days, "
            f"found {_as_float(seconds):g} seconds"
        )
    return timedelta(seconds=seconds)


def _as_float(number: float) -> float:
    """Return a number as a float, to be shown; infinity if it is beyond all floats."""
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf


def check_number(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what}: expected a number, found {type(value).__name__}")
