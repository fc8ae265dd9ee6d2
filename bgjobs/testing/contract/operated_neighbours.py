"""Operators' verbs leave alone what stands beside the jobs that they are about."""

from datetime import timedelta

from attrs import evolve

from bgjobs._core.jobs import FailedJob, Job, Reservation
from bgjobs._core.outcomes import Cancelled
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    ENDS,
    NO,
    NOW,
    OCCURRENCE,
    SECOND,
    ask,
    cancel,
    end,
    enqueued,
    hold,
    ids,
    listed,
    lose,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)


def check_delete_leaves_every_other_job(store: OperatedStore) -> None:
    """Of each state, and what was asked of those that run."""
    kept = [put_one(store, available_in=SECOND).id]
    kept += [end(store, settle).id for settle in ENDS.values()]
    running = hold(store)
    store.operations.cancel([running.id], NO, now=NOW)
    for settle in ENDS.values():
        ended = end(store, settle)
        assert list(store.operations.delete([ended.id])) == [ended.id]
    waiting = put_one(store)
    assert list(store.operations.delete([waiting.id])) == [waiting.id]
    assert [store.find(one) is None for one in kept] == [False] * 4
    assert running.reserved_by is not None
    assert store.operations.commands([running.reserved_by]).cancelled == {running.id: NO}


def check_a_job_under_the_id_of_a_deleted_one_is_not_cancelled(store: OperatedStore) -> None:
    """What was asked of the first went with it, also when another job is live."""
    first, _ = hold(store), put_one(store, "other")
    store.operations.cancel([first.id], NO, now=NOW)
    store.write(settle=[succeed(first)], now=NOW)
    store.operations.delete([first.id])
    _assert_runs_again(store, first.reservation)


def check_a_job_under_the_id_of_a_pruned_one_is_not_cancelled(store: OperatedStore) -> None:
    """What was asked of the first was forgotten when an owner was closed."""
    first, _ = hold(store), put_one(store, "other")
    store.operations.cancel([first.id], NO, now=NOW)
    store.write(settle=[succeed(first)], now=NOW)
    store.close_owners([start(store)], now=NOW)
    none = timedelta(0)
    assert store.prune("succeeded", none, limit=9, now=NOW + SECOND) == 1
    _assert_runs_again(store, first.reservation)


def _assert_runs_again(store: OperatedStore, former: Reservation) -> None:
    store.write([NewJob(former.job_id, ask())], now=NOW)
    owner = start(store)
    assert ids(take(store, owner)) == [former.job_id]
    assert store.operations.commands([owner]).cancelled == {}


def check_a_cancelled_job_is_put_back_by_its_holder_alone(store: OperatedStore) -> None:
    """Neither by another owner nor under another number, though these hold other jobs."""
    put(store, ask(), ask())
    former, owner = start(store), start(store)
    first, other = take(store, former)
    store.write(settle=[requeue(first)], now=NOW)
    [held] = take(store, owner)
    store.operations.cancel([held.id], NO, now=NOW)
    strangers = [
        first.reservation,
        evolve(held.reservation, number=1),
        evolve(held.reservation, number=3),
        evolve(held.reservation, owner=former),
    ]
    for stranger in strangers:
        settlement = evolve(requeue(held), reservation=stranger)
        written = store.write(settle=[settlement], now=NOW)
        assert (list(written.lost), written.cancelled) == ([stranger], {})
        assert store.find(held.id) == held
        assert store.find(other.id) == other


def check_a_cancelled_job_does_not_end_by_another_of_its_holder(store: OperatedStore) -> None:
    """That is put back in the same write as a reservation of the first that was lost."""
    put(store, ask(), ask())
    former, owner = start(store), start(store)
    held = take(store, former)
    store.write(settle=[requeue(job) for job in held], now=NOW)
    cancelled, other = take(store, owner)
    store.operations.cancel([cancelled.id], NO, now=NOW)
    lost = next(job for job in held if job.id == cancelled.id)
    written = store.write(settle=[requeue(lost), requeue(other)], now=NOW)
    assert (list(written.lost), written.cancelled) == ([lost.reservation], {})
    assert store.find(cancelled.id) == cancelled
    assert ids(enqueued(store)) == [other.id]


def check_each_job_that_was_cancelled_has_its_own_reason(store: OperatedStore) -> None:
    """Though they are put back in one write, beside runs of schedules, asked for and not."""
    keys = ("schedule:nightly", "schedule:weekly")
    runs = [ask(unique_key=key, occurrence=OCCURRENCE) for key in keys]
    put(store, ask(), ask(), *runs)
    first, second, run, other = take(store, start(store))
    for job in (first, second, run):
        store.operations.cancel([job.id], _because_of(job), now=NOW)
    written = store.write(settle=[requeue(job) for job in (first, second, other)], now=NOW)
    wanted = {job.id: _because_of(job) for job in (first, second)}
    assert {one.job_id: found for one, found in written.cancelled.items()} == wanted
    ended = listed(store, "cancelled")
    assert {job.id: Cancelled(job.reason, job.cancelled_by) for job in ended} == wanted
    assert store.find(run.id) == run
    assert ids(enqueued(store)) == [other.id]


def _because_of(job: Job) -> Cancelled:
    return Cancelled(f"because of {job.id}", f"owner of {job.id}")


def check_a_failed_job_is_restored_beside_others(store: OperatedStore) -> None:
    """That wait, have succeeded, have failed or were cancelled."""
    lost = lose(store)
    failed = store.find(lost.id)
    assert isinstance(failed, FailedJob)
    store.operations.delete([lost.id])
    lose(store)
    end(store, cancel)
    done = hold(store)
    store.write(settle=[succeed(done)], now=NOW)
    put_one(store)
    assert list(store.operations.restore([failed])) == [failed.id]
    assert store.find(failed.id) == failed
    assert store.count(now=NOW).failed == 2
