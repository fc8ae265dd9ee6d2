"""A time zone is an IANA name; anything else is refused, and no file is read for it."""

from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest

from bgjobs.errors import ScheduleFault, ScheduleValidationError
from bgjobs.schedules import Schedule, from_cron, schedule
from tests.fixtures.zone_data import zones

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
        "tzdata.zi",  # a file beside the zones
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
    (fault,) = caught.value.faults
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
    assert caught.value.faults == (ScheduleFault("timezone", "unknown_zone", name, text),)


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
    (fault,) = caught.value.faults
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
