"""The settlement of each outcome: three counters, three limits and the fence."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.jobs import AttemptError, Job
from bgjobs._core.outcomes import (
    KEPT_ERRORS,
    Cancelled,
    Crashed,
    Discarded,
    Interrupted,
    Limits,
    Outcome,
    Raised,
    RetryPolicy,
    Returned,
    Snoozed,
    Unstarted,
    is_suspect,
    put_back,
    settle,
)
from bgjobs._core.settlements import Fail, Requeue, Settlement, Succeed
from bgjobs.backoff import Constant, Custom, Exponential

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RESERVED_AT = NOW - timedelta(seconds=9)
DELAY = timedelta(seconds=30)
POLICY = RetryPolicy(max_retries=3, backoff=Constant(30))
LIMITS = Limits(max_crashes=2, max_interruptions=5)
EARLIER = (AttemptError(1, NOW, "earlier"),)

OUTCOMES: list[Outcome] = [
    Returned(),
    Raised("E"),
    Discarded("D"),
    Cancelled("C"),
    Snoozed(DELAY),
    Unstarted(),
    Interrupted(),
    Crashed(),
]


def held(**counters: Any) -> Job:
    return Job(
        id=UUID(int=1),
        name="mail",
        payload="{}",
        created_at=NOW,
        available_at=NOW,
        reserved_at=RESERVED_AT,
        reserved_by=UUID(int=2),
        **{"reservations": 9, **counters},
    )


def counters_of(one: Job | Fail | Requeue) -> tuple[int, int, int]:
    return one.attempts, one.crashes, one.interruptions


@pytest.mark.parametrize("attempts", [2, 3, 4])
@pytest.mark.parametrize("crashes", [1, 2, 3])
@pytest.mark.parametrize("interruptions", [4, 5, 6])
def test_every_outcome_below_at_and_above_every_limit(
    attempts: int, crashes: int, interruptions: int
) -> None:
    """The table: only its own counter decides about an outcome, and only it is raised."""
    job = held(attempts=attempts, crashes=crashes, interruptions=interruptions, errors=EARLIER)
    fence = job.reservation
    same: dict[str, Any] = {
        "reservation": fence,
        "attempts": attempts,
        "crashes": crashes,
        "interruptions": interruptions,
        "errors": EARLIER,
    }
    raised = {**same, "errors": (*EARLIER, AttemptError(attempts + 1, NOW, "E", RESERVED_AT))}
    crashed = {**same, "crashes": crashes + 1}
    interrupted = {**same, "interruptions": interruptions + 1}
    died = f"its worker died {crashes + 1} times while running it"
    stopped = f"it was interrupted {interruptions + 1} times"
    expected: dict[Outcome, Settlement] = {
        Returned(): Succeed(fence),
        Raised("E"): Requeue(**{**raised, "attempts": attempts + 1}, delay=DELAY)
        if attempts < 3
        else Fail(**raised, error="E"),
        Discarded("D"): Fail(**same, error="D"),
        Cancelled("C"): Fail(**same, error="Cancelled: C"),
        Snoozed(DELAY): Requeue(**same, delay=DELAY),
        Unstarted(): Requeue(**same, delay=None),
        Interrupted(): Requeue(**interrupted, delay=None)
        if interruptions < 5
        else Fail(**interrupted, error=stopped),
        Crashed(): Requeue(**crashed, delay=None)
        if crashes < 2
        else Fail(**crashed, error=died),
    }
    assert list(expected) == OUTCOMES
    for outcome, settlement in expected.items():
        assert settle(job, outcome, POLICY, LIMITS, NOW) == settlement


@pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
@given(owner=st.uuids(), number=st.integers(1, 2**31))
def test_the_fence_is_the_job_s_own_reservation(
    outcome: Outcome, owner: UUID, number: int
) -> None:
    job = evolve(held(), reserved_by=owner, reservations=number)
    settlement = settle(job, outcome, POLICY, LIMITS, NOW)
    assert settlement.reservation == job.reservation
    assert (settlement.reservation.owner, settlement.reservation.number) == (owner, number)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
def test_a_job_without_an_owner_cannot_be_settled(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="is not reserved"):
        settle(evolve(held(), reserved_by=None), outcome, POLICY, LIMITS, NOW)


@given(st.integers(0, 30))
def test_a_job_that_always_raises_is_settled_once_more_than_its_retries(retries: int) -> None:
    policy = RetryPolicy(max_retries=retries, backoff=Exponential(), random=Random(1))
    job, seen = held(), []
    while isinstance(end := settle(job, Raised("E"), policy, LIMITS, NOW), Requeue):
        seen.append(job.attempts)
        job = evolve(job, attempts=end.attempts, errors=end.errors)
    assert isinstance(end, Fail)
    assert [*seen, job.attempts] == list(range(retries + 1))
    assert end.attempts == retries
    assert len(end.errors) == min(retries + 1, KEPT_ERRORS)


@given(st.lists(st.sampled_from(OUTCOMES[1:]), max_size=60))
def test_the_counters_are_independent_of_each_other(outcomes: list[Outcome]) -> None:
    """A job fails exactly when one counter passes its limit, in any order of outcomes."""
    job = held()
    counted = {Raised: 0, Crashed: 0, Interrupted: 0}
    for outcome in outcomes:
        if type(outcome) in counted:
            counted[type(outcome)] += 1
        end = settle(job, outcome, POLICY, LIMITS, NOW)
        over = counted[Raised] > 3 or counted[Crashed] > 2 or counted[Interrupted] > 5
        assert isinstance(end, Fail) == (over or isinstance(outcome, Discarded | Cancelled))
        if not isinstance(end, Requeue):
            return
        assert counters_of(end) == tuple(counted.values())
        job = evolve(
            job,
            attempts=end.attempts,
            crashes=end.crashes,
            interruptions=end.interruptions,
            errors=end.errors,
            reservations=job.reservations + 1,
        )


def test_the_last_twenty_errors_are_kept() -> None:
    errors = tuple(AttemptError(number + 1, NOW, f"error {number}") for number in range(20))
    policy = evolve(POLICY, max_retries=100)
    end = settle(held(attempts=20, errors=errors), Raised("newest"), policy, LIMITS, NOW)
    assert isinstance(end, Requeue)
    assert end.errors == (*errors[1:], AttemptError(21, NOW, "newest", RESERVED_AT))
    assert len(end.errors) == KEPT_ERRORS == 20


def test_the_backoff_is_asked_for_the_attempt_that_raised() -> None:
    asked = []

    def note(attempt: int) -> float:
        asked.append(attempt)
        return attempt

    policy = RetryPolicy(max_retries=9, backoff=Custom(note))
    end = settle(held(attempts=4), Raised("E"), policy, LIMITS, NOW)
    assert isinstance(end, Requeue)
    assert (asked, end.delay, end.attempts) == ([5], timedelta(seconds=5), 5)


def test_the_jitter_comes_from_the_policy_s_random() -> None:
    def delay() -> timedelta | None:
        policy = RetryPolicy(max_retries=9, backoff=Exponential(), random=Random(7))
        end = settle(held(), Raised("E"), policy, LIMITS, NOW)
        assert isinstance(end, Requeue)
        return end.delay

    assert delay() == delay()


def test_zero_tolerates_nothing() -> None:
    policy, none = evolve(POLICY, max_retries=0), Limits(max_crashes=0, max_interruptions=0)
    for outcome in (Raised("E"), Crashed(), Interrupted()):
        assert isinstance(settle(held(), outcome, policy, none, NOW), Fail)


def test_the_defaults_of_the_limits() -> None:
    assert Limits() == Limits(max_crashes=3, max_interruptions=100)


def test_no_repr_of_an_outcome_or_settlement_shows_the_text_of_an_error() -> None:
    assert "secret" not in repr(Raised("secret"))
    for attempts in (0, 3):
        assert "secret" not in repr(
            settle(held(attempts=attempts), Raised("secret"), POLICY, LIMITS, NOW)
        )


@given(crashes=st.integers(0, 20), limit=st.integers(1, 20))
def test_a_suspect_is_a_job_that_the_next_crash_would_end(crashes: int, limit: int) -> None:
    job, limits = held(crashes=crashes), Limits(max_crashes=limit)
    last = isinstance(settle(job, Crashed(), POLICY, limits, NOW), Fail)
    assert is_suspect(job, limits) == last


@pytest.mark.parametrize(
    ("crashes", "suspect"), [(0, False), (1, False), (2, True), (3, True), (100, True)]
)
def test_suspicion_begins_at_the_limit(crashes: int, suspect: bool) -> None:
    assert is_suspect(held(crashes=crashes), LIMITS) == suspect


def test_no_other_counter_makes_a_suspect() -> None:
    assert not is_suspect(held(attempts=100, interruptions=100), LIMITS)


@given(st.integers(0, 20))
def test_if_no_crash_is_tolerated_no_job_is_a_suspect(crashes: int) -> None:
    """Otherwise every new job would be one, and all jobs would run one by one."""
    assert not is_suspect(held(crashes=crashes), Limits(max_crashes=0))


@pytest.mark.parametrize("delay", [None, timedelta(0), DELAY])
def test_a_job_that_is_put_back_spends_nothing(delay: timedelta | None) -> None:
    job = held(attempts=1, crashes=2, interruptions=3, errors=EARLIER)
    back = put_back(job, delay)
    assert (back.reservation, back.delay, back.errors) == (job.reservation, delay, EARLIER)
    assert counters_of(back) == (1, 2, 3)
