"""`write` with settlements, and the fence that protects each job."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import (
    AnyJob,
    CancelledJob,
    FailedJob,
    Job,
    Reservation,
    SucceededJob,
)
from bgjobs._core.settlements import Report, Settlement, Succeed
from bgjobs.stores.port import Store
from bgjobs.stores.types import Counts, NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    ERROR,
    LEASE,
    NOW,
    PROGRESS,
    SECOND,
    TICK,
    ask,
    cancel,
    drop,
    end,
    enqueued,
    fail,
    hold,
    ids,
    listed,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)


def _shared(job: AnyJob) -> list[object]:
    return [
        *(job.id, job.name, job.payload, job.priority, job.reservations, job.created_at),
        *(job.available_at, job.reserved_at, job.reserved_by, job.unique_key),
    ]


def check_a_succeeded_job_carries_all_its_fields(store: Store) -> None:
    """The job moves from the live jobs to the succeeded ones."""
    held = hold(store, available_at=NOW - DAY, priority=4, unique_key="k")
    written = store.write(settle=[succeed(held)], now=NOW + SECOND)
    assert not written.lost
    ended = store.find(held.id)
    assert isinstance(ended, SucceededJob)
    assert ended.succeeded_at == NOW + SECOND
    assert _shared(ended) == _shared(held)
    assert (ended.attempts, ended.crashes, ended.interruptions) == (0, 0, 0)
    assert listed(store, "succeeded") == [ended]
    assert listed(store, "running") == enqueued(store) == []


def check_a_failed_job_carries_all_its_fields(store: Store) -> None:
    """The job has the counters, the errors and the reason of the settlement."""
    held = hold(store, available_at=NOW - DAY, priority=4, unique_key="k")
    settlement = fail(held, "no", attempts=3, crashes=2, interruptions=1, errors=(ERROR,))
    assert not store.write(settle=[settlement], now=NOW + SECOND).lost
    ended = store.find(held.id)
    assert isinstance(ended, FailedJob)
    assert (ended.error, ended.failed_at) == ("no", NOW + SECOND)
    assert _shared(ended) == _shared(held)
    assert (ended.attempts, ended.crashes, ended.interruptions) == (3, 2, 1)
    assert ended.errors == (ERROR,)
    assert listed(store, "failed") == [ended]
    assert listed(store, "running") == enqueued(store) == []


def check_a_cancelled_job_carries_all_its_fields(store: Store) -> None:
    """The job has the counters, the errors, the reason and the author of the settlement."""
    held = hold(store, available_at=NOW - DAY, priority=4, unique_key="k")
    settlement = cancel(
        held, "why", "ada", attempts=3, crashes=2, interruptions=1, errors=(ERROR,)
    )
    assert not store.write(settle=[settlement], now=NOW + SECOND).lost
    ended = store.find(held.id)
    assert isinstance(ended, CancelledJob)
    assert (ended.reason, ended.cancelled_by, ended.cancelled_at) == (
        "why",
        "ada",
        NOW + SECOND,
    )
    assert _shared(ended) == _shared(held)
    assert (ended.attempts, ended.crashes, ended.interruptions) == (3, 2, 1)
    assert ended.errors == (ERROR,)
    assert listed(store, "cancelled") == [ended]
    assert listed(store, "running") == listed(store, "failed") == enqueued(store) == []
    assert store.count(now=NOW + SECOND) == Counts(0, 0, 0, 0, 0, 1)


def check_a_cancelled_job_need_not_name_who_cancelled_it(store: Store) -> None:
    """Any texts are kept, and the author may be None."""
    text = "ünïcödé 🦉 \" \\ '\n%s $1"
    for reason, by in (("", None), (text, text)):
        held = hold(store)
        store.write(settle=[cancel(held, reason, by)], now=NOW)
        ended = store.find(held.id)
        assert isinstance(ended, CancelledJob)
        assert (ended.reason, ended.cancelled_by) == (reason, by)


def check_a_succeeded_job_keeps_its_counters(store: Store) -> None:
    """The counters and errors of earlier attempts are kept."""
    held = hold(store)
    raised = requeue(held, attempts=2, crashes=3, interruptions=4, errors=(ERROR,))
    store.write(settle=[raised], now=NOW)
    [again] = take(store, start(store))
    store.write(settle=[succeed(again)], now=NOW)
    ended = store.find(held.id)
    assert isinstance(ended, SucceededJob)
    assert (ended.attempts, ended.crashes, ended.interruptions) == (2, 3, 4)
    assert (ended.errors, ended.reservations) == ((ERROR,), 2)


def check_a_requeued_job_has_the_new_counters(store: Store) -> None:
    """The counters and errors are those of the settlement."""
    held = hold(store)
    raised = requeue(held, attempts=1, crashes=2, interruptions=3, errors=(ERROR,))
    assert not store.write(settle=[raised], now=NOW).lost
    [waiting] = enqueued(store)
    assert (waiting.attempts, waiting.crashes, waiting.interruptions) == (1, 2, 3)
    assert waiting.errors == (ERROR,)


def check_a_released_job_can_be_reserved_again(store: Store) -> None:
    """The job has no owner and keeps its due time and its reservation number."""
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW + SECOND)
    [waiting] = enqueued(store)
    assert (waiting.reserved_by, waiting.reserved_at) == (None, None)
    assert waiting.available_at == held.available_at
    assert (waiting.reservations, waiting.created_at) == (1, NOW)
    assert ids(take(store, start(store))) == [held.id]


def check_a_delay_of_requeue_is_counted_from_now(store: Store) -> None:
    """The old due time does not count."""
    held = hold(store, available_at=NOW - DAY)
    store.write(settle=[requeue(held, delay=SECOND)], now=NOW + DAY)
    [waiting] = enqueued(store)
    assert waiting.available_at == NOW + DAY + SECOND
    owner = start(store, now=NOW + DAY)
    assert list(take(store, owner, now=NOW + DAY + SECOND - TICK)) == []
    assert ids(take(store, owner, now=NOW + DAY + SECOND)) == [held.id]


def check_a_delay_of_zero_is_now(store: Store) -> None:
    """A delay of zero sets the due time; None keeps it."""
    held = hold(store, available_at=NOW - DAY)
    store.write(settle=[requeue(held, delay=timedelta(0))], now=NOW + SECOND)
    assert enqueued(store)[0].available_at == NOW + SECOND


def check_requeueing_keeps_priority_payload_and_key(store: Store) -> None:
    """Only the fields of the settlement change."""
    held = hold(store, priority=-4, unique_key="k")
    store.write(settle=[requeue(held, attempts=1)], now=NOW)
    [waiting] = enqueued(store)
    assert (waiting.priority, waiting.payload, waiting.unique_key) == (-4, "{}", "k")


def check_a_dropped_job_is_gone_for_good(store: Store) -> None:
    """The job is deleted, and its unique key is free."""
    held = hold(store, unique_key="k")
    assert not store.write(settle=[drop(held)], now=NOW).lost
    assert store.find(held.id) is None
    assert enqueued(store) == listed(store, "running") == []
    assert store.count(now=NOW) == Counts(0, 0, 0, 0, 0, 0)
    assert put_one(store, unique_key="k").id != held.id


def check_dropping_leaves_the_other_jobs(store: Store) -> None:
    """Other jobs of the same owner are kept."""
    put(store, ask(), ask())
    held = take(store, start(store))
    store.write(settle=[drop(held[0])], now=NOW)
    assert listed(store, "running") == [held[1]]


def check_one_write_settles_every_kind(store: Store) -> None:
    """One write may contain all kinds of settlements, each with its own values."""
    put(store, *(ask(payload=str(number)) for number in range(9)))
    held = take(store, start(store))
    settlements: list[Settlement] = [
        succeed(held[0]),
        fail(held[1], "one"),
        requeue(held[2], delay=SECOND),
        requeue(held[3], attempts=9),
        fail(held[4], "four"),
        drop(held[5]),
        cancel(held[6], "six"),
        cancel(held[7], "seven", None),
    ]
    assert not store.write(settle=settlements, now=NOW).lost
    assert ids(listed(store, "succeeded")) == [held[0].id]
    assert {job.id: job.error for job in listed(store, "failed")} == {
        held[1].id: "one",
        held[4].id: "four",
    }
    waiting = {job.id: (job.attempts, job.available_at) for job in enqueued(store)}
    assert waiting == {held[2].id: (0, NOW + SECOND), held[3].id: (9, NOW)}
    cancelled = {job.id: (job.reason, job.cancelled_by) for job in listed(store, "cancelled")}
    assert cancelled == {held[6].id: ("six", "ada"), held[7].id: ("seven", None)}
    assert listed(store, "running") == [held[8]]
    assert store.find(held[5].id) is None


def check_a_thousand_jobs_are_settled_in_one_write(store: Store) -> None:
    """A group commit may be large."""
    put(store, *(ask() for _ in range(1000)))
    held = take(store, start(store), limit=1000)
    assert not store.write(settle=[succeed(job) for job in held], now=NOW).lost
    assert store.count(now=NOW).succeeded == 1000


def _succeed_with_result(job: Job) -> Settlement:
    return Succeed(job.reservation, '"r"')


_KINDS: tuple[Callable[[Job], Settlement], ...] = (
    *ENDS.values(),
    _succeed_with_result,
    requeue,
    drop,
)


def _assert_lost(store: Store, job: Job, reservation: Reservation) -> None:
    """Assert that no write with this reservation, nor `complete`, changes the job."""
    before = store.find(job.id)
    assert list(store.write(progress=[Report(reservation, PROGRESS)]).lost) == [reservation]
    assert store.find(job.id) == before
    for kind in _KINDS:
        settlement = evolve(kind(job), reservation=reservation)
        assert list(store.write(settle=[settlement], now=NOW).lost) == [reservation]
        assert store.find(job.id) == before
    called: list[Any] = []
    assert store.complete(reservation, called.append, now=NOW) is False
    assert called == []
    assert store.find(job.id) == before


def check_another_owner_cannot_settle(store: Store) -> None:
    """The owner must match, even if the reservation number does."""
    held = hold(store)
    _assert_lost(store, held, evolve(held.reservation, owner=start(store)))
    assert listed(store, "running") == [held]


def check_another_number_cannot_settle(store: Store) -> None:
    """An older or newer reservation number is rejected, even for the same owner."""
    held = hold(store)
    for number in (0, 2):
        _assert_lost(store, held, evolve(held.reservation, number=number))


def check_an_unknown_job_cannot_be_settled(store: Store) -> None:
    """The settlement is reported as lost and does not raise."""
    held = hold(store)
    _assert_lost(store, held, evolve(held.reservation, job_id=new_id()))


def check_a_released_job_cannot_be_settled(store: Store) -> None:
    """Putting a job back ends its reservation."""
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW)
    _assert_lost(store, held, held.reservation)


def check_a_job_reserved_by_another_cannot_be_settled(store: Store) -> None:
    """The former owner has lost the job to another one."""
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW)
    [taken] = take(store, start(store))
    _assert_lost(store, held, held.reservation)
    assert store.find(held.id) == taken


def check_a_job_reserved_again_by_its_owner_cannot_be_settled_twice(store: Store) -> None:
    """The reservation number distinguishes the two reservations."""
    put_one(store)
    owner = start(store)
    [first] = take(store, owner)
    store.write(settle=[requeue(first)], now=NOW)
    [second] = take(store, owner)
    _assert_lost(store, first, first.reservation)
    assert not store.write(settle=[succeed(second)], now=NOW).lost


def check_an_ended_job_cannot_be_settled(store: Store) -> None:
    """It does not change, whether it succeeded, failed or was cancelled."""
    for settle in ENDS.values():
        held = end(store, settle)
        _assert_lost(store, held, held.reservation)


def check_a_dropped_job_cannot_be_settled(store: Store) -> None:
    """A dropped job does not exist."""
    held = hold(store)
    store.write(settle=[drop(held)], now=NOW)
    _assert_lost(store, held, held.reservation)


def check_a_waiting_job_cannot_be_settled(store: Store) -> None:
    """A job that was never reserved does not change."""
    job = put_one(store)
    owner = start(store)
    _assert_lost(store, evolve(job, reserved_by=owner), Reservation(job.id, owner, 0))


def check_a_lost_settlement_does_not_stop_the_others(store: Store) -> None:
    """The other settlements and the new jobs of the write are stored."""
    mine, theirs = hold(store), hold(store)
    store.write(settle=[requeue(theirs)], now=NOW)
    new = NewJob(new_id(), ask("next"))
    written = store.write([new], [succeed(theirs), succeed(mine)], now=NOW)
    assert list(written.lost) == [theirs.reservation]
    assert ids(listed(store, "succeeded")) == [mine.id]
    assert ids(enqueued(store, "next")) == [new.id]


def check_the_fence_does_not_ask_for_the_lease(store: Store) -> None:
    """An owner may settle after its lease has ended, if no one has taken the job."""
    held = hold(store)
    assert not store.write(settle=[succeed(held)], now=NOW + 2 * LEASE).lost
