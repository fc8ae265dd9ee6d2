"""The next occurrence, decided without a database and without a clock."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bgjobs import every
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import AttemptError
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.recurrence import (
    MOST_COUNTED,
    PARKED_UNTIL,
    first,
    following,
    has_begun,
    instead_of,
    is_ahead,
    is_too_late,
    missed_between,
    paused,
    put_right,
    replanned,
    request_of,
    restarted,
    resumed,
)
from tests.unit.core.rows import (
    ASKED,
    DAILY,
    HOUR,
    HOURLY,
    MINUTE,
    MINUTELY,
    MONTH,
    NOON,
    SECOND,
    SERVED,
    WAITS,
    waiting,
)


def test_the_first_occurrence_is_in_the_future() -> None:
    assert first(MINUTELY, NOON) == Occurrence(recurrence=MINUTELY, at=NOON + MINUTE)
    assert first(HOURLY, NOON + SECOND).at == NOON + SECOND + HOUR


def test_the_next_occurrence_follows_the_end_of_the_run() -> None:
    late = NOON + 90 * SECOND
    assert following(SERVED, late) == Occurrence(
        recurrence=MINUTELY, at=NOON + 2 * MINUTE, previous=NOON
    )
    assert following(evolve(SERVED, recurrence=HOURLY), late).at == late + HOUR


def test_a_clock_that_is_behind_repeats_nothing() -> None:
    assert following(SERVED, NOON - 5 * HOUR).at == NOON + MINUTE


def test_with_catch_up_missed_occurrences_follow_one_by_one() -> None:
    now = NOON + 10 * MINUTE + SECOND
    served, planned = evolve(SERVED, recurrence=evolve(MINUTELY, catch_up=3)), []
    for _ in range(5):
        served = following(served, now)
        planned.append((served.at - NOON) / MINUTE)
    assert planned == [1, 2, 3, 11, 12]


def test_an_interval_has_nothing_to_catch_up() -> None:
    recurrence = evolve(HOURLY, catch_up=100)
    now = NOON + 5 * HOUR
    assert following(evolve(SERVED, recurrence=recurrence), now).at == now + HOUR


def test_an_occurrence_that_is_too_late_is_replaced_by_the_first_that_is_not() -> None:
    recurrence = evolve(MINUTELY, misfire_grace=150 * SECOND)
    missed = evolve(SERVED, recurrence=recurrence)
    now = NOON + 10 * MINUTE + SECOND
    assert instead_of(missed, now) == evolve(missed, at=NOON + 8 * MINUTE)


def test_the_same_schedule_keeps_the_time_of_the_waiting_one() -> None:
    recurrence = evolve(MINUTELY, catch_up=2)
    kept = replanned(SERVED, NOON - 2 * HOUR, recurrence=recurrence)
    assert kept == evolve(SERVED, recurrence=recurrence)


def test_another_schedule_begins_now_and_not_before_what_was_served() -> None:
    recurrence = evolve(MINUTELY, schedule=every(minutes=5).text)
    waits = evolve(SERVED, at=NOON + HOUR)
    assert replanned(waits, NOON, recurrence=recurrence) == evolve(
        waits, recurrence=recurrence, at=NOON + 5 * MINUTE
    )
    assert replanned(waits, NOON - HOUR, recurrence=recurrence).at == NOON + 4 * MINUTE


def test_a_due_occurrence_is_run_before_another_schedule_begins() -> None:
    recurrence = evolve(MINUTELY, schedule=every(minutes=5).text)
    assert replanned(SERVED, NOON, recurrence=recurrence) == evolve(
        SERVED, recurrence=recurrence
    )


def test_a_paused_occurrence_is_parked_and_a_resumed_one_is_in_the_future() -> None:
    later = NOON + HOUR + SECOND
    parked = paused(evolve(SERVED, made_up=2), later)
    assert parked == evolve(SERVED, made_up=2, paused=True)
    request = request_of(ASKED, parked, Random(1))
    assert request.options.available_at == PARKED_UNTIL
    assert resumed(parked, later) == evolve(SERVED, at=NOON + HOUR + MINUTE)
    assert resumed(SERVED, later) == SERVED


@pytest.mark.parametrize(
    ("late", "begun", "too_late"),
    [
        (10 * SECOND, {}, False),
        (11 * SECOND, {}, True),
        (HOUR, {"available_at": NOON + SECOND}, False),  # snoozed
        (HOUR, {"attempts": 1}, False),
        (HOUR, {"crashes": 1}, False),
        (HOUR, {"interruptions": 1}, False),
    ],
)
def test_only_a_run_that_never_began_can_be_too_late(
    late: timedelta, begun: dict[str, Any], too_late: bool
) -> None:
    strict = evolve(SERVED, recurrence=evolve(MINUTELY, misfire_grace=10 * SECOND))
    assert is_too_late(waiting(strict, **{"reserved_at": NOON + late, **begun})) is too_late


def test_without_a_grace_nothing_is_too_late() -> None:
    late = NOON + 1000 * HOUR
    assert not is_too_late(waiting(SERVED, reserved_at=late))
    assert not is_too_late(waiting(None, reserved_at=late))


def test_a_paused_occurrence_has_not_begun() -> None:
    parked = evolve(SERVED, paused=True)
    assert not has_begun(waiting(parked, available_at=PARKED_UNTIL))
    assert has_begun(waiting(SERVED, available_at=NOON + SECOND))
    jittery = evolve(SERVED, recurrence=evolve(MINUTELY, jitter=MINUTE))
    assert not has_begun(waiting(jittery, available_at=NOON + MINUTE))


def test_missed_occurrences_are_counted_up_to_a_limit() -> None:
    between = missed_between(MINUTELY, NOON, NOON + 3 * MINUTE)
    assert between == [NOON + MINUTE, NOON + 2 * MINUTE]
    assert len(missed_between(MINUTELY, NOON, NOON + 1000 * HOUR)) == MOST_COUNTED
    assert missed_between(HOURLY, NOON, NOON + 1000 * HOUR) == []


def test_jitter_delays_the_run_and_leaves_the_occurrence() -> None:
    jittery = evolve(SERVED, recurrence=evolve(MINUTELY, jitter=MINUTE))
    delays = set()
    for seed in range(50):
        request = request_of(ASKED, jittery, Random(seed))
        assert request.options.available_at is not None
        assert request.options.occurrence == jittery
        assert (request.options.priority, request.options.unique_key) == (7, "schedule:tick")
        delays.add(request.options.available_at - NOON)
    assert timedelta(0) <= min(delays) < 10 * SECOND < 50 * SECOND < max(delays) <= MINUTE


@given(
    st.lists(st.integers(-10_000, 100_000), min_size=1, max_size=30),
    st.sampled_from([0, 1, 5]),
    st.sampled_from(
        [MINUTELY.schedule, HOURLY.schedule, f"{HOURLY.schedule} | {MINUTELY.schedule}"]
    ),
)
def test_whatever_the_clock_does_occurrences_only_rise(
    steps: list[int], catch_up: int, text: str
) -> None:
    now = NOON
    occurrence = first(Recurrence(name="tick", schedule=text, catch_up=catch_up), now)
    for step in steps:
        now += step * SECOND
        after = following(occurrence, now)
        assert after.at > occurrence.at
        assert after.previous == occurrence.at
        assert after.made_up <= catch_up
        if not after.made_up:
            assert after.at > now
        occurrence = after


def test_an_occurrence_that_its_schedule_would_plan_stays() -> None:
    for now in (NOON, NOON + SECOND, NOON + MINUTE, NOON + HOUR):
        assert put_right(WAITS, now) == WAITS
    parked = evolve(WAITS, paused=True)
    assert put_right(parked, NOON - MONTH) == parked
    hourly = Occurrence(recurrence=HOURLY, at=NOON + HOUR, previous=NOON)
    assert put_right(hourly, NOON + MINUTE) == hourly


@pytest.mark.parametrize("step", [SECOND, MINUTE, 5 * MINUTE])
def test_a_small_step_back_repeats_nothing(step: timedelta) -> None:
    assert put_right(WAITS, NOON - step) == WAITS


@pytest.mark.parametrize("step", [6 * MINUTE, HOUR, MONTH])
def test_after_a_large_step_back_earlier_times_are_disregarded(step: timedelta) -> None:
    now = NOON - step
    assert put_right(WAITS, now) == evolve(WAITS, at=now + MINUTE, previous=None)
    interval = Occurrence(recurrence=HOURLY, at=NOON + MONTH, previous=NOON - HOUR)
    assert put_right(interval, now + MONTH / 2).at <= now + MONTH / 2 + HOUR


@pytest.mark.parametrize(("step", "repeated"), [(50 * MINUTE, False), (61 * MINUTE, True)])
def test_the_largest_small_step_is_the_distance_of_occurrences_up_to_an_hour(
    step: timedelta, repeated: bool
) -> None:
    nine = datetime(2031, 5, 17, 9, tzinfo=UTC)
    waits = Occurrence(recurrence=DAILY, at=nine + timedelta(days=1), previous=nine)
    assert (put_right(waits, nine - step).at == nine) is repeated


def test_an_occurrence_beyond_the_next_one_is_planned_anew() -> None:
    """The clock was ahead when it was planned, and nothing was served by it since."""
    ahead = evolve(WAITS, at=NOON + MONTH)
    assert put_right(ahead, NOON + SECOND) == WAITS


def test_an_occurrence_due_by_an_older_schedule_is_not_moved_far() -> None:
    due = Occurrence(recurrence=DAILY, at=NOON, previous=NOON - HOUR)
    assert put_right(due, NOON + HOUR) == due


@given(st.integers(-3000, 3000), st.integers(0, 2000), st.sampled_from([0, 1, 60, 3600]))
def test_planning_anew_twice_changes_nothing_more(moved: int, served: int, passed: int) -> None:
    standing = evolve(WAITS, at=NOON + moved * SECOND, previous=NOON - served * SECOND)
    now = NOON + passed * SECOND
    once = put_right(standing, now)
    assert put_right(once, now) == once
    assert once.previous is None or once.at > once.previous or once.at == standing.at


def test_a_row_shows_whether_the_clock_was_ahead_when_it_was_planned() -> None:
    row = evolve(waiting(WAITS), available_at=WAITS.at)
    assert not is_ahead(row, NOON)
    assert not is_ahead(row, NOON - SECOND)
    assert not is_ahead(row, NOON - 5 * MINUTE)  # it stands still for a moment
    assert is_ahead(row, NOON - MONTH)
    assert not is_ahead(evolve(row, occurrence=evolve(WAITS, paused=True)), NOON - MONTH)
    assert not is_ahead(evolve(row, reserved_by=new_id()), NOON - MONTH)
    assert not is_ahead(evolve(row, occurrence=None), NOON - MONTH)


def test_the_reservations_of_a_retry_show_whether_the_clock_was_ahead() -> None:
    error = AttemptError(1, NOON, "reset", NOON + MONTH)
    later = evolve(waiting(WAITS), available_at=NOON + MONTH, attempts=1)
    assert not is_ahead(later, NOON + SECOND)
    assert is_ahead(evolve(later, errors=(error,)), NOON + SECOND)


def test_the_end_of_the_last_attempt_shows_whether_the_clock_was_ahead() -> None:
    error = AttemptError(1, NOON + MONTH, "reset", NOON)
    later = evolve(waiting(WAITS), available_at=NOON + MONTH, attempts=1, errors=(error,))
    assert is_ahead(later, NOON + SECOND)
    assert not is_ahead(evolve(later, available_at=NOON + MINUTE), NOON + SECOND)
    assert not is_ahead(later, NOON + MONTH)


def test_an_interval_is_late_by_its_length_at_most_however_late_it_was_before() -> None:
    often = Occurrence(
        recurrence=evolve(HOURLY, schedule=every(minutes=6).text), at=NOON, previous=NOON - HOUR
    )
    assert put_right(often, NOON - 12 * MINUTE) == often
    assert put_right(often, NOON - 13 * MINUTE).at == NOON - 7 * MINUTE


def test_a_process_replaces_a_schedule_that_it_cannot_read_by_its_own() -> None:
    strange = evolve(WAITS, recurrence=evolve(MINUTELY, schedule="lunar day=1"))
    assert restarted(strange, NOON, recurrence=DAILY).recurrence == DAILY
    assert not is_ahead(waiting(strange), NOON - MONTH)
