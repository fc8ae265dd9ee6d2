"""Schedules and builders are values: frozen, hashable, equal by meaning, stored as text."""

import pickle
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from random import Random

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import given, settings
from hypothesis import strategies as st

from bgjobs.errors import ScheduleProblem, ScheduleValidationError
from bgjobs.schedules import AnyOf, Interval, Schedule, every, from_cron, from_text, schedule
from bgjobs.schedules.builder import ScheduleBuilder
from tests.unit.schedules.generators import random_words
from tests.unit.schedules.helpers import UNUSUAL, after, some_instant, utc
from tests.unit.schedules.helpers import built as at_any_time

MEANWHILE = settings(deadline=None, max_examples=100)


def built(random: Random) -> Schedule:
    """Return a random schedule that is valid."""
    while True:
        try:
            return random_words(random, random.choice(UNUSUAL)).builder.build()
        except ScheduleValidationError:
            continue


SEEDS = st.integers(0, 10**6)
CALENDARS = SEEDS.map(lambda seed: built(Random(seed)))
INTERVALS = st.integers(1, 10**9).map(lambda length: every(milliseconds=length))
SINGLE = CALENDARS | INTERVALS
SCHEDULES = SINGLE | st.lists(SINGLE, min_size=2, max_size=4).map(
    lambda several: several[0] | several[1] | several[-2] | several[-1]
)


@MEANWHILE
@given(SCHEDULES)
def test_a_schedule_is_the_same_after_text_and_after_pickle(one: Schedule) -> None:
    for other in (from_text(one.text), pickle.loads(pickle.dumps(one))):
        assert other == one
        assert hash(other) == hash(one)
        assert other.text == one.text == str(one)
        assert type(other) is type(one)


@MEANWHILE
@given(SCHEDULES, SEEDS)
def test_what_was_pickled_occurs_at_the_same_instants(one: Schedule, seed: int) -> None:
    start = some_instant(Random(seed), "America/New_York")
    other = pickle.loads(pickle.dumps(one))
    assert list(islice(other.occurrences(start), 3)) == list(islice(one.occurrences(start), 3))


@MEANWHILE
@given(SCHEDULES, SCHEDULES, SCHEDULES)
def test_a_union_is_a_set(a: Schedule, b: Schedule, c: Schedule) -> None:
    assert a | b == b | a
    assert hash(a | b) == hash(b | a)
    assert (a | b) | c == a | (b | c)
    assert a | a == a
    assert (a | b) | a == a | b
    assert a | b | c == c | b | a


@MEANWHILE
@given(SCHEDULES, SEEDS, st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=6))
def test_occurrences_strictly_increase_when_the_clock_of_the_machine_is_set_back(
    one: Schedule, seed: int, steps: list[int]
) -> None:
    now = some_instant(Random(seed), "Europe/Paris")
    last = one.next_after(now)
    for step in steps:
        now += timedelta(seconds=step)
        following = one.next_after(max(now, last))
        assert following > last
        last = following


@MEANWHILE
@given(SCHEDULES, SEEDS)
def test_occurrences_rise_and_begin_after_the_instant(one: Schedule, seed: int) -> None:
    start = some_instant(Random(seed), "Africa/Cairo")
    found = list(islice(one.occurrences(start), 4))
    assert all(earlier < later for earlier, later in pairwise([start, *found]))
    assert all(occurrence.tzinfo is UTC for occurrence in found)


@pytest.mark.parametrize(
    "same",
    [
        [schedule().build(), from_cron("* * * * *"), schedule().every_minute().build()],
        [
            schedule().at(8).at(20).build(),
            schedule().at(20).at(8).at(8).build(),
            schedule().on_hour(8, 20).on_minute(0).build(),
            from_cron("0 8,20 * * *"),
        ],
        [
            schedule().at(8, 0).at(20, 30).build(),
            schedule().at(20, 30).build() | schedule().at(8).build(),
            from_cron("0 8 * * *") | from_cron("30 20 * * *"),
        ],
        [
            schedule().at(8, 0).at(8, 30).at(20, 0).at(20, 30).build(),
            from_cron("0,30 8,20 * * *"),
        ],
        [
            schedule().on_weekdays().at(9).build(),
            schedule().on_day_of_week(1, 2, 3, 4, 5).at(9).build(),
            schedule()
            .on_day_of_week("friday", "monday")
            .between_days_of_week(2, 4)
            .at(9)
            .build(),
            from_cron("0 9 * * MON-FRI"),
        ],
        [
            schedule().between_seconds(0, 59).build(),
            schedule().every_second().build(),
            schedule().every_seconds(1).build(),
            from_cron("* * * * * *"),
        ],
        [every(minutes=1), every(seconds=60), every(minutes=1) | every(seconds=60)],
    ],
)
def test_what_means_the_same_is_equal_however_it_was_said(same: list[Schedule]) -> None:
    assert len(set(same)) == 1
    assert len({one.text for one in same}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (schedule().on_minute(0).every_hour(), schedule().on_minute(0).between_hours(0, 23)),
        (schedule().at(8), schedule().at(8).in_timezone("Europe/Paris")),
        (schedule().at(8), schedule().at(8).on_second(1)),
    ],
)
def test_what_differs_in_the_rule_or_in_the_zone_is_not_equal(
    one: ScheduleBuilder, other: ScheduleBuilder
) -> None:
    assert one.build() != other.build()


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (every(seconds=90), "every 90000ms"),
        (schedule().build(), "elapsed second=0"),
        (schedule().every_second().build(), "elapsed"),
        (from_cron("1,2,4-6,9 * * * *"), "elapsed second=0 minute=1,2,4-6,9"),
        (
            schedule().at(2, 30).in_timezone("Europe/Paris").build(),
            "fixed second=0 minute=30 hour=2 zone=Europe/Paris",
        ),
        (
            from_cron("*/15 * L,LW 6-8 1-5,5L,2#3") | every(seconds=1),
            (
                "elapsed second=0 minute=0,15,30,45 day=L,LW month=6-8 | "
                "elapsed second=0 minute=0,15,30,45 month=6-8 weekday=1-5,2#3,5#L | "
                "every 1000ms"
            ),
        ),
    ],
)
def test_the_text_of_a_schedule_stays_as_it_is_because_it_is_stored(
    one: Schedule, text: str
) -> None:
    assert one.text == text
    assert from_text(text) == one


@pytest.mark.parametrize(
    "one", [schedule().build(), every(seconds=1), schedule().build() | every(seconds=1)]
)
def test_a_schedule_is_frozen(one: Schedule) -> None:
    for name in ("zone", "fixed", "seconds", "milliseconds", "members"):
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(one, name, 1)


def test_only_schedules_can_be_united() -> None:
    with pytest.raises(TypeError):
        schedule().build() | "every 1000ms"  # type: ignore[operator]
    with pytest.raises(TypeError):
        schedule().build() | schedule()  # type: ignore[operator]


def test_the_zone_of_a_union_is_that_of_its_members_if_they_agree() -> None:
    paris, rome = from_cron("@daily", "Europe/Paris"), from_cron("@daily", "Europe/Rome")
    assert str((paris | from_cron("@hourly", "Europe/Paris")).timezone) == "Europe/Paris"
    assert (paris | rome).timezone is UTC
    assert str(rome.timezone) == "Europe/Rome"


# Builders.


def test_a_builder_can_be_branched_from_as_often_as_wanted() -> None:
    weekdays = schedule().on_weekdays()
    morning, evening = weekdays.at(8), weekdays.at(20)
    assert weekdays.at(8).at(20).build() == from_cron("0 8,20 * * 1-5")
    assert morning.build() == from_cron("0 8 * * 1-5")
    assert evening.build() == from_cron("0 20 * * 1-5")
    assert weekdays == schedule().on_weekdays()
    assert hash(morning) == hash(schedule().on_weekdays().at(8))
    with pytest.raises(FrozenInstanceError):
        weekdays._zone = "Europe/Paris"  # type: ignore[misc]


def test_words_add_up_within_a_unit_and_narrow_down_across_units() -> None:
    said = schedule().on_hour(8).on_hour(10, 12).between_hours(20, 21).every_hours(12)
    hours = said.on_minute(0).on_day_of_month(13).on_friday().build()
    found = after(hours, "2026-02-01 00:00", 8)
    day = "2026-02-13"
    expected = [f"{day} {hour:02}:00" for hour in (0, 8, 10, 12, 20, 21)]
    assert found == [*expected, "2026-03-13 00:00", "2026-03-13 08:00"]


@pytest.mark.parametrize(
    ("said", "same"),
    [
        (schedule().on_second(5).every_second(), schedule().every_second()),
        (schedule().on_minute(5).every_minute(), schedule().every_minute()),
        (schedule().every_minutes(5).every_minute(), schedule()),
        (schedule().between_hours(5, 8).every_hour(), schedule()),
        (schedule().on_day_of_month(5).every_day_of_month(), schedule()),
        (schedule().on_last_day_of_month().every_day_of_month(), schedule()),
        (schedule().on_may().every_month(), schedule()),
        (schedule().on_weekends().every_day_of_week(), schedule()),
        (schedule().on_nth_weekday(1, "monday").every_day_of_week(), schedule()),
        (schedule().on_may().every_month().on_june(), schedule().on_june()),
        (schedule().on_second(5).every_second().on_second(6), schedule().on_second(6)),
    ],
)
def test_every_x_forgets_what_was_said_about_its_unit_and_is_replaced_by_more(
    said: ScheduleBuilder, same: ScheduleBuilder
) -> None:
    assert at_any_time(said) == at_any_time(same)


def test_the_first_second_that_is_said_replaces_second_0() -> None:
    half = schedule().on_second(30).build()
    assert after(half, "2026-01-05 10:00:00", 2) == [
        *("2026-01-05 10:00:30", "2026-01-05 10:01:30")
    ]
    both = schedule().on_second(30).on_second(0).build()
    assert after(both, "2026-01-05 10:00:00", 2) == ["2026-01-05 10:00:30", "2026-01-05 10:01"]
    assert schedule().on_second(0).build() == schedule().build()


def test_each_time_of_the_day_is_kept_as_it_was_said() -> None:
    times = schedule().at(8, 15).at(20, 45).on_weekends().build()
    assert after(times, "2026-01-05 00:00", 4) == [
        *("2026-01-10 08:15", "2026-01-10 20:45", "2026-01-11 08:15", "2026-01-11 20:45")
    ]


def test_the_last_zone_counts() -> None:
    assert schedule().in_timezone("Asia/Tokyo").in_timezone("UTC").build() == schedule().build()


# Occurrences and slots.


def test_occurrences_go_up_to_and_with_the_end() -> None:
    hourly = from_cron("@hourly")
    start, end = utc("2026-01-05 10:00"), utc("2026-01-05 12:00")
    assert list(hourly.occurrences(start, end)) == [utc("2026-01-05 11:00"), end]
    assert list(hourly.occurrences(start, end - timedelta(microseconds=1))) == [
        utc("2026-01-05 11:00")
    ]
    assert list(hourly.occurrences(end, start)) == []


def test_occurrences_are_lazy() -> None:
    endless = from_cron("* * * * * *").occurrences(utc("2026-01-01"))
    assert next(endless) == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert next(endless) == datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)


def test_the_slots_of_a_calendar_are_its_occurrences() -> None:
    hourly = from_cron("@hourly")
    start, end = utc("2026-01-05 10:30"), utc("2026-01-06 10:00")
    assert list(hourly.slots(start, end)) == list(hourly.occurrences(start, end))


def test_the_slots_of_a_union_are_those_of_its_calendars_each_once() -> None:
    united = from_cron("0 */2 * * *") | from_cron("0 */3 * * *") | every(seconds=1)
    start, end = utc("2026-01-05 00:30"), utc("2026-01-05 06:00")
    assert [slot.hour for slot in united.slots(start, end)] == [2, 3, 4, 6]
    assert isinstance(united, AnyOf)
    endless = united.slots(start, utc("9999-12-31"))
    assert next(endless).hour == 2


INSTANTS = st.datetimes(datetime(1, 1, 1), datetime(9899, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds of a strategy are naive
LONGEST = 36_500 * 86_400_000


@given(INSTANTS, st.integers(1, LONGEST))
def test_the_next_occurrence_is_the_interval_later(instant: datetime, length: int) -> None:
    one = every(milliseconds=length)
    assert one.next_after(instant) == instant + timedelta(milliseconds=length)
    assert one.length == timedelta(milliseconds=length)


def test_parts_add_up() -> None:
    assert every(minutes=1, seconds=30) == every(seconds=90) == Interval(90_000)
    assert every(weeks=1, days=1, hours=1) == every(hours=8 * 24 + 1)
    assert every(seconds=0.1) == every(milliseconds=100)
    assert every(hours=0.5) == every(minutes=30)


def test_a_day_is_24_hours_whatever_the_clocks_do() -> None:
    assert every(days=1).next_after(utc("2026-03-08 06:30")) == utc("2026-03-09 06:30")
    assert every(days=1).timezone is UTC


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "0"),
        ({"seconds": 0}, "0"),
        ({"seconds": -1}, "seconds=-1"),
        ({"minutes": 1, "seconds": -60}, "seconds=-60, minutes=1"),
        ({"milliseconds": 0.5}, "milliseconds=0.5"),
        ({"milliseconds": 1.5}, "milliseconds=1.5"),
        ({"seconds": 1 / 3}, f"seconds={1 / 3!r}"),
        ({"seconds": float("nan")}, "seconds=nan"),
        ({"days": float("inf")}, "days=inf"),
        ({"days": float("-inf")}, "days=-inf"),
        ({"seconds": True}, "seconds=True"),
        ({"seconds": "5"}, "seconds='5'"),
        ({"seconds": None}, "seconds=None"),
        ({"days": 36_501}, "days=36501"),
        ({"days": 36_500, "milliseconds": 1}, "milliseconds=1, days=36500"),
        ({"weeks": 10**300}, f"weeks=1{'0' * 99}..."),
        ({"weeks": 10**5000}, "weeks=a huge int"),
    ],
)
def test_what_is_no_whole_positive_number_of_milliseconds_is_refused(
    given: dict[str, float], found: str
) -> None:
    with pytest.raises(ScheduleValidationError) as caught:
        every(**given)
    (fault,) = caught.value.problems
    assert (fault.unit, fault.kind) == ("interval", "out_of_bounds")
    assert fault.message == (
        "Interval must be a whole number of milliseconds, from 1 to a hundred years, "
        f"found: {found}"
    )
    assert isinstance(fault, ScheduleProblem)


def test_the_bounds_themselves_are_fine() -> None:
    assert every(milliseconds=1).text == "every 1ms"
    assert every(days=36_500).text == f"every {LONGEST}ms"
    assert from_text(f"every {LONGEST}ms") == every(days=36_500)


def test_an_interval_has_no_slots() -> None:
    assert list(every(seconds=1).slots(utc("2026-01-01"), utc("2027-01-01"))) == []
