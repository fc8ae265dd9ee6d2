"""Names of time zones, and days on which clocks are changed.

A fixed time occurs once on such a day; any other time follows elapsed time. The first cases
are those in which other libraries were found to lose, repeat or invent an occurrence.
"""

from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest

from bgjobs.errors import ScheduleProblem, ScheduleValidationError
from bgjobs.schedules import Schedule, from_cron, schedule
from bgjobs.schedules.builder import ScheduleBuilder
from tests.fixtures.zone_data import zones
from tests.unit.schedules.helpers import local, utc

NEW_YORK = "America/New_York"


def test_a_fixed_time_that_is_missing_occurs_once_when_the_gap_ends() -> None:
    assert local("30 2 * * *", NEW_YORK, "2026-03-07 12:00", 3) == [
        "2026-03-08 03:00-04:00",
        "2026-03-09 02:30-04:00",
        "2026-03-10 02:30-04:00",
    ]


def test_several_fixed_times_that_are_missing_occur_once_together() -> None:
    assert local("0,30 2,3 * * *", NEW_YORK, "2026-03-07 12:00", 3) == [
        "2026-03-08 03:00-04:00",
        "2026-03-08 03:30-04:00",
        "2026-03-09 02:00-04:00",
    ]


def test_a_wildcard_leaves_out_what_is_missing() -> None:
    assert local("30 */2 * * *", NEW_YORK, "2026-03-07 23:00", 3) == [
        "2026-03-08 00:30-05:00",
        "2026-03-08 04:30-04:00",
        "2026-03-08 06:30-04:00",
    ]
    assert local("*/30 * * * *", NEW_YORK, "2026-03-08 01:15", 3) == [
        "2026-03-08 01:30-05:00",
        "2026-03-08 03:00-04:00",
        "2026-03-08 03:30-04:00",
    ]


def test_a_fixed_time_that_is_repeated_occurs_the_first_time() -> None:
    assert local("30 1 * * *", NEW_YORK, "2026-10-31 12:00", 2) == [
        "2026-11-01 01:30-04:00",
        "2026-11-02 01:30-05:00",
    ]


def test_a_wildcard_occurs_both_times() -> None:
    assert local("*/30 * * * *", NEW_YORK, "2026-11-01 00:45", 5) == [
        "2026-11-01 01:00-04:00",
        "2026-11-01 01:30-04:00",
        "2026-11-01 01:00-05:00",
        "2026-11-01 01:30-05:00",
        "2026-11-01 02:00-05:00",
    ]


@pytest.mark.parametrize(
    ("start", "right"),
    [
        ("2026-11-01 05:15", "2026-11-01 05:30"),  # before the first 01:30
        ("2026-11-01 05:30", "2026-11-02 06:30"),
        ("2026-11-01 06:15", "2026-11-02 06:30"),  # between the two
        ("2026-11-01 06:45", "2026-11-02 06:30"),
    ],
)
def test_a_fixed_time_is_not_due_again_while_the_clock_shows_it_again(
    start: str, right: str
) -> None:
    assert from_cron("30 1 * * *", NEW_YORK).next_after(utc(start)) == utc(right)


def test_a_second_pass_is_not_overlooked_because_the_next_time_is_a_year_away() -> None:
    # In 2027 clocks are changed on the 7th, so that the 1st has the offset of the first pass.
    assert local("*/40 1 1 11 *", NEW_YORK, "2026-11-01 00:59", 5) == [
        "2026-11-01 01:00-04:00",
        "2026-11-01 01:40-04:00",
        "2026-11-01 01:00-05:00",
        "2026-11-01 01:40-05:00",
        "2027-11-01 01:00-04:00",
    ]


def test_the_midnight_after_a_change_is_not_lost() -> None:
    assert local("0 0 * * *", NEW_YORK, "2026-03-07 12:00", 3) == [
        "2026-03-08 00:00-05:00",
        "2026-03-09 00:00-04:00",
        "2026-03-10 00:00-04:00",
    ]


@pytest.mark.parametrize(
    ("zone", "day", "before", "offset"),
    [
        ("Africa/Cairo", "2026-04-24", "2026-04-23", "+03:00"),
        ("Asia/Beirut", "2026-03-29", "2026-03-28", "+03:00"),
        ("America/Santiago", "2026-09-06", "2026-09-05", "-03:00"),
        ("America/Scoresbysund", "2023-03-26", "2023-03-25", "+00:00"),
    ],
)
def test_a_midnight_that_is_missing_occurs_at_one(
    zone: str, day: str, before: str, offset: str
) -> None:
    found = local("0 0 * * *", zone, f"{before} 12:00", 2)
    assert found[0] == f"{day} 01:00{offset}"
    assert found[1].endswith(f" 00:00{offset}")


@pytest.mark.parametrize(
    ("zone", "before", "expected"),
    [
        (
            *("America/Havana", "2026-10-31"),
            ["2026-11-01 00:00-04:00", "2026-11-02 00:00-05:00"],
        ),
        (
            *("Atlantic/Azores", "2026-10-24"),
            ["2026-10-25 00:00+00:00", "2026-10-26 00:00-01:00"],
        ),
    ],
)
def test_a_midnight_that_is_repeated_occurs_once(
    zone: str, before: str, expected: list[str]
) -> None:
    assert local("0 0 * * *", zone, f"{before} 12:00", 2) == expected


def test_a_change_by_half_an_hour_is_kept_to_the_minute() -> None:
    lord_howe = "Australia/Lord_Howe"
    assert local("45 1 * * *", lord_howe, "2026-04-04 12:00", 2) == [
        "2026-04-05 01:45+11:00",
        "2026-04-06 01:45+10:30",
    ]
    assert local("15 2 * * *", lord_howe, "2026-10-03 12:00", 2) == [
        "2026-10-04 02:30+11:00",
        "2026-10-05 02:15+11:00",
    ]
    assert local("*/15 1 * * *", lord_howe, "2026-04-05 01:10", 6) == [
        "2026-04-05 01:15+11:00",
        "2026-04-05 01:30+11:00",
        "2026-04-05 01:45+11:00",
        "2026-04-05 01:30+10:30",
        "2026-04-05 01:45+10:30",
        "2026-04-06 01:00+10:30",
    ]


def test_a_day_that_never_was_occurs_when_the_next_one_begins() -> None:
    # Samoa went from 29 to 31 December.
    assert local("0 12 * * *", "Pacific/Apia", "2011-12-28 13:00", 4) == [
        "2011-12-29 12:00-10:00",
        "2011-12-31 00:00+14:00",
        "2011-12-31 12:00+14:00",
        "2012-01-01 12:00+14:00",
    ]
    assert local("* * 30 12 *", "Pacific/Apia", "2011-12-28 13:00", 1) == [
        "2012-12-30 00:00+14:00"
    ]


def test_a_day_that_no_year_has_is_refused() -> None:
    with pytest.raises(ScheduleValidationError, match="no year has such a day"):
        from_cron("0 0 30 2 *")


@pytest.mark.parametrize(
    ("zone", "start", "text", "expected"),
    [
        (  # by two hours
            *("Antarctica/Troll", "2026-03-28 13:00", "30 2 * * *"),
            ["2026-03-29 03:00+02:00", "2026-03-30 02:30+02:00"],
        ),
        (  # in Ireland winter time is the one that differs from standard time
            *("Europe/Dublin", "2026-10-24 13:00", "30 1 * * *"),
            ["2026-10-25 01:30+01:00", "2026-10-26 01:30+00:00"],
        ),
        (  # set back during Ramadan
            *("Africa/Casablanca", "2026-02-14 13:00", "30 2 * * *"),
            ["2026-02-15 02:30+01:00", "2026-02-16 02:30+00:00"],
        ),
        (  # at a minute past midnight
            *("America/St_Johns", "2009-10-31 12:00", "30 23 * * *"),
            ["2009-10-31 23:30-02:30", "2009-11-01 23:30-03:30"],
        ),
        (
            *("Pacific/Chatham", "2026-04-04 13:00", "0 3 * * *"),
            ["2026-04-05 03:00+13:45", "2026-04-06 03:00+12:45"],
        ),
    ],
)
def test_unusual_changes_follow_the_same_rule(
    zone: str, start: str, text: str, expected: list[str]
) -> None:
    assert local(text, zone, start, 2) == expected


def test_an_overlap_over_midnight_repeats_the_end_of_the_day_before() -> None:
    # In Newfoundland the clock showed 00:00, and a minute later 23:01.
    assert local("0,58-59 * * * *", "America/St_Johns", "2009-10-31 23:57", 8) == [
        "2009-10-31 23:58-02:30",
        "2009-10-31 23:59-02:30",
        "2009-11-01 00:00-02:30",
        "2009-10-31 23:58-03:30",
        "2009-10-31 23:59-03:30",
        "2009-11-01 00:00-03:30",
        "2009-11-01 00:58-03:30",
        "2009-11-01 00:59-03:30",
    ]


@pytest.mark.parametrize(
    ("builder", "fixed"),
    [
        (schedule().at(2, 30), True),
        (schedule().on_hour(2).on_minute(30), True),
        (schedule().between_hours(2, 3).between_minutes(0, 59), True),
        (schedule().every_hour().on_hour(2).on_minute(30), True),
        (schedule().on_hour(2), False),
        (schedule().on_minute(30), False),
        (schedule().on_hour(2).every_minutes(30), False),
        (schedule().every_hours(2).on_minute(30), False),
        (schedule().on_hour(2).on_hour(3).every_hour().on_minute(30), False),
        (schedule().on_hour(2).every_minutes(30).on_minute(15), False),
    ],
)
def test_a_time_is_fixed_when_hour_and_minute_are_said_as_numbers(
    builder: ScheduleBuilder, fixed: bool
) -> None:
    assert builder.build().text.startswith("fixed" if fixed else "elapsed")


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("30 2 * * *", True),
        ("0-59 2 * * *", True),
        ("0/5 2 * * *", True),
        ("0 30 2 * * *", True),
        ("* 30 2 * * *", True),
        ("*/5 2 * * *", False),
        ("30 * * * *", False),
        ("30 */2 * * *", False),
        ("*,30 2 * * *", False),
    ],
)
def test_a_cron_text_is_fixed_unless_hour_or_minute_begins_with_a_star(
    text: str, fixed: bool
) -> None:
    assert from_cron(text).text.startswith("fixed" if fixed else "elapsed")


WAYS: list[Callable[[str], Schedule]] = [
    lambda zone: from_cron("@daily", zone),
    lambda zone: schedule().at(0).in_timezone(zone).build(),
]


@pytest.mark.parametrize("make", WAYS)
@pytest.mark.parametrize(
    "name",
    [
        "",
        "../etc/passwd",
        "../../../../etc/passwd",
        "/etc/passwd",
        "Europe",  # a folder
        "Europe/",
        "./UTC",
        "Europe/Paris\0",
        "\ud800",
        "tzdata.zi",  # a file next to the zones
        "x" * 300,
        None,
        7,
        b"UTC",
    ],
)
def test_what_is_no_name_of_a_zone_is_refused(
    name: str, make: Callable[[str], Schedule]
) -> None:
    with pytest.raises(ScheduleValidationError) as caught:
        make(name)
    (fault,) = caught.value.problems
    assert (fault.unit, fault.kind, fault.value) == ("timezone", "unknown_zone", name)
    start = "Time zone must be an IANA name such as 'Europe/Paris', found: "
    assert fault.message.startswith(start + repr(str(name)[:256]))
    assert len(fault.message) < 400


@pytest.mark.parametrize("make", WAYS)
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Pariss", "Europe/Paris"),
        ("europe/paris", "Europe/Paris"),
        ("America/NewYork", "America/New_York"),
    ],
)
def test_a_name_that_is_almost_right_comes_with_a_hint(
    name: str, near: str, make: Callable[[str], Schedule]
) -> None:
    with pytest.raises(ScheduleValidationError) as caught:
        make(name)
    text = (
        f"Time zone must be an IANA name such as 'Europe/Paris', found: {name!r}, "
        f"did you mean {near!r}?"
    )
    assert caught.value.problems == (ScheduleProblem("timezone", "unknown_zone", name, text),)


@pytest.mark.parametrize("make", WAYS)
def test_a_zone_counts_by_its_name(make: Callable[[Any], Schedule]) -> None:
    assert make(ZoneInfo("Europe/Paris")) == make("Europe/Paris")
    assert make(ZoneInfo.no_cache("Europe/Paris")) == make("Europe/Paris")
    assert make(ZoneInfo("UTC")) == make(UTC) == make("UTC")


@pytest.mark.parametrize("make", WAYS)
def test_a_zone_without_a_name_is_refused(
    make: Callable[[Any], Schedule], tmp_path: Path
) -> None:
    with zones(tmp_path, City="CST6"), (tmp_path / "City").open("rb") as file:
        nameless = ZoneInfo.from_file(file)
    with pytest.raises(ScheduleValidationError) as caught:
        make(nameless)
    (fault,) = caught.value.problems
    assert (fault.kind, fault.value) == ("unknown_zone", nameless)
    assert fault.message == (
        "Time zone must be an IANA name such as 'Europe/Paris', found: a ZoneInfo without "
        "a key, which cannot be stored"
    )
    with pytest.raises(ScheduleValidationError, match=r"found: 'UTC\+01:00'"):
        make(timezone(timedelta(hours=1)))


def test_all_zones_there_are_can_be_followed() -> None:
    for name in sorted(available_timezones()):
        assert from_cron("@daily", name).text.endswith("" if name == "UTC" else f"zone={name}")
