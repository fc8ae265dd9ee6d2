"""Instants are aware and exact to the microsecond."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.timestamps import (
    EPOCH,
    as_duration,
    as_instant,
    from_microseconds,
    to_microseconds,
)
from bgjobs.errors import NaiveDatetimeError

ZONES = st.timezones() | st.integers(-1439, 1439).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
# A day inside the ends, because another zone's clock may stand outside of them.
INSTANTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001 - bounds of a strategy are naive


@given(INSTANTS)
def test_microseconds_there_and_back_are_exact(moment: datetime) -> None:
    count = to_microseconds(moment)
    assert from_microseconds(count) == moment.astimezone(UTC)
    assert to_microseconds(from_microseconds(count)) == count


@given(INSTANTS, st.integers(-(10**6), 10**6))
def test_a_microsecond_more_is_a_microsecond_more(moment: datetime, more: int) -> None:
    later = moment.astimezone(UTC) + timedelta(microseconds=more)
    assert to_microseconds(later) == to_microseconds(moment) + more


def test_what_a_float_would_round_is_kept() -> None:
    assert to_microseconds(datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)) == (
        253_402_300_799_999_999
    )
    assert from_microseconds(-1) == datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)
    assert to_microseconds(EPOCH) == 0


@given(INSTANTS)
def test_an_instant_of_any_zone_is_the_same_in_utc(moment: datetime) -> None:
    instant = as_instant("at", moment)
    assert instant.tzinfo is UTC
    assert to_microseconds(instant) == to_microseconds(moment)


class NoOffset(tzinfo):
    """A zone that does not know its offset: a datetime with it is naive, too."""

    def utcoffset(self, moment: datetime | None, /) -> timedelta | None:
        return None

    def dst(self, moment: datetime | None, /) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None, /) -> str | None:
        return None


@pytest.mark.parametrize("zone", [None, NoOffset()])
def test_a_naive_datetime_is_refused_by_its_name(zone: tzinfo | None) -> None:
    naive = datetime(2030, 1, 2, tzinfo=zone)
    with pytest.raises(NaiveDatetimeError) as caught:
        as_instant("now", naive)
    assert str(caught.value) == (f"now: expected a datetime with a time zone, found {naive!r}")
    assert caught.value.found is naive


def test_a_duration_is_seconds_or_a_timedelta() -> None:
    assert as_duration(1.5) == timedelta(seconds=1, milliseconds=500)
    assert as_duration(3) == timedelta(seconds=3)
    assert as_duration(timedelta(days=1)) == timedelta(days=1)
