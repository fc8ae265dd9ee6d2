"""Which occurrence follows which, decided without a database or a clock."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bgjobs import every, schedule
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import AttemptError, Job
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.recurrence import (
    MOST_COUNTED,
    PARKED_UNTIL,
    first,
    following,
    has_begun,
    instead_of,
    is_ahead,
    is_foreign,
    is_plausible,
    is_too_late,
    missed_between,
    paused,
    put_right,
    replanned,
    request_of,
    restarted,
    resumed,
)
from bgjobs._core.requests import JobRequest
from bgjobs.errors import NoOccurrenceError, ScheduleValidationError

NOON = datetime(2031, 5, 17, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MINUTELY = Recurrence(name="tick", schedule=schedule().build().text)
HOURLY = Recurrence(name="tick", schedule=every(hours=1).text)
ASKED = JobRequest("tick", "{}").priority(7)
SERVED = Occurrence(recurrence=MINUTELY, at=NOON, previous=NOON - MINUTE)


def waiting(occurrence: Occurrence | None, **counters: Any) -> Job:
    return Job(
        id=new_id(),
        name="tick",
        payload="{}",
        created_at=NOON,
        occurrence=occurrence,
        **{"available_at": NOON, **counters},
    )


def test_the_first_one_lies_in_the_future() -> None:
    assert first(MINUTELY, NOON) == Occurrence(recurrence=MINUTELY, at=NOON + MINUTE)
    assert first(HOURLY, NOON + SECOND).at == NOON + SECOND + HOUR


def test_the_next_one_is_counted_from_the_end_of_the_run() -> None:
    late = NOON + 90 * SECOND
    assert following(SERVED, late) == Occurrence(
        recurrence=MINUTELY, at=NOON + 2 * MINUTE, previous=NOON
    )
    assert following(evolve(SERVED, recurrence=HOURLY), late).at == late + HOUR


def test_a_clock_that_is_behind_repeats_nothing() -> None:
    assert following(SERVED, NOON - 5 * HOUR).at == NOON + MINUTE


def test_with_catch_up_the_missed_ones_come_one_by_one_and_then_the_future() -> None:
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


def test_in_the_place_of_one_that_is_too_late_comes_the_first_that_is_not() -> None:
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


def test_what_is_due_already_is_run_before_another_schedule_begins() -> None:
    recurrence = evolve(MINUTELY, schedule=every(minutes=5).text)
    assert replanned(SERVED, NOON, recurrence=recurrence) == evolve(
        SERVED, recurrence=recurrence
    )


def test_a_paused_one_is_parked_and_a_resumed_one_lies_in_the_future() -> None:
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


def test_a_paused_one_has_not_begun() -> None:
    parked = evolve(SERVED, paused=True)
    assert not has_begun(waiting(parked, available_at=PARKED_UNTIL))
    assert has_begun(waiting(SERVED, available_at=NOON + SECOND))
    jittery = evolve(SERVED, recurrence=evolve(MINUTELY, jitter=MINUTE))
    assert not has_begun(waiting(jittery, available_at=NOON + MINUTE))


def test_the_missed_ones_are_counted_up_to_a_limit() -> None:
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


DAILY = Recurrence(name="tick", schedule=schedule().at(9).build().text)
WAITS = Occurrence(recurrence=MINUTELY, at=NOON + MINUTE, previous=NOON)
MONTH = timedelta(days=30)


def test_what_its_schedule_would_plan_stays() -> None:
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
def test_a_large_step_back_takes_the_clock_before_for_wrong(step: timedelta) -> None:
    now = NOON - step
    assert put_right(WAITS, now) == evolve(WAITS, at=now + MINUTE, previous=None)
    interval = Occurrence(recurrence=HOURLY, at=NOON + MONTH, previous=NOON - HOUR)
    assert put_right(interval, now + MONTH / 2).at <= now + MONTH / 2 + HOUR


@pytest.mark.parametrize(("step", "repeated"), [(50 * MINUTE, False), (61 * MINUTE, True)])
def test_what_is_a_small_step_depends_on_the_schedule_up_to_an_hour(
    step: timedelta, repeated: bool
) -> None:
    nine = datetime(2031, 5, 17, 9, tzinfo=UTC)
    waits = Occurrence(recurrence=DAILY, at=nine + timedelta(days=1), previous=nine)
    assert (put_right(waits, nine - step).at == nine) is repeated


def test_an_occurrence_beyond_the_next_one_is_planned_anew() -> None:
    """The clock was ahead when it was planned, and nothing was served by it since."""
    ahead = evolve(WAITS, at=NOON + MONTH)
    assert put_right(ahead, NOON + SECOND) == WAITS


def test_what_is_due_by_an_older_schedule_is_not_moved_far() -> None:
    due = Occurrence(recurrence=DAILY, at=NOON, previous=NOON - HOUR)
    assert put_right(due, NOON + HOUR) == due


@given(st.integers(-3000, 3000), st.integers(0, 2000), st.sampled_from([0, 1, 60, 3600]))
def test_putting_right_is_done_after_the_first_time(
    moved: int, served: int, passed: int
) -> None:
    standing = evolve(WAITS, at=NOON + moved * SECOND, previous=NOON - served * SECOND)
    now = NOON + passed * SECOND
    once = put_right(standing, now)
    assert put_right(once, now) == once
    assert once.previous is None or once.at > once.previous or once.at == standing.at


def test_a_row_says_whether_the_clock_was_ahead_when_it_was_planned() -> None:
    row = evolve(waiting(WAITS), available_at=WAITS.at)
    assert not is_ahead(row, NOON)
    assert not is_ahead(row, NOON - SECOND)
    assert not is_ahead(row, NOON - 5 * MINUTE)  # it stands still for a moment
    assert is_ahead(row, NOON - MONTH)
    assert not is_ahead(evolve(row, occurrence=evolve(WAITS, paused=True)), NOON - MONTH)
    assert not is_ahead(evolve(row, reserved_by=new_id()), NOON - MONTH)
    assert not is_ahead(evolve(row, occurrence=None), NOON - MONTH)


def test_a_retry_says_so_by_its_attempts() -> None:
    error = AttemptError(0, NOON, "reset", NOON + MONTH)
    later = evolve(waiting(WAITS), available_at=NOON + MONTH, attempts=1)
    assert not is_ahead(later, NOON + SECOND)
    assert is_ahead(evolve(later, errors=(error,)), NOON + SECOND)


def test_a_retry_says_so_by_the_end_of_its_last_attempt() -> None:
    error = AttemptError(0, NOON + MONTH, "reset", NOON)
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


def test_a_start_with_a_schedule_that_cannot_be_read_here_goes_by_its_own() -> None:
    strange = evolve(WAITS, recurrence=evolve(MINUTELY, schedule="lunar day=1"))
    assert restarted(strange, NOON, recurrence=DAILY).recurrence == DAILY
    assert not is_ahead(waiting(strange), NOON - MONTH)


def planned_row(occurrence: Occurrence, **columns: Any) -> Job:
    return waiting(occurrence, **{"available_at": occurrence.at, **columns})


def test_what_a_schedule_has_planned_is_not_foreign() -> None:
    """With any settings, at any time after it was planned, run before or not."""
    jittered = evolve(WAITS, recurrence=evolve(WAITS.recurrence, jitter=HOUR))
    for row in (
        planned_row(WAITS),
        planned_row(jittered, available_at=WAITS.at + HOUR),
        planned_row(WAITS, available_at=NOON + MONTH, reservations=1),  # snoozed
        planned_row(WAITS, available_at=NOON + MONTH, reservations=1, attempts=1),
        planned_row(paused(WAITS, NOON), available_at=PARKED_UNTIL),
        planned_row(evolve(WAITS, recurrence=evolve(WAITS.recurrence, schedule="whenever"))),
        planned_row(Occurrence(recurrence=HOURLY, at=NOON + HOUR)),
        planned_row(WAITS, available_at=NOON + MONTH, reserved_at=NOON, reserved_by=new_id()),
    ):
        for later in (timedelta(0), SECOND, MINUTE, HOUR, MONTH):
            assert not is_foreign(row, MINUTELY, NOON + later) or row.reserved_by


def test_a_clock_that_differs_a_little_makes_nothing_foreign() -> None:
    first_one = planned_row(first(MINUTELY, NOON))
    assert not is_foreign(first_one, MINUTELY, NOON - SECOND)
    served = planned_row(following(SERVED, NOON + SECOND))
    assert not is_foreign(served, MINUTELY, NOON - MINUTE)


def test_what_waits_too_long_is_foreign_by_the_row_s_own_schedule() -> None:
    daily = Recurrence(name="tick", schedule=every(days=1).text)
    tomorrow = planned_row(Occurrence(recurrence=daily, at=NOON + timedelta(days=1)))
    assert not is_foreign(tomorrow, MINUTELY, NOON)
    later = planned_row(Occurrence(recurrence=daily, at=NOON + timedelta(days=2)))
    assert is_foreign(later, MINUTELY, NOON)


def test_what_other_data_of_a_time_zone_would_plan_is_not_foreign() -> None:
    recurrence = Recurrence(
        name="tick", schedule=schedule().at(9).in_timezone("Europe/Paris").build().text
    )
    planned = first(recurrence, NOON)
    for shift, foreign in ((HOUR, False), (3 * HOUR, False), (4 * HOUR, True)):
        shifted = planned_row(evolve(planned, at=planned.at + shift))
        assert is_foreign(shifted, MINUTELY, NOON) is foreign


def test_where_its_schedule_cannot_be_read_the_settings_judge() -> None:
    strange = evolve(WAITS, recurrence=Recurrence(name="tick", schedule="whenever"))
    assert not is_foreign(planned_row(strange), MINUTELY, NOON)
    far = evolve(strange, at=NOON + HOUR)
    assert is_foreign(planned_row(far), MINUTELY, NOON)
    assert not is_foreign(planned_row(far), HOURLY, NOON)
    ended = Recurrence(name="tick", schedule="nothing that can be read")
    assert not is_foreign(planned_row(far), ended, NOON)


AGE, YEAR = timedelta(days=34_700), timedelta(days=366)
RARELY = Recurrence(name="tick", schedule=every(seconds=3_000_000_000).text)


def test_jitter_of_an_age_parks_nothing() -> None:
    often = Recurrence(
        name="tick", schedule=every(seconds=1).text, jitter=timedelta(days=36_000)
    )
    soon = Occurrence(recurrence=often, at=NOON + SECOND)
    assert is_foreign(planned_row(soon, available_at=NOON + AGE), MINUTELY, NOON)
    assert not is_foreign(planned_row(soon, available_at=NOON + YEAR), MINUTELY, NOON)
    ours = evolve(MINUTELY, jitter=often.jitter)
    assert not is_foreign(planned_row(soon, available_at=NOON + AGE), ours, NOON)
    assert not is_foreign(planned_row(soon, available_at=NOON + AGE), often, NOON)


def test_a_schedule_of_an_age_is_only_planned_by_one_that_waits_as_long() -> None:
    row = planned_row(Occurrence(recurrence=RARELY, at=NOON + AGE))
    assert is_foreign(row, MINUTELY, NOON)
    assert not is_foreign(row, RARELY, NOON)
    unknown = Recurrence(name="tick", schedule="whenever")
    assert is_foreign(row, unknown, NOON)
    yearly = Recurrence(name="tick", schedule=every(days=365).text)
    assert not is_foreign(planned_row(first(yearly, NOON)), MINUTELY, NOON)


@given(
    st.integers(1, 36_500), st.integers(1, 36_500), st.integers(0, 30_000), st.integers(0, 9)
)
def test_two_processes_do_not_move_a_row_to_and_fro(
    days: int, others: int, jitter: int, seed: int
) -> None:
    ours = Recurrence(
        name="tick", schedule=every(days=days).text, jitter=timedelta(days=jitter)
    )
    theirs = Recurrence(name="tick", schedule=every(days=others).text)
    rows = list[Job]()
    for recurrence in (ours, theirs):
        planned = first(recurrence, NOON)
        due = request_of(ASKED, planned, Random(seed)).options.available_at
        assert due is not None
        rows.append(planned_row(planned, available_at=due))
    our_row, their_row = rows
    assert not is_foreign(our_row, ours, NOON)
    assert not (is_foreign(our_row, theirs, NOON) and is_foreign(their_row, ours, NOON))


INSTANTS = st.datetimes(timezones=st.just(UTC))
DURATIONS = st.timedeltas()
PLANS = st.builds(
    Recurrence,
    name=st.sampled_from(["tick", "other"]),
    schedule=st.sampled_from([MINUTELY.schedule, HOURLY.schedule, "whenever", ""]),
    catch_up=st.integers(),
    misfire_grace=st.none() | DURATIONS,
    jitter=DURATIONS,
)
OCCURRENCES = st.builds(
    Occurrence,
    recurrence=PLANS,
    at=INSTANTS,
    previous=st.none() | INSTANTS,
    made_up=st.integers(),
    paused=st.booleans(),
)


@given(OCCURRENCES, INSTANTS, st.integers(0, 2), INSTANTS)
def test_whatever_a_row_says_it_is_judged(
    occurrence: Occurrence, due: datetime, reservations: int, created_at: datetime
) -> None:
    columns = {"available_at": due, "reservations": reservations}
    row = evolve(planned_row(occurrence, **columns), created_at=created_at)
    has_begun(row)
    is_too_late(evolve(row, reserved_at=NOON))
    if not is_foreign(row, MINUTELY, NOON):
        assert is_plausible(occurrence, "tick")
        is_ahead(row, NOON)


@given(OCCURRENCES)
def test_whatever_is_plausible_is_followed(occurrence: Occurrence) -> None:
    if is_plausible(occurrence, "tick"):
        for step in (following, instead_of, put_right, resumed):
            with suppress(NoOccurrenceError, ScheduleValidationError):
                planned = step(occurrence, NOON)
                request_of(ASKED, planned, Random(7))
