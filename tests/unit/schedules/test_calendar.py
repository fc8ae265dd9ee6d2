"""Which times of which days match: mistakes of the original, leap years, ends of months."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bgjobs.errors import NaiveDatetimeError, NoOccurrenceError
from bgjobs.schedules import Calendar, Schedule, every, from_cron, schedule
from bgjobs.schedules.builder import ScheduleBuilder
from tests.unit.schedules.helpers import after, built, utc


def test_the_next_minute_is_counted_from_the_second_that_is_given() -> None:
    # 13:30 plus 90 seconds.
    assert after(schedule().build(), "2026-01-05 13:31:30") == ["2026-01-05 13:32"]


@pytest.mark.parametrize(
    ("start", "right"),
    [
        ("2026-01-05 13:31:59.999999", "2026-01-05 13:32"),
        ("2026-01-05 13:32:00", "2026-01-05 13:33"),
        ("2026-01-05 13:32:00.000001", "2026-01-05 13:33"),
        ("2026-01-05 13:59:59", "2026-01-05 14:00"),
        ("2026-12-31 23:59:59", "2027-01-01 00:00"),
    ],
)
def test_an_occurrence_is_strictly_later_to_the_microsecond(start: str, right: str) -> None:
    assert after(schedule().build(), start) == [right]


def test_any_time_zone_of_the_instant_will_do() -> None:
    instant = datetime(2026, 1, 5, 8, 31, 30, tzinfo=ZoneInfo("America/New_York"))
    found = schedule().build().next_after(instant)
    assert found == utc("2026-01-05 13:32")
    assert found.tzinfo is UTC


@pytest.mark.parametrize("one", [schedule().build(), every(seconds=1), from_cron("@daily")])
def test_an_instant_without_a_time_zone_is_refused(one: Schedule) -> None:
    naive = utc("2026-01-05").replace(tzinfo=None)
    with pytest.raises(NaiveDatetimeError):
        one.next_after(naive)
    with pytest.raises(NaiveDatetimeError):
        (one | every(days=2)).next_after(naive)
    with pytest.raises(NaiveDatetimeError):
        one.occurrences(naive)
    with pytest.raises(NaiveDatetimeError):
        one.occurrences(utc("2026-01-05"), naive)


# Mistakes of the original, b1 to b10 in the inventory of its behaviour.


@pytest.mark.parametrize(
    ("one", "start", "right"),
    [
        (schedule().on_hour(4), "2024-01-01 01:01:01", "2024-01-01 04:00"),
        (schedule().every_second().on_minute(30), "2024-01-01 12:05:17", "2024-01-01 12:30"),
        (schedule().on_day_of_month(4), "2024-01-01 10:20:30", "2024-01-04 00:00"),
    ],
)
def test_b1_smaller_units_begin_again_when_a_larger_one_moves(
    one: ScheduleBuilder, start: str, right: str
) -> None:
    assert after(built(one), start) == [right]


@pytest.mark.parametrize(
    ("one", "start", "right"),
    [
        (schedule().on_monday().on_april(), "2025-01-20 10:00:05", "2025-04-07 00:00"),
        (
            schedule().on_day_of_month(31).on_january().at(8),
            *("2024-01-31 12:00:05", "2025-01-31 08:00"),
        ),
        (schedule().on_february(), "2023-01-31 00:00:00", "2023-02-01 00:00"),
    ],
)
def test_b1_days_are_looked_at_again_when_the_month_moves(
    one: ScheduleBuilder, start: str, right: str
) -> None:
    assert after(built(one), start) == [right]


def test_b2_both_ends_of_a_range_belong_to_it() -> None:
    afternoon = schedule().between_hours(14, 16).on_minute(0).build()
    assert after(afternoon, "2026-01-05 00:00", 4) == [
        *("2026-01-05 14:00", "2026-01-05 15:00", "2026-01-05 16:00", "2026-01-06 14:00")
    ]
    whole_day = schedule().between_hours(0, 23).on_minute(0).build()
    assert len(list(whole_day.occurrences(utc("2026-01-05"), utc("2026-01-06")))) == 24


def test_b3_sundays_are_sundays() -> None:
    assert after(schedule().on_sunday().at(9).build(), "2026-01-05 00:00", 2) == [
        *("2026-01-11 09:00", "2026-01-18 09:00")
    ]
    assert after(schedule().on_day_of_week(7).at(9).build(), "2026-01-05") == [
        "2026-01-11 09:00"
    ]
    assert after(schedule().on_weekends().at(9).build(), "2026-01-05 00:00", 3) == [
        *("2026-01-10 09:00", "2026-01-11 09:00", "2026-01-17 09:00")
    ]


@pytest.mark.parametrize("sunday", ["0", "7", "SUN", "sun"])
def test_b3_a_sunday_of_cron_is_0_and_7_and_its_name(sunday: str) -> None:
    assert from_cron(f"0 9 * * {sunday}") == schedule().on_sunday().at(9).build()


def test_b4_what_the_original_searched_for_ever_is_found_or_refused() -> None:
    neighbours = schedule().between_hours(14, 15).on_minute(0).build()
    assert after(neighbours, "2026-01-05 14:30") == ["2026-01-05 15:00"]
    # The others, such as second 60, are refused: see test_builder_problems.


def test_b9_leap_days_can_be_scheduled() -> None:
    leap = schedule().on_day_of_month(29).on_february().at(0).build()
    assert after(leap, "2026-01-01 00:00", 3) == [
        *("2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00")
    ]
    # 2100 is no leap year, 2000 was one.
    assert after(leap, "2096-02-29 00:00") == ["2104-02-29 00:00"]
    assert after(leap, "1999-01-01 00:00") == ["2000-02-29 00:00"]


def test_b9_short_months_are_left_out() -> None:
    either = schedule().on_day_of_month(31).on_month(1, 2).at(0).build()
    assert after(either, "2026-01-01 00:00", 2) == ["2026-01-31 00:00", "2027-01-31 00:00"]
    thirty_first = schedule().on_day_of_month(31).at(0).build()
    found = after(thirty_first, "2026-01-31 00:00", 7)
    assert [day[5:7] for day in found] == ["03", "05", "07", "08", "10", "12", "01"]


def test_b10_units_narrow_each_other_down() -> None:
    friday_13th = schedule().on_friday().on_day_of_month(13).at(0).build()
    assert after(friday_13th, "2026-01-01 00:00", 4) == [
        *("2026-02-13 00:00", "2026-03-13 00:00", "2026-11-13 00:00", "2027-08-13 00:00")
    ]


def test_b10_only_cron_itself_takes_either_day() -> None:
    either = from_cron("0 0 13 * 5")
    assert after(either, "2026-01-01 00:00", 4) == [
        *("2026-01-02 00:00", "2026-01-09 00:00", "2026-01-13 00:00", "2026-01-16 00:00")
    ]
    assert either == (
        schedule().on_friday().at(0).build() | schedule().on_day_of_month(13).at(0).build()
    )


@pytest.mark.parametrize("text", ["0 0 */2 * 1", "0 0 13 * */5"])
def test_b10_a_field_that_begins_with_a_star_narrows_down_in_cron_too(text: str) -> None:
    assert isinstance(from_cron(text), Calendar)


# Days.


def test_29_february_is_a_monday_every_28_years() -> None:
    rare = schedule().on_day_of_month(29).on_february().on_monday().at(0).build()
    assert after(rare, "2026-01-01 00:00", 3) == [
        *("2044-02-29 00:00", "2072-02-29 00:00", "2112-02-29 00:00")
    ]


def test_a_fifth_monday_is_left_out_where_there_is_none() -> None:
    fifth = schedule().on_nth_weekday(5, "monday").at(0).build()
    assert after(fifth, "2026-01-01 00:00", 4) == [
        *("2026-03-30 00:00", "2026-06-29 00:00", "2026-08-31 00:00", "2026-11-30 00:00")
    ]
    assert fifth == from_cron("0 0 * * MON#5")


def test_february_has_a_fifth_friday_every_28_years() -> None:
    fifth = from_cron("0 0 * 2 5#5")
    assert after(fifth, "2026-01-01 00:00", 2) == ["2036-02-29 00:00", "2064-02-29 00:00"]
    # 2100 is no leap year.
    assert after(fifth, "2092-02-29 00:00") == ["2104-02-29 00:00"]


def test_the_last_friday_is_the_fourth_or_the_fifth() -> None:
    last = schedule().on_nth_weekday("last", "friday").at(0).build()
    assert after(last, "2026-01-01 00:00", 3) == [
        *("2026-01-30 00:00", "2026-02-27 00:00", "2026-03-27 00:00")
    ]
    assert last == from_cron("0 0 * * 5L")


def test_the_last_workday_is_before_the_weekend() -> None:
    last = schedule().on_last_workday_of_month().at(0).build()
    # 31 January 2026 is a Saturday, 31 May a Sunday.
    assert after(last, "2026-01-01 00:00", 5) == [
        "2026-01-30 00:00",
        "2026-02-27 00:00",
        "2026-03-31 00:00",
        "2026-04-30 00:00",
        "2026-05-29 00:00",
    ]
    assert last == from_cron("0 0 LW * *")


def test_the_last_day_is_that_of_the_month() -> None:
    last = schedule().on_last_day_of_month().at(0).build()
    assert after(last, "2028-01-01 00:00", 4) == [
        *("2028-01-31 00:00", "2028-02-29 00:00", "2028-03-31 00:00", "2028-04-30 00:00")
    ]
    assert last == from_cron("0 0 L * *")


def test_steps_begin_anew_in_each_hour() -> None:
    steps = schedule().every_minutes(25).build()
    assert after(steps, "2026-01-05 10:00", 4) == [
        *("2026-01-05 10:25", "2026-01-05 10:50", "2026-01-05 11:00", "2026-01-05 11:25")
    ]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_usual_texts_have_names(text: str, same: str) -> None:
    assert from_cron(text, "Europe/Paris") == from_cron(same, "Europe/Paris")


# The end of the calendar.


def test_the_last_occurrence_is_the_last_minute_of_the_year_9999() -> None:
    minutely = schedule().build()
    assert after(minutely, "9999-12-31 23:58:59") == ["9999-12-31 23:59"]
    with pytest.raises(NoOccurrenceError) as caught:
        minutely.next_after(utc("9999-12-31 23:59"))
    assert str(caught.value) == (
        "schedule 'elapsed second=0' has no occurrence after 9999-12-31T23:59:00+00:00"
    )
    assert caught.value.schedule == minutely.text
    assert caught.value.after == utc("9999-12-31 23:59")


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("text", ["* * * * * *", "*/7 * * * *", "30 1 * * *", "0 0 29 2 *"])
def test_after_the_last_occurrence_there_is_none_in_any_zone(text: str, zone: str) -> None:
    one = from_cron(text, zone)
    far_west = datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))
    for end in (datetime.max.replace(tzinfo=UTC), far_west):
        with pytest.raises(NoOccurrenceError):
            one.next_after(end)
    start = utc("9999-12-31 23:00")
    assert all(occurrence > start for occurrence in one.occurrences(start))


def test_a_union_ends_with_the_last_of_its_members() -> None:
    yearly, minutely = from_cron("@yearly"), from_cron("0 0 * * *")
    united = yearly | minutely
    assert after(united, "9999-12-30 12:00") == ["9999-12-31 00:00"]
    with pytest.raises(NoOccurrenceError) as caught:
        united.next_after(utc("9999-12-31 12:00"))
    assert caught.value.schedule == united.text


def test_an_interval_ends_with_the_calendar_too() -> None:
    with pytest.raises(NoOccurrenceError, match="every 86400000ms"):
        every(days=1).next_after(utc("9999-12-31 12:00"))


def test_occurrences_end_without_an_error() -> None:
    start = utc("9999-12-31 22:30")
    assert list(from_cron("@hourly").occurrences(start)) == [start + timedelta(minutes=30)]
