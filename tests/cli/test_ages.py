"""Times and durations, read and written."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from bgjobs.cli.output import formats
from bgjobs.instants import FIRST_MICROSECOND, LAST_MICROSECOND, from_microseconds

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("0", 0),
        ("1.5s", 1.5),
        ("15m", 900),
        ("1h30m", 5_400),
        ("7d", 604_800),
        ("1d2h3m4s", 93_784),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert formats.parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5 m", "m", "1m2h", "9" * 20 + "d", "٣m"])
def test_other_text_is_none(text: str) -> None:
    assert formats.parse_duration(text) is None


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "120 min"),
        (7_200, "2 h"),
        (172_800, "2 d"),
        (86_400 * 3_000, "3,000 d"),
    ],
)
def test_a_duration_is_written_short(seconds: float, written: str) -> None:
    assert formats.short_duration(timedelta(seconds=seconds)) == written


def test_the_past_and_the_future_differ() -> None:
    assert formats.relative_time(NOON, NOON + timedelta(minutes=5)) == "5 min ago"
    assert formats.relative_time(NOON, NOON - timedelta(minutes=5)) == "in 5 min"


def test_an_instant_is_written_for_people_in_a_zone_and_for_programs_in_utc() -> None:
    in_paris = NOON.astimezone(timezone(timedelta(hours=1)))

    assert formats.absolute_time(in_paris, UTC) == "2030-01-31 12:00:00 UTC"
    assert (
        formats.absolute_time(in_paris, ZoneInfo("America/New_York"))
        == "2030-01-31 07:00:00 EST"
    )
    assert formats.iso_time(in_paris) == "2030-01-31T12:00:00Z"
    assert formats.iso_time(None) is None


@pytest.mark.parametrize(
    ("microsecond", "zone", "written"),
    [
        (FIRST_MICROSECOND, "America/New_York", "1-01-01 00:00:00 UTC"),
        (LAST_MICROSECOND, "Asia/Tokyo", "9999-12-31 23:59:59 UTC"),
    ],
)
def test_an_instant_beyond_the_calendar_of_a_zone_is_written_in_utc(
    microsecond: int, zone: str, written: str
) -> None:
    found = formats.absolute_time(from_microseconds(microsecond), ZoneInfo(zone))
    assert found.lstrip("0") == written
