"""The schedule tests of the original, bg_jobs for Gleam, each with its twin.

Where a test of the original asserts a mistake, the twin asserts the right result, and its
docstring states the difference. Twins of the tests of its actor are in tests/runtime.
`to_gtempo`, which converts to the units of another library, has no counterpart.
"""

import pytest

from bgjobs.errors import ScheduleProblem
from bgjobs.schedules import Calendar, schedule
from bgjobs.schedules.builder import ScheduleBuilder
from tests.unit.schedules.helpers import after, only_fault, refusal
from tests.unit.schedules.helpers import built as at_any_time
from tests.unit.schedules.test_builder_problems import BOUNDS, RANGES, call

JANUARY_1 = "2024-01-01"  # a Monday


def next_of(builder: ScheduleBuilder, start: str) -> str:
    (found,) = after(at_any_time(builder), start)
    return found


def built(builder: ScheduleBuilder) -> Calendar:
    """The original reads days without a time as every minute; here that is explicit."""
    one = at_any_time(builder)
    assert isinstance(one, Calendar)
    return one


def numbers(mask: int) -> list[int]:
    return [number for number in range(64) if mask >> number & 1]


def test_next_must_be_in_future() -> None:
    assert next_of(schedule(), f"{JANUARY_1} 01:01:00") == "2024-01-01 01:02"


def test_align_seconds() -> None:
    """The original kept the milliseconds; an occurrence has none."""
    thirty = schedule().every_second().on_second(30)
    assert next_of(thirty, f"{JANUARY_1} 01:01:01.009") == "2024-01-01 01:01:30"
    assert next_of(thirty, f"{JANUARY_1} 01:01:31") == "2024-01-01 01:02:30"


def test_align_seconds_in_a_range() -> None:
    """The original matched only second 5 of 4 to 6: its ranges excluded their ends."""
    few = schedule().between_seconds(4, 6)
    found = after(few.build(), f"{JANUARY_1} 01:01:03", 4)
    assert [time[-2:] for time in found] == ["04", "05", "06", "04"]


def test_align_minutes() -> None:
    thirty = schedule().on_minute(30)
    assert next_of(thirty, f"{JANUARY_1} 01:01:00") == "2024-01-01 01:30"
    assert next_of(thirty, f"{JANUARY_1} 01:31:00") == "2024-01-01 02:30"
    found = after(schedule().between_minutes(4, 6).build(), f"{JANUARY_1} 01:03:00", 4)
    assert [time[-2:] for time in found] == ["04", "05", "06", "04"]


def test_align_hours() -> None:
    """The original kept minute 01; here an hour begins with minute 0."""
    four = schedule().on_hour(4)
    assert next_of(four, f"{JANUARY_1} 01:01:00") == "2024-01-01 04:00"
    assert next_of(four, f"{JANUARY_1} 05:01:00") == "2024-01-02 04:00"
    assert next_of(schedule().between_hours(4, 6), f"{JANUARY_1} 04:59:00") == (
        "2024-01-01 05:00"
    )


@pytest.mark.parametrize(
    ("builder", "start", "right"),
    [
        (schedule(), "2024-01-01 10:20:00", "2024-01-01 10:21"),
        (schedule().on_day_of_month(4), "2024-01-01 10:20:00", "2024-01-04 00:00"),
        (schedule().on_day_of_month(4), "2024-01-05 10:20:00", "2024-02-04 00:00"),
        (schedule().between_days_of_month(4, 6), "2024-01-05 10:20:00", "2024-01-05 10:21"),
        (schedule().between_days_of_month(4, 6), "2024-01-01 10:20:00", "2024-01-04 00:00"),
        (schedule().on_day_of_week(4), "2024-01-01 10:20:00", "2024-01-04 00:00"),
        (schedule().on_day_of_week(4), "2024-01-05 10:20:00", "2024-01-11 00:00"),
    ],
)
def test_align_day_of_month(builder: ScheduleBuilder, start: str, right: str) -> None:
    """The original kept the time of the day; here a day begins with its first match."""
    assert next_of(builder, start) == right


@pytest.mark.parametrize(
    ("start", "right"),
    [
        ("2024-01-31 10:20:00", "2024-03-01 00:00"),
        ("2024-03-31 23:59:00", "2025-03-01 00:00"),
        ("2024-12-31 10:20:00", "2025-03-01 00:00"),
    ],
)
def test_align_months(start: str, right: str) -> None:
    """The original never runs this test, and two of its three expectations are wrong."""
    assert next_of(schedule().on_march(), start) == right


@pytest.mark.parametrize(
    ("unit", "field"),
    [
        ("second", "seconds"),
        ("minute", "minutes"),
        ("hour", "hours"),
        ("day_of_month", "days"),
        ("month", "months"),
        ("day_of_week", "weekdays"),
    ],
)
def test_success_build_schedule(unit: str, field: str) -> None:
    """The original kept a list, with second 0 in addition; here numbers form a set."""
    one = built(getattr(call(f"on_{unit}", 3), RANGES[unit])(3, 5))
    assert numbers(getattr(one, field)) == [3, 4, 5]


@pytest.mark.parametrize(("unit", "label", "least", "most"), BOUNDS)
def test_error_build_schedule(unit: str, label: str, least: int, most: int) -> None:
    """The original accepted second and minute 60 and hour 24, which never occur."""
    for found in (least - 1, most + 1):
        assert only_fault(call(f"on_{unit}", found)).message == (
            f"{label} must be between {least} and {most}, found: {found}"
        )


def test_on_named_day() -> None:
    """The original's Sunday was 7, which never matched in its calendar."""
    b = schedule
    named = [
        *(b().on_monday(), b().on_tuesday(), b().on_wednesday(), b().on_thursday()),
        *(b().on_friday(), b().on_saturday(), b().on_sunday()),
    ]
    for number, builder in enumerate(named, 1):
        assert numbers(built(builder).weekdays) == [number]
        assert next_of(builder, "2023-12-31 23:59:00") == f"2024-01-0{number} 00:00"


def test_on_weekdays() -> None:
    assert numbers(built(schedule().on_weekdays()).weekdays) == [1, 2, 3, 4, 5]


def test_on_weekends() -> None:
    assert numbers(built(schedule().on_weekends()).weekdays) == [6, 7]
    assert next_of(schedule().on_weekends(), "2024-01-06 23:59:00") == "2024-01-07 00:00"


def test_on_months() -> None:
    b = schedule
    named = [
        *(b().on_january(), b().on_february(), b().on_march(), b().on_april()),
        *(b().on_may(), b().on_june(), b().on_july(), b().on_august()),
        *(b().on_september(), b().on_october(), b().on_november(), b().on_december()),
    ]
    for number, builder in enumerate(named, 1):
        assert numbers(built(builder).months) == [number]
        assert next_of(builder, "2023-12-31 23:59:00") == f"2024-{number:02}-01 00:00"


def test_error_month_with_different_days() -> None:
    """The original refused every 29 February, and 31 where only some months are short."""
    built(schedule().on_day_of_month(29).on_january())
    built(schedule().on_day_of_month(29).on_february().on_january())
    thirty_first = schedule().on_day_of_month(31)
    for short in ("april", "june", "september", "november"):
        fault = only_fault(thirty_first.on_month(short))
        assert fault.kind == "impossible"
        assert short.title() in fault.message
    built(thirty_first.on_april().on_may())
    assert only_fault(thirty_first.on_april().on_june()).kind == "impossible"


@pytest.mark.parametrize(("unit", "label", "least", "most"), BOUNDS)
def test_invalid_range(unit: str, label: str, least: int, most: int) -> None:
    text = f"{label}: Range start must be smaller than end, got start:3 end:1"
    assert refusal(call(RANGES[unit], 3, 1)).problems == (
        ScheduleProblem(unit, "reversed_range", (3, 1), text),
    )
