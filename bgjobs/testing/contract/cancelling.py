"""`cancel` and `orders`: jobs that an operator does not want to run."""
# ruff: noqa: D401 - the docstring of a check goes on where its name ends

from datetime import timedelta
from uuid import UUID

from bgjobs.ids import new_id
from bgjobs.jobs import FailedJob
from bgjobs.settlements import Settlement
from bgjobs.stores.operations import OperatedStore
from bgjobs.testing.contract.steps import (
    LEASE,
    NOW,
    OCCURRENCE,
    SECOND,
    THREADS,
    ask,
    at_once,
    fail,
    hold,
    ids,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)


def check_a_waiting_job_is_cancelled_at_once(store: OperatedStore) -> None:
    """It is stored as failed, with the reason and all that it was, and frees its unique key."""
    waiting = put_one(store, unique_key="k", priority=7)
    found = store.operations.cancel([waiting.id, waiting.id], "not wanted", now=NOW + SECOND)
    assert (found.ended, found.asked) == ([waiting.id], [])
    ended = store.find(waiting.id)
    assert isinstance(ended, FailedJob)
    assert ended.error == "Cancelled: not wanted"
    assert ended.failed_at == NOW + SECOND
    assert (ended.payload, ended.priority, ended.unique_key) == ("{}", 7, "k")
    assert put_one(store, unique_key="k").id != waiting.id
    assert list(store.operations.get_failed_ids()) == [waiting.id]


def check_a_delayed_job_is_cancelled_too(store: OperatedStore) -> None:
    """And so is one that has run before; its counters are kept."""
    held = hold(store)
    later = requeue(held, attempts=2, delay=timedelta(hours=1))
    store.write(settle=[later], now=NOW)
    assert store.operations.cancel([held.id], "no", now=NOW).ended == [held.id]
    [ended] = store.operations.get_failed()
    assert (ended.attempts, ended.reservations) == (2, 1)


def check_the_owner_of_a_running_job_is_asked(store: OperatedStore) -> None:
    """It alone, by its heartbeat and by `orders`; the job itself stays as it was."""
    held = hold(store)
    assert held.reserved_by is not None
    other = start(store)
    assert store.operations.orders([held.reserved_by]).cancelled == {}
    found = store.operations.cancel([held.id], "no", now=NOW)
    assert (found.ended, found.asked) == ([], [held.id])
    assert store.find(held.id) == held
    orders = {held.id: "no"}
    assert store.operations.orders([other, held.reserved_by]).cancelled == orders
    beat = store.heartbeat([held.reserved_by], LEASE, now=NOW)
    assert beat.orders.cancelled == orders
    assert store.operations.orders([other]).cancelled == {}
    assert store.heartbeat([other], LEASE, now=NOW).orders.cancelled == {}
    assert store.operations.orders([]).cancelled == {}


def check_the_last_reason_counts(store: OperatedStore) -> None:
    """Whoever asks again for the same running job says why anew."""
    held = hold(store)
    assert held.reserved_by is not None
    for reason in ("first", 'second: "ünïcödé"'):
        assert store.operations.cancel([held.id, held.id], reason, now=NOW).asked == [held.id]
    asked = store.operations.orders([held.reserved_by]).cancelled
    assert asked == {held.id: 'second: "ünïcödé"'}


def check_a_job_that_has_ended_is_not_wanted_any_more(store: OperatedStore) -> None:
    """Neither is it asked for after its end, nor cancelled then; nor is what is unknown."""
    held = hold(store)
    assert held.reserved_by is not None
    store.operations.cancel([held.id], "no", now=NOW)
    store.write(settle=[succeed(held)], now=NOW)
    assert store.operations.orders([held.reserved_by]).cancelled == {}
    failed = hold(store)
    store.write(settle=[fail(failed)], now=NOW)
    found = store.operations.cancel([held.id, failed.id, new_id()], "no", now=NOW)
    assert (found.ended, found.asked) == ([], [])
    assert store.operations.cancel([], "no", now=NOW).ended == []
    assert store.count(now=NOW).failed == 1


def check_an_occurrence_is_cancelled_only_while_it_runs(store: OperatedStore) -> None:
    """One that waits would only be planned again."""
    waiting = put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    found = store.operations.cancel([waiting.id], "no", now=NOW)
    assert (found.ended, found.asked) == ([], [])
    assert list(store.get_enqueued()) == [waiting]
    [held] = take(store, start(store))
    assert store.operations.cancel([held.id], "no", now=NOW).asked == [held.id]


def check_a_job_that_is_put_back_is_asked_for_again(store: OperatedStore) -> None:
    """Whoever reserves it next hears of it."""
    held = hold(store)
    store.operations.cancel([held.id], "no", now=NOW)
    store.write(settle=[requeue(held)], now=NOW)
    owner = start(store)
    assert store.operations.orders([owner]).cancelled == {}
    assert ids(take(store, owner)) == [held.id]
    assert store.operations.orders([owner]).cancelled == {held.id: "no"}


def check_closing_owners_forgets_only_what_has_ended(store: OperatedStore) -> None:
    """What is asked of a job that runs, or waits to run again, stays."""
    put(store, *(ask() for _ in range(3)))
    owner = start(store)
    ended, waiting, running = take(store, owner)
    store.operations.cancel(ids([ended, waiting, running]), "no", now=NOW)
    store.write(settle=[fail(ended), requeue(waiting)], now=NOW)
    store.close_owners([start(store)], now=NOW)
    assert store.operations.orders([owner]).cancelled == {running.id: "no"}
    next_owner = start(store)
    assert ids(take(store, next_owner)) == [waiting.id]
    assert store.operations.orders([next_owner]).cancelled == {waiting.id: "no"}


def check_each_job_ends_once_though_it_is_cancelled(store: OperatedStore) -> None:
    """While others reserve, put back and settle: ended here or there, and never both."""
    jobs = ids(put(store, *(ask() for _ in range(80))))

    def cancel() -> list[UUID]:
        return [one for job in jobs for one in store.operations.cancel([job], "no").ended]

    def run() -> list[UUID]:
        owner, done = start(store), list[UUID]()
        while held := take(store, owner, limit=5) or store.get_enqueued():
            mine = [job for job in held if job.reserved_by == owner]
            first = mine[:1]
            ends: list[Settlement] = [requeue(job) for job in first if job.reservations < 3]
            back = [one.reservation for one in ends]
            ends += [succeed(job) for job in mine if job.reservation not in back]
            assert not store.write(settle=ends, now=NOW).lost
            done += [job.id for job in mine if job.reservation not in back]
        return done

    ended = at_once(lambda number: cancel() if number % 2 else run())
    assert sorted(one for part in ended for one in part) == sorted(jobs)
    counts = store.count(now=NOW)
    assert counts.succeeded + counts.failed == len(jobs)
    assert counts.failed == sum(map(len, ended[1::2]))


def check_only_one_of_several_threads_cancels(store: OperatedStore) -> None:
    """A waiting job ends for one of them; the others find it ended."""
    jobs = ids(put(store, *(ask() for _ in range(20))))
    ended = at_once(lambda _: list(store.operations.cancel(jobs, "no", now=NOW).ended))
    assert sorted(one for part in ended for one in part) == sorted(jobs)
    assert len(ended) == THREADS
