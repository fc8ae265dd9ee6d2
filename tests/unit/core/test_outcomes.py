"""The settlement of each outcome: three counters, three limits, the history and the fence."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.history import (
    KEPT_HISTORY,
    EndOfReservation,
    HistoryEntry,
    PastEnd,
    PastReservation,
)
from bgjobs._core.jobs import AttemptError, Job, Owner
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
    TooLate,
    Unstarted,
    cancelled_instead,
    is_suspect,
    put_back,
    settle,
)
from bgjobs._core.settlements import Cancel, Counted, Drop, Fail, Requeue, Settlement, Succeed
from bgjobs.backoff import Constant, Custom, Exponential

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RESERVED_AT = NOW - timedelta(seconds=9)
DELAY = timedelta(seconds=30)
POLICY = RetryPolicy(max_retries=3, backoff=Constant(30))
LIMITS = Limits(max_crashes=2, max_interruptions=5)
EARLIER = (AttemptError(1, NOW, "earlier"),)
OWNER = Owner(UUID(int=2), "mails", "host 7")
RETRIED = PastEnd(
    state="failed", at=NOW, text="secret", by=None, retried_at=NOW, retried_by="ada"
)

OUTCOMES: list[Outcome] = [
    Returned(),
    Raised("E"),
    Discarded("D"),
    Cancelled("C", "ada"),
    Snoozed(DELAY),
    Unstarted(),
    Interrupted(),
    Crashed(),
    TooLate(),
]
ENDS: dict[Outcome, EndOfReservation] = {
    Raised("E"): "failed",
    Discarded("D"): "discarded",
    Cancelled("C", "ada"): "cancelled",
    Snoozed(DELAY): "snoozed",
    Unstarted(): "released",
    Interrupted(): "interrupted",
    Crashed(): "crashed",
}
"""The outcomes that leave an entry in the history."""


def held(**counters: Any) -> Job:
    return Job(
        id=UUID(int=1),
        name="mail",
        payload="{}",
        created_at=NOW,
        available_at=NOW,
        reserved_at=RESERVED_AT,
        reserved_by=OWNER.id,
        **{"reservations": 9, **counters},
    )


def settled(
    job: Job, outcome: Outcome, policy: RetryPolicy = POLICY, limits: Limits = LIMITS
) -> Settlement:
    return settle(job, outcome, policy, limits, NOW, OWNER)


def past(job: Job, ended: EndOfReservation) -> PastReservation:
    """Return what the history keeps of the reservation of a job that ended now."""
    return PastReservation(
        number=job.reservations,
        owner=OWNER.id,
        queue="mails",
        node="host 7",
        attempt=job.attempts + 1,
        reserved_at=RESERVED_AT,
        ended_at=NOW,
        ended=ended,
    )


def counters_of(one: Job | Counted) -> tuple[int, int, int]:
    return one.attempts, one.crashes, one.interruptions


@pytest.mark.parametrize("attempts", [2, 3, 4])
@pytest.mark.parametrize("crashes", [1, 2, 3])
@pytest.mark.parametrize("interruptions", [4, 5, 6])
def test_every_outcome_below_at_and_above_every_limit(
    attempts: int, crashes: int, interruptions: int
) -> None:
    """The table: only its own counter decides about an outcome, and only it is raised."""
    job = held(
        attempts=attempts,
        crashes=crashes,
        interruptions=interruptions,
        errors=EARLIER,
        history=(RETRIED,),
    )
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
        Cancelled("C", "ada"): Cancel(**same, reason="C", by="ada"),
        Snoozed(DELAY): Requeue(**same, delay=DELAY),
        Unstarted(): Requeue(**same, delay=None),
        Interrupted(): Requeue(**interrupted, delay=None)
        if interruptions < 5
        else Fail(**interrupted, error=stopped),
        Crashed(): Requeue(**crashed, delay=None)
        if crashes < 2
        else Fail(**crashed, error=died),
        TooLate(): Drop(fence),
    }
    assert list(expected) == OUTCOMES
    for outcome, settlement in expected.items():
        found = settled(job, outcome)
        if isinstance(found, Counted):
            assert found.history == (RETRIED, past(job, ENDS[outcome]))
            found = evolve(found, history=())
        assert found == settlement


@pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
@given(owner=st.uuids(), number=st.integers(1, 2**31))
def test_the_fence_is_the_job_s_own_reservation(
    outcome: Outcome, owner: UUID, number: int
) -> None:
    job = evolve(held(), reserved_by=owner, reservations=number)
    settlement = settled(job, outcome)
    assert settlement.reservation == job.reservation
    assert (settlement.reservation.owner, settlement.reservation.number) == (owner, number)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
def test_a_job_without_an_owner_cannot_be_settled(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="is not reserved"):
        settled(evolve(held(), reserved_by=None), outcome)


@given(st.integers(0, 30))
def test_a_job_that_always_raises_is_settled_once_more_than_its_retries(retries: int) -> None:
    policy = RetryPolicy(max_retries=retries, backoff=Exponential(), random=Random(1))
    job, seen = held(), []
    while isinstance(end := settled(job, Raised("E"), policy), Requeue):
        seen.append(job.attempts)
        job = evolve(job, attempts=end.attempts, errors=end.errors)
    assert isinstance(end, Fail)
    assert [*seen, job.attempts] == list(range(retries + 1))
    assert end.attempts == retries
    assert len(end.errors) == min(retries + 1, KEPT_ERRORS)


@given(st.lists(st.sampled_from([*ENDS]), max_size=60))
def test_the_counters_are_independent_of_each_other(outcomes: list[Outcome]) -> None:
    """A job fails exactly when one counter passes its limit, in any order of outcomes."""
    job = held()
    counted = {Raised: 0, Crashed: 0, Interrupted: 0}
    for outcome in outcomes:
        if type(outcome) in counted:
            counted[type(outcome)] += 1
        end = settled(job, outcome)
        over = counted[Raised] > 3 or counted[Crashed] > 2 or counted[Interrupted] > 5
        assert isinstance(end, Fail) == (over or isinstance(outcome, Discarded))
        assert isinstance(end, Cancel) == isinstance(outcome, Cancelled)
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
    end = settled(held(attempts=20, errors=errors), Raised("newest"), policy)
    assert isinstance(end, Requeue)
    assert end.errors == (*errors[1:], AttemptError(21, NOW, "newest", RESERVED_AT))
    assert len(end.errors) == KEPT_ERRORS == 20


@pytest.mark.parametrize("outcome", ENDS, ids=repr)
def test_each_end_without_success_is_kept_in_the_history(outcome: Outcome) -> None:
    job = held(attempts=1, history=(RETRIED,))
    end = settled(job, outcome)
    assert isinstance(end, Counted)
    assert end.history == (RETRIED, past(job, ENDS[outcome]))


def test_no_run_ends_before_it_began_although_the_clock_of_its_node_is_behind() -> None:
    job = evolve(held(), reserved_at=NOW + timedelta(seconds=2))
    ended = settled(job, Raised("x"))
    assert isinstance(ended, Requeue)
    [entry], [error] = ended.history, ended.errors
    assert isinstance(entry, PastReservation)
    assert entry.reserved_at == entry.ended_at == error.failed_at == job.reserved_at


def test_a_reservation_without_a_time_is_kept_with_the_time_of_its_end() -> None:
    """Another program may have left the column empty."""
    end = settled(evolve(held(), reserved_at=None), Crashed())
    assert isinstance(end, Counted)
    [entry] = end.history
    assert isinstance(entry, PastReservation)
    assert entry.reserved_at == entry.ended_at == NOW


@given(st.lists(st.sampled_from([*ENDS]), min_size=1, max_size=130))
def test_the_last_hundred_entries_are_kept(outcomes: list[Outcome]) -> None:
    expected: list[HistoryEntry] = [RETRIED] * 30
    job = held(history=tuple(expected))
    for outcome in outcomes:
        end = settled(job, outcome)
        assert isinstance(end, Counted)
        expected.append(past(job, ENDS[outcome]))
        assert end.history == tuple(expected[-KEPT_HISTORY:])
        job = evolve(job, history=end.history, reservations=job.reservations + 1)
    assert KEPT_HISTORY == 100


def test_a_job_that_is_cancelled_before_it_is_put_back_keeps_how_its_run_ended() -> None:
    job = held(attempts=1, crashes=1, interruptions=2, errors=EARLIER)
    for outcome in (Raised("E"), Snoozed(DELAY), Interrupted(), Crashed(), Unstarted()):
        requeue = settled(job, outcome)
        assert isinstance(requeue, Requeue)
        end = cancelled_instead(requeue, Cancelled("C", "ada"))
        assert (end.reservation, end.reason, end.by) == (job.reservation, "C", "ada")
        assert counters_of(end) == counters_of(requeue)
        assert (end.errors, end.history) == (requeue.errors, requeue.history)
        assert requeue.history == (past(job, ENDS[outcome]),)


def test_the_backoff_is_asked_for_the_attempt_that_raised() -> None:
    asked = []

    def note(attempt: int) -> float:
        asked.append(attempt)
        return attempt

    policy = RetryPolicy(max_retries=9, backoff=Custom(note))
    end = settled(held(attempts=4), Raised("E"), policy)
    assert isinstance(end, Requeue)
    assert (asked, end.delay, end.attempts) == ([5], timedelta(seconds=5), 5)


def test_an_error_that_is_not_to_be_retried_fails_the_job_although_retries_are_left() -> None:
    end = settled(held(errors=EARLIER), Raised("E", retry=False))
    assert isinstance(end, Fail)
    assert (end.error, end.attempts) == ("E", 0)
    assert end.errors == (*EARLIER, AttemptError(1, NOW, "E", RESERVED_AT))
    assert end.history == (past(held(), "failed"),)


def test_a_decided_delay_replaces_that_of_the_backoff() -> None:
    def refuse(attempt: int) -> float:
        raise AssertionError("it must not be asked")

    policy = RetryPolicy(max_retries=1, backoff=Custom(refuse))
    end = settled(held(), Raised("E", retry=DELAY), policy)
    assert isinstance(end, Requeue)
    assert (end.delay, end.attempts) == (DELAY, 1)


@pytest.mark.parametrize("retry", [True, False, DELAY], ids=repr)
def test_the_retries_are_limited_whatever_is_decided(retry: Any) -> None:
    assert isinstance(settled(held(attempts=3), Raised("E", retry)), Fail)


def test_the_jitter_comes_from_the_policy_s_random() -> None:
    def delay() -> timedelta | None:
        policy = RetryPolicy(max_retries=9, backoff=Exponential(), random=Random(7))
        end = settled(held(), Raised("E"), policy)
        assert isinstance(end, Requeue)
        return end.delay

    assert delay() == delay()


def test_zero_tolerates_nothing() -> None:
    policy, none = evolve(POLICY, max_retries=0), Limits(max_crashes=0, max_interruptions=0)
    for outcome in (Raised("E"), Crashed(), Interrupted()):
        assert isinstance(settled(held(), outcome, policy, none), Fail)


def test_the_defaults_of_the_limits() -> None:
    assert Limits() == Limits(max_crashes=3, max_interruptions=100)


@pytest.mark.parametrize(
    "outcome", [Raised("secret"), Discarded("secret"), Cancelled("secret")], ids=["r", "d", "c"]
)
@pytest.mark.parametrize("attempts", [0, 3])
def test_no_repr_of_an_outcome_or_settlement_shows_a_text(
    outcome: Outcome, attempts: int
) -> None:
    """Errors and reasons, of this end or of an earlier one, may quote arguments."""
    assert "secret" not in repr(outcome)
    assert "secret" not in repr(settled(held(attempts=attempts, history=(RETRIED,)), outcome))


@given(crashes=st.integers(0, 20), limit=st.integers(1, 20))
def test_a_suspect_is_a_job_that_the_next_crash_would_end(crashes: int, limit: int) -> None:
    job, limits = held(crashes=crashes), Limits(max_crashes=limit)
    last = isinstance(settled(job, Crashed(), POLICY, limits), Fail)
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
    job = held(attempts=1, crashes=2, interruptions=3, errors=EARLIER, history=(RETRIED,))
    back = put_back(job, delay)
    assert (back.reservation, back.delay, back.errors) == (job.reservation, delay, EARLIER)
    assert back.history == (RETRIED,)
    assert counters_of(back) == (1, 2, 3)
