"""Cron texts that cannot be read are refused, every field at once."""

from datetime import UTC, datetime, timedelta

import pytest

from bgjobs.errors import ScheduleProblem, ScheduleValidationError
from bgjobs.schedules import from_cron

NOON = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


def refused(text: str) -> ScheduleValidationError:
    with pytest.raises(ScheduleValidationError) as caught:
        from_cron(text)
    return caught.value


FIELDS = [
    ("second", 0, 0, 59),
    ("minute", 1, 0, 59),
    ("hour", 2, 0, 23),
    ("day_of_month", 3, 1, 31),
    ("month", 4, 1, 12),
    ("day_of_week", 5, 0, 7),
]


def with_field(place: int, text: str) -> str:
    fields = ["*"] * 6
    fields[place] = text
    return " ".join(fields)


@pytest.mark.parametrize(("unit", "place", "least", "most"), FIELDS)
def test_numbers_outside_of_a_field_are_refused(
    unit: str, place: int, least: int, most: int
) -> None:
    from_cron(with_field(place, f"{least},{most}"))
    outside = [str(most + 1), f"{least}-{most + 1}", f"{most + 1}/2", "999999999999"]
    for text in [*outside, "0"] if least else outside:
        label = unit.replace("_", " ")
        message = f"Cron {label} must be between {least} and {most}, found: {text!r}"
        fault = ScheduleProblem(unit, "out_of_bounds", text, message, (least, most))
        assert refused(with_field(place, text)).problems == (fault,)


@pytest.mark.parametrize(("unit", "place", "least", "most"), FIELDS)
@pytest.mark.parametrize(
    "text",
    [
        *("*/0", "1/0", "-1", "+1", "1-", "-", "/", "*/", "/5", ",", "1,", ",1", "1,,2"),
        *(
            "**",
            "*5",
            "1-2-3",
            "1/2/3",
            "*-5",
            "1.5",
            "0x1",
            "1_0",
            "?",
            "W",
            "1W",
            "x",
            "#",
            "L#1",
        ),
        *("٣", "²", "1#2#3", "5-L", "*#2", "monday", "jan-", "1e1"),
    ],
)
def test_what_is_no_number_range_or_step_is_refused(
    unit: str, place: int, least: int, most: int, text: str
) -> None:
    (fault,) = refused(with_field(place, text)).problems
    assert (fault.unit, fault.kind, fault.bounds) == (unit, "syntax", None)
    assert fault.value in text.split(",")
    label = unit.replace("_", " ")
    assert fault.message == f"Cron {label} cannot be read, found: {fault.value!r}"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("L * * * *", "minute"),
        ("* L * * *", "hour"),
        ("* * * L *", "month"),
        ("* * * * L", "day_of_week"),
        ("* * * * LW", "day_of_week"),
        ("* * 5L * *", "day_of_month"),
        ("* * 5#2 * *", "day_of_month"),
        ("* * * * 5#0", "day_of_week"),
        ("* * * * 5#6", "day_of_week"),
        ("* * * * 8L", "day_of_week"),
        ("* * * * monL", "day_of_week"),
        ("* * * * xyz#1", "day_of_week"),
        ("* * mon * *", "day_of_month"),
        ("* * * mon *", "month"),
        ("* * * * jan", "day_of_week"),
    ],
)
def test_names_and_special_days_are_read_in_their_own_field_alone(text: str, unit: str) -> None:
    (fault,) = refused(text).problems
    assert (fault.unit, fault.kind) == (unit, "syntax")
    assert fault.value in text.split()


@pytest.mark.parametrize(
    ("text", "found", "written"),
    [
        ("* 22-2 * * *", "22-2", "22-23,0-2"),
        ("50-10 * * * *", "50-10", "50-59,0-10"),
        ("* * 28-3 * *", "28-3", "28-31,1-3"),
        ("* * 31-1 * *", "31-1", "31,1"),
        ("* * * 11-2 *", "11-2", "11-12,1-2"),
        ("* * * nov-feb *", "nov-feb", "NOV-DEC,JAN-FEB"),
        ("* * * * fri-mon", "fri-mon", "FRI-SAT,SUN-MON"),
        ("* * * * MON-SUN", "MON-SUN", "MON-SAT,SUN"),
        ("* * * * SAT-SUN", "SAT-SUN", "SAT,SUN"),
        ("* * * * 5-0", "5-0", "5-6,0"),
        ("* * * * 7-1", "7-1", "0-1"),
        ("* 3,22-2/2 * * *", "22-2/2", "22-23/2,0-2/2"),
        ("* 21-3/5 * * *", "21-3/5", "21-23/5,2-3/5"),
        ("30-10 0 22-2 * * *", "30-10", "30-59,0-10"),
    ],
)
def test_a_reversed_range_is_refused_with_the_way_to_write_it(
    text: str, found: str, written: str
) -> None:
    fault = refused(text).problems[0]
    assert (fault.kind, fault.value) == ("reversed_range", found)
    assert fault.message == (
        f"Cron {fault.unit.replace('_', ' ')} must not be a reversed range, found: {found!r}, "
        f"write {written!r}"
    )
    from_cron(text.replace(found, written, 1).replace("22-2 ", "22,23 "))


@pytest.mark.parametrize("start", range(24))
def test_what_is_written_for_a_reversed_range_is_what_was_meant(start: int) -> None:
    for end in range(start):
        for step in (1, 2, 3, 7, 30):
            message = refused(f"0 {start}-{end}/{step} * * *").problems[0].message
            written = message.rpartition("write ")[2].strip("'")
            day = from_cron(f"0 {written} * * *").occurrences(NOON, NOON + timedelta(days=1))
            meant = {n % 24 for n in range(start, end + 25, step)}
            assert {one.hour for one in day} == meant


def test_all_fields_that_cannot_be_read_are_told_at_once() -> None:
    assert str(refused("60 */0 32 foo mon#6")) == (
        "invalid schedule, 5 problems:"
        "\n  - Cron minute must be between 0 and 59, found: '60'"
        "\n  - Cron hour cannot be read, found: '*/0'"
        "\n  - Cron day of month must be between 1 and 31, found: '32'"
        "\n  - Cron month cannot be read, found: 'foo'"
        "\n  - Cron day of week cannot be read, found: 'mon#6'"
    )


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n", "*", "* * * *", "* * * * * * *", "@", "@never", "@reboot", "@daily @daily"],
)
def test_a_text_has_five_fields_or_six(text: str) -> None:
    assert str(refused(text)) == (
        "invalid schedule: Cron text must have 5 fields, 6 with the seconds first, or be a "
        f"name such as @daily, found: {text!r}"
    )
    assert refused(text).problems[0].unit == "cron"


def test_a_text_is_at_most_256_characters_long() -> None:
    from_cron("* * * * *".ljust(256))
    from_cron("0 0 * * " + ",".join("0" * 124))
    (fault,) = refused("* * * * *".ljust(257)).problems
    text = "Cron text must be at most 256 characters, found: 257"
    assert fault == ScheduleProblem("cron", "too_long", 257, text)
    assert refused("9" * 10**6).problems[0].kind == "too_long"


@pytest.mark.parametrize("text", [None, 5, b"* * * * *", ["*"]])
def test_what_is_no_text_is_refused(text: str) -> None:
    (fault,) = refused(text).problems
    name = type(text).__name__
    assert fault.message == f"Cron text must be a str, found: {name}"


def test_a_day_that_no_year_has_is_refused() -> None:
    error = refused("0 0 30 2 *")
    assert str(error).startswith("invalid schedule: Schedule never occurs: no year has such")
    assert error.problems[0].kind == "impossible"
    assert refused("0 0 31 4,6,9,11 */2").problems[0].kind == "impossible"


def test_where_either_day_will_do_one_that_no_year_has_is_left_out() -> None:
    assert from_cron("0 0 30 2 1") == from_cron("0 0 * 2 1")


def test_wrong_fields_and_an_unknown_zone_are_told_together() -> None:
    with pytest.raises(ScheduleValidationError) as caught:
        from_cron("61 * x * *", tz="X/Y")
    assert [fault.unit for fault in caught.value.problems] == [
        "minute",
        "day_of_month",
        "timezone",
    ]
