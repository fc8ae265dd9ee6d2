"""`build` refuses invalid conditions and lists all problems, as text and as values."""

import pytest

from bgjobs.errors import ScheduleProblem, ScheduleValidationError
from bgjobs.schedules import schedule
from bgjobs.schedules.builder import ScheduleBuilder
from tests.unit.schedules.helpers import built, only_fault, refusal, utc

BOUNDS = [
    ("second", "Seconds", 0, 59),
    ("minute", "Minutes", 0, 59),
    ("hour", "Hours", 0, 23),
    ("day_of_month", "Day of month", 1, 31),
    ("month", "Month", 1, 12),
    ("day_of_week", "Day of week", 1, 7),
]
RANGES = {
    "second": "between_seconds",
    "minute": "between_minutes",
    "hour": "between_hours",
    "day_of_month": "between_days_of_month",
    "month": "between_months",
    "day_of_week": "between_days_of_week",
}
STEPS = [
    ("second", "Seconds", "every_seconds", 60),
    ("minute", "Minutes", "every_minutes", 60),
    ("hour", "Hours", "every_hours", 24),
    ("day_of_month", "Day of month", "every_days_of_month", 31),
    ("month", "Month", "every_months", 12),
]


def call(name: str, *values: object) -> ScheduleBuilder:
    """Call a method of a new builder with arguments that a type checker would refuse."""
    said: ScheduleBuilder = getattr(schedule(), name)(*values)
    return said


@pytest.mark.parametrize(("unit", "label", "least", "most"), BOUNDS)
def test_numbers_outside_of_a_unit_are_refused_at_both_ends(
    unit: str, label: str, least: int, most: int
) -> None:
    built(call(f"on_{unit}", least, most))
    for found in (least - 1, most + 1):
        text = f"{label} must be between {least} and {most}, found: {found}"
        fault = only_fault(call(f"on_{unit}", found))
        assert fault == ScheduleProblem(unit, "out_of_bounds", found, text, (least, most))


@pytest.mark.parametrize(("unit", "label", "least", "most"), BOUNDS)
def test_both_ends_of_a_range_are_looked_at(
    unit: str, label: str, least: int, most: int
) -> None:
    built(call(RANGES[unit], least, most))
    faults = refusal(call(RANGES[unit], least - 1, most + 1)).problems
    assert [fault.value for fault in faults] == [least - 1, most + 1]


@pytest.mark.parametrize("found", [5.0, True, "5", None, [], {}])
@pytest.mark.parametrize("unit", ["second", "minute", "hour", "day_of_month"])
def test_what_is_no_int_is_refused(unit: str, found: object) -> None:
    fault = only_fault(call(f"on_{unit}", found))
    assert (fault.unit, fault.kind, fault.value) == (unit, "out_of_bounds", found)
    assert fault.message.endswith(f"found: {found!r}")


@pytest.mark.parametrize(("unit", "label", "least", "most"), BOUNDS)
def test_the_start_of_a_range_is_before_its_end(
    unit: str, label: str, least: int, most: int
) -> None:
    for start, end in ((least + 2, least), (most, most)):
        text = f"{label}: Range start must be smaller than end, got start:{start} end:{end}"
        fault = only_fault(call(RANGES[unit], start, end))
        assert fault == ScheduleProblem(unit, "reversed_range", (start, end), text)


def test_a_range_of_names_is_reversed_by_their_order() -> None:
    fault = only_fault(schedule().between_months("march", "january"))
    assert fault.value == ("march", "january")
    assert fault.message.endswith("got start:march end:january")
    built(schedule().between_months("january", 3))


@pytest.mark.parametrize(("unit", "label", "name", "most"), STEPS)
def test_a_step_is_within_its_unit(unit: str, label: str, name: str, most: int) -> None:
    built(call(name, 1))
    built(call(name, most))
    for step in (0, -1, most + 1, 1.0, True, "2", None):
        text = f"{label}: Step must be between 1 and {most}, found: {step!r}"
        fault = only_fault(call(name, step))
        assert fault == ScheduleProblem(unit, "out_of_bounds", step, text, (1, most))


@pytest.mark.parametrize("name", ["Monday", "mon", "munday", ""])
def test_an_unknown_weekday_is_refused_with_the_names_there_are(name: str) -> None:
    fault = only_fault(call("on_day_of_week", name))
    assert (fault.unit, fault.kind, fault.value) == ("day_of_week", "unknown_name", name)
    assert fault.message == (
        "Day of week must be one of monday, tuesday, wednesday, thursday, friday, saturday, "
        f"sunday, found: {name!r}"
    )


def test_an_unknown_month_is_refused_with_the_names_there_are() -> None:
    fault = only_fault(call("on_month", "Jan"))
    assert (fault.unit, fault.kind, fault.value) == ("month", "unknown_name", "Jan")
    assert fault.message.startswith("Month must be one of january, february, march, april, ")


@pytest.mark.parametrize("nth", [0, 6, -1, True, "first", None, 1.0, []])
def test_an_nth_weekday_that_no_month_has_is_refused(nth: object) -> None:
    text = f"Nth weekday must be between 1 and 5 or 'last', found: {nth!r}"
    fault = only_fault(call("on_nth_weekday", nth, "monday"))
    assert fault == ScheduleProblem("day_of_week", "out_of_bounds", nth, text, (1, 5))


def test_a_time_of_the_day_is_looked_at_in_both_parts() -> None:
    faults = refusal(call("at", 24, 60)).problems
    assert [(fault.unit, fault.value) for fault in faults] == [("hour", 24), ("minute", 60)]


@pytest.mark.parametrize(
    ("builder", "unit", "label"),
    [
        (schedule().at(5).on_hour(3), "hour", "Hours"),
        (schedule().every_hour().at(5), "hour", "Hours"),
        (schedule().at(5, 30).every_minutes(5), "minute", "Minutes"),
    ],
)
def test_hours_and_minutes_cannot_be_said_beside_times_of_the_day(
    builder: ScheduleBuilder, unit: str, label: str
) -> None:
    fault = only_fault(builder)
    assert (fault.unit, fault.kind) == (unit, "conflict")
    assert fault.message == (
        f"{label} cannot be combined with at(): give every time with at(), or join "
        "two schedules with |"
    )


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = call("on_second", 60, -1).between_hours(5, 3).on_nth_weekday(5, "monday")
    wrong = wrong.in_timezone("Europe/Pariss").on_day_of_month(28)
    assert str(refusal(wrong)) == (
        "invalid schedule, 4 problems:"
        "\n  - Seconds must be between 0 and 59, found: 60"
        "\n  - Seconds must be between 0 and 59, found: -1"
        "\n  - Hours: Range start must be smaller than end, got start:5 end:3"
        "\n  - Time zone must be an IANA name such as 'Europe/Paris', found: 'Europe/Pariss', "
        "did you mean 'Europe/Paris'?"
    )


@pytest.mark.parametrize(
    "builder",
    [
        schedule().on_weekdays(),
        schedule().on_monday().on_june(),
        schedule().on_last_day_of_month().in_timezone("Europe/Paris"),
        schedule().every_day_of_week(),
        schedule().every_days_of_month(2),
        schedule().on_nth_weekday("last", "friday"),
        schedule().on_may().every_month(),
    ],
)
def test_days_without_a_time_of_day_are_refused(builder: ScheduleBuilder) -> None:
    fault = only_fault(builder)
    assert (fault.unit, fault.kind, fault.value) == ("hour", "no_time", None)
    assert fault.message == (
        "No time of day is given, so it would occur every minute of these days: add a time, "
        "such as at(9), or every_minute()"
    )
    assert builder.at(9).build().describe().startswith("at 09:00")
    assert builder.every_minute().build().describe().startswith("every minute")
    assert builder.on_hour(8).build().describe().startswith("every minute, from 08:00 to 08:59")
    assert "second 30" in builder.on_second(30).build().describe()


def test_without_any_word_it_is_every_minute() -> None:
    assert schedule().build() == schedule().every_minute().build()
    assert schedule().in_timezone("Europe/Paris").build().describe().startswith("every minute")


def test_nothing_is_looked_at_before_build() -> None:
    wrong = call("on_second", 99).in_timezone("nowhere").at(99, 99)  # type: ignore[arg-type]
    assert isinstance(wrong, ScheduleBuilder)


def test_what_every_x_forgets_is_not_looked_at() -> None:
    assert call("on_second", 99).every_second().build() == schedule().every_second().build()


# Calendars that never occur.

APRIL_31 = schedule().on_day_of_month(31).on_april()


@pytest.mark.parametrize(
    ("builder", "words"),
    [
        (schedule().on_day_of_month(30).on_february(), ("30", "February")),
        (schedule().on_day_of_month(30, 31).on_february(), ("30", "31", "February")),
        (APRIL_31, ("31", "April")),
        (APRIL_31.on_month(6, 9, 11), ("31", "April", "November")),
        (
            schedule().on_nth_weekday(5, "monday").between_days_of_month(1, 28),
            ("1", "28", "fifth Monday"),
        ),
        (schedule().on_day_of_month(1).on_nth_weekday(2, "monday"), ("1", "second Monday")),
        (schedule().on_last_workday_of_month().on_weekends(), ("last workday",)),
    ],
)
def test_days_that_no_year_has_are_refused(
    builder: ScheduleBuilder, words: tuple[str, ...]
) -> None:
    fault = only_fault(builder)
    assert (fault.unit, fault.kind, fault.bounds) == ("day_of_month", "impossible", None)
    assert fault.message.startswith("Schedule never occurs: no year has such a day: ")
    assert fault.message.endswith(str(fault.value))
    assert all(word in fault.message for word in words)


@pytest.mark.parametrize(
    "builder",
    [
        APRIL_31.on_may(),
        schedule().on_day_of_month(29).on_february().on_monday(),
        schedule().on_nth_weekday(5, "friday").on_february(),
        schedule().on_nth_weekday(5, "monday").between_days_of_month(1, 29).on_february(),
        schedule().on_day_of_month(7).on_nth_weekday(1, "sunday"),
    ],
)
def test_days_that_some_year_has_are_not(builder: ScheduleBuilder) -> None:
    built(builder).next_after(utc("2026-01-01"))


SKIPPED = (
    schedule()
    .in_timezone("America/New_York")
    .every_minute()
    .on_hour(2)
    .on_march()
    .on_nth_weekday(2, "sunday")
)


def test_a_time_that_clocks_always_skip_is_refused() -> None:
    fault = only_fault(SKIPPED)
    assert (fault.unit, fault.kind) == ("day_of_month", "impossible")
    assert fault.message.startswith(
        "Schedule never occurs: clocks in America/New_York always skip this time "
    )
    assert "second Sunday" in fault.message
    assert "March" in fault.message


def test_a_time_that_clocks_skip_is_fine_where_it_is_not_always_or_is_fixed() -> None:
    SKIPPED.on_hour(3).build()
    SKIPPED.in_timezone("America/Phoenix").build()
    SKIPPED.on_nth_weekday(3, "sunday").build()
    fixed = SKIPPED.on_minute(30).build()
    assert fixed.next_after(utc("2026-01-01")) == utc("2026-03-08 07:00")


def test_the_error_is_a_value_error_that_lists_its_faults() -> None:
    error = ScheduleValidationError([ScheduleProblem("hour", "out_of_bounds", 24, "24?")])
    assert isinstance(error, ValueError)
    assert str(error) == "invalid schedule: 24?"
