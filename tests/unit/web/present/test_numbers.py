"""Numbers, durations and times are short, and exact in their titles."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.web.present.numbers import (
    absolute,
    bounded,
    duration,
    duration_text,
    number,
    percent,
    rate_text,
    relative,
    short_text,
)
from tests.unit.web.present.markup import read, shown

T0 = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10 k"),
        (12_345, "12.3 k"),
        (999_999, "999 k"),
        (1_234_567, "1.2 M"),
        (5 * 10**9, "5 G"),
        (999 * 10**12, "999 T"),
        (10**15, "> 999 T"),
        (10**50, "> 999 T"),
        (-12_345, "-12.3 k"),
    ],
)
def test_a_count_is_short(count: int, text: str) -> None:
    assert short_text(count) == text


def test_a_short_count_has_its_digits_in_the_title() -> None:
    assert number(42) == '<span class="number">42</span>'
    assert number(1_234_567) == '<span class="number" title="1,234,567">1.2 M</span>'
    assert 'title="a huge int"' in number(10**5_000)


@given(st.integers())
def test_a_short_count_has_few_characters(count: int) -> None:
    assert len(short_text(count)) <= 11
    read(number(count))


def test_a_count_that_stopped_is_marked() -> None:
    assert shown(bounded(99_999, 100_000)) == "99.9 k"
    assert bounded(100_000, 100_000) == '<span class="number">100,000 or more</span>'


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "-"),
        (0, 5, "0 %"),
        (1, 3, "33.3 %"),
        (5, 5, "100 %"),
        (1, 3_000, "< 0.1 %"),
        (2_999, 3_000, "> 99.9 %"),
        (999, 1_000, "99.9 %"),
        (10**50 - 1, 10**50, "> 99.9 %"),
    ],
)
def test_a_share_is_never_rounded_to_none_or_all(part: int, whole: int, text: str) -> None:
    assert shown(percent(part, whole)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.000_01, "< 0.1 ms"),
        (0.000_12, "0.1 ms"),
        (0.12, "120 ms"),
        (1.25, "1.2 s"),
        (59.9, "59 s"),
        (200, "3 min 20 s"),
        (3_600, "1 h"),
        (187_200, "2 d 4 h"),
        (1e9, "11,574 d"),
        (-1.5, "-1.5 s"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text


def test_a_duration_has_its_seconds_in_the_title() -> None:
    found = duration(timedelta(seconds=7_200.25))
    assert found == ('<data class="duration" value="7200.25" title="7,200.25 s">2 h</data>')


@given(st.timedeltas())
def test_every_duration_has_a_short_text(length: timedelta) -> None:
    read(duration(length))
    assert len(duration_text(length)) <= 14


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (0.9, "now"),
        (1, "in 1 s"),
        (-200, "3 min ago"),
        (7_300, "in 2 h"),
        (-200_000, "2 d ago"),
    ],
)
def test_a_relative_time_has_one_unit(seconds: float, text: str) -> None:
    assert shown(relative(T0 + timedelta(seconds=seconds), T0)) == text


def test_times_have_utc_in_the_title() -> None:
    in_paris = T0.astimezone(timezone(timedelta(hours=1)))
    around = 'datetime="2030-01-31T12:00:00.000Z" title="2030-01-31 12:00:00.000 UTC"'
    assert absolute(in_paris) == (
        f'<time class="instant absolute" {around}>2030-01-31 12:00:00 UTC</time>'
    )
    assert relative(T0, T0) == f'<time class="instant relative" {around}>now</time>'


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_time_can_be_shown(at: datetime) -> None:
    read(absolute(at))
    read(relative(at, T0))


def test_a_rate_is_short() -> None:
    found = [rate_text(rate) for rate in (0, 0.01, 0.1, 1.25, 99.94, 1234.5)]
    assert found == ["0", "< 0.1", "0.1", "1.2", "99.9", "1,234"]
