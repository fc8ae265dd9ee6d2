"""Rows with the key of a scheduled job that no scheduled job has planned are recognised."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bgjobs import every, schedule
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.recurrence import (
    PARKED_UNTIL,
    first,
    following,
    has_begun,
    instead_of,
    is_ahead,
    is_foreign,
    is_plausible,
    is_too_late,
    paused,
    put_right,
    request_of,
    resumed,
)
from bgjobs.errors import NoOccurrenceError, ScheduleValidationError
from tests.unit.core.rows import (
    ASKED,
    HOUR,
    HOURLY,
    MINUTE,
    MINUTELY,
    MONTH,
    NOON,
    SECOND,
    SERVED,
    WAITS,
    planned_row,
)


def test_an_occurrence_that_a_schedule_planned_is_not_foreign() -> None:
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


def test_a_small_difference_of_clocks_makes_no_row_foreign() -> None:
    first_one = planned_row(first(MINUTELY, NOON))
    assert not is_foreign(first_one, MINUTELY, NOON - SECOND)
    served = planned_row(following(SERVED, NOON + SECOND))
    assert not is_foreign(served, MINUTELY, NOON - MINUTE)


def test_a_row_that_waits_longer_than_its_own_schedule_is_foreign() -> None:
    daily = Recurrence(name="tick", schedule=every(days=1).text)
    tomorrow = planned_row(Occurrence(recurrence=daily, at=NOON + timedelta(days=1)))
    assert not is_foreign(tomorrow, MINUTELY, NOON)
    later = planned_row(Occurrence(recurrence=daily, at=NOON + timedelta(days=2)))
    assert is_foreign(later, MINUTELY, NOON)


def test_an_occurrence_by_other_time_zone_data_is_not_foreign() -> None:
    recurrence = Recurrence(
        name="tick", schedule=schedule().at(9).in_timezone("Europe/Paris").build().text
    )
    planned = first(recurrence, NOON)
    for shift, foreign in ((HOUR, False), (3 * HOUR, False), (4 * HOUR, True)):
        shifted = planned_row(evolve(planned, at=planned.at + shift))
        assert is_foreign(shifted, MINUTELY, NOON) is foreign


def test_a_row_with_an_unreadable_schedule_is_judged_by_the_settings() -> None:
    strange = evolve(WAITS, recurrence=Recurrence(name="tick", schedule="whenever"))
    assert not is_foreign(planned_row(strange), MINUTELY, NOON)
    far = evolve(strange, at=NOON + HOUR)
    assert is_foreign(planned_row(far), MINUTELY, NOON)
    assert not is_foreign(planned_row(far), HOURLY, NOON)
    ended = Recurrence(name="tick", schedule="nothing that can be read")
    assert not is_foreign(planned_row(far), ended, NOON)


AGE, YEAR = timedelta(days=34_700), timedelta(days=366)
RARELY = Recurrence(name="tick", schedule=every(seconds=3_000_000_000).text)


def test_a_row_with_a_jitter_of_a_century_is_foreign_after_a_year() -> None:
    often = Recurrence(
        name="tick", schedule=every(seconds=1).text, jitter=timedelta(days=36_000)
    )
    soon = Occurrence(recurrence=often, at=NOON + SECOND)
    assert is_foreign(planned_row(soon, available_at=NOON + AGE), MINUTELY, NOON)
    assert not is_foreign(planned_row(soon, available_at=NOON + YEAR), MINUTELY, NOON)
    ours = evolve(MINUTELY, jitter=often.jitter)
    assert not is_foreign(planned_row(soon, available_at=NOON + AGE), ours, NOON)
    assert not is_foreign(planned_row(soon, available_at=NOON + AGE), often, NOON)


def test_a_row_that_waits_a_century_is_foreign_unless_our_schedule_waits_as_long() -> None:
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
def test_every_row_can_be_judged(
    occurrence: Occurrence, due: datetime, reservations: int, created_at: datetime
) -> None:
    columns = {"available_at": due, "reservations": reservations}
    row = evolve(planned_row(occurrence, **columns), created_at=created_at)
    has_begun(row)
    is_too_late(evolve(row, reserved_at=NOON))
    if not is_foreign(row, MINUTELY, NOON):
        assert is_plausible(occurrence, "tick")
        is_ahead(row, NOON)


def test_the_jitter_of_an_occurrence_ends_with_the_calendar() -> None:
    at = datetime(9999, 12, 31, tzinfo=UTC)
    recurrence = evolve(MINUTELY, jitter=timedelta(days=4))
    planned = Occurrence(recurrence=recurrence, at=at)
    due = {request_of(ASKED, planned, Random(seed)).options.available_at for seed in range(9)}
    assert len(due) == 9
    assert all(one is not None and at <= one for one in due)


@given(OCCURRENCES)
def test_every_plausible_occurrence_has_a_next_one(occurrence: Occurrence) -> None:
    if is_plausible(occurrence, "tick"):
        for step in (following, instead_of, put_right, resumed):
            with suppress(NoOccurrenceError, ScheduleValidationError):
                planned = step(occurrence, NOON)
                request_of(ASKED, planned, Random(7))
