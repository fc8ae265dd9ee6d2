"""Operators' verbs leave alone what stands beside the jobs that they are about."""

from datetime import timedelta

from attrs import evolve

from bgjobs._core.jobs import FailedJob, Reservation
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    NOW,
    OCCURRENCE,
    SECOND,
    ask,
    fail,
    hold,
    ids,
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
    for settle in (succeed, fail):
        held = hold(store)
        store.write(settle=[settle(held)], now=NOW)
        kept.append(held.id)
    running = hold(store)
    store.operations.cancel([running.id], "no", now=NOW)
    for settle in (succeed, fail):
        held = hold(store)
        store.write(settle=[settle(held)], now=NOW)
        assert list(store.operations.delete([held.id])) == [held.id]
    waiting = put_one(store)
    assert list(store.operations.delete([waiting.id])) == [waiting.id]
    assert [store.find(one) is None for one in kept] == [False] * 3
    assert running.reserved_by is not None
    assert store.operations.commands([running.reserved_by]).cancelled == {running.id: "no"}


def check_a_job_under_the_id_of_a_deleted_one_is_not_cancelled(store: OperatedStore) -> None:
    """What was asked of the first went with it, also when another job is live."""
    first, _ = hold(store), put_one(store, "other")
    store.operations.cancel([first.id], "no", now=NOW)
    store.write(settle=[succeed(first)], now=NOW)
    store.operations.delete([first.id])
    _assert_runs_again(store, first.reservation)


def check_a_job_under_the_id_of_a_pruned_one_is_not_cancelled(store: OperatedStore) -> None:
    """What was asked of the first was forgotten when an owner was closed."""
    first, _ = hold(store), put_one(store, "other")
    store.operations.cancel([first.id], "no", now=NOW)
    store.write(settle=[succeed(first)], now=NOW)
    store.close_owners([start(store)], now=NOW)
    none = timedelta(0)
    store.prune(succeeded_for=none, failed_for=none, limit=9, now=NOW + SECOND)
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
    store.operations.cancel([held.id], "no", now=NOW)
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
    store.operations.cancel([cancelled.id], "no", now=NOW)
    lost = next(job for job in held if job.id == cancelled.id)
    written = store.write(settle=[requeue(lost), requeue(other)], now=NOW)
    assert (list(written.lost), written.cancelled) == ([lost.reservation], {})
    assert store.find(cancelled.id) == cancelled
    assert ids(store.get_enqueued()) == [other.id]


def check_each_job_that_was_cancelled_has_its_own_reason(store: OperatedStore) -> None:
    """Though they are put back in one write, beside runs of schedules, asked for and not."""
    keys = ("schedule:nightly", "schedule:weekly")
    runs = [ask(unique_key=key, occurrence=OCCURRENCE) for key in keys]
    put(store, ask(), ask(), *runs)
    first, second, run, other = take(store, start(store))
    for job in (first, second, run):
        store.operations.cancel([job.id], f"because of {job.id}", now=NOW)
    written = store.write(settle=[requeue(job) for job in (first, second, other)], now=NOW)
    assert written.cancelled == {
        job.reservation: f"because of {job.id}" for job in (first, second)
    }
    assert {job.error for job in store.operations.get_failed()} == {
        f"Cancelled: because of {job.id}" for job in (first, second)
    }
    assert store.find(run.id) == run
    assert ids(store.get_enqueued()) == [other.id]


def check_a_failed_job_is_restored_beside_others(store: OperatedStore) -> None:
    """That wait, have succeeded or have failed."""
    lost = lose(store)
    failed = store.find(lost.id)
    assert isinstance(failed, FailedJob)
    store.operations.delete([lost.id])
    lose(store)
    done = hold(store)
    store.write(settle=[succeed(done)], now=NOW)
    put_one(store)
    assert list(store.operations.restore([failed])) == [failed.id]
    assert store.find(failed.id) == failed
    assert store.count(now=NOW).failed == 2
