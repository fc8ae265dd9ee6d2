"""`retry` and `restore`: running failed jobs again, and importing them."""

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, Job
from bgjobs.stores.operations import Failures, OperatedStore
from bgjobs.testing.contract.steps import (
    DAY,
    ERROR,
    NOW,
    OCCURRENCE,
    SECOND,
    at_once,
    fail,
    hold,
    ids,
    lose,
    put_one,
    start,
    succeed,
    take,
)


def check_a_failed_job_runs_again(store: OperatedStore) -> None:
    """It is due at once with a full retry budget; other fields are kept."""
    held = hold(store, priority=4, unique_key="k", metadata=(("trace", "ü"),))
    end = fail(held, attempts=3, crashes=1, interruptions=2, errors=(ERROR,))
    store.write(settle=[end], now=NOW)
    assert store.operations.retry([held.id, held.id], now=NOW + SECOND) == [held.id]
    again = store.find(held.id)
    assert again == Job(
        id=held.id,
        name="mail",
        payload="{}",
        priority=4,
        reservations=1,
        created_at=NOW,
        available_at=NOW + SECOND,
        unique_key="k",
        errors=(ERROR,),
        metadata={"trace": "ü"},
    )
    assert store.count(now=NOW + SECOND).failed == 0
    assert store.operations.retry([held.id], now=NOW) == []


def check_an_old_holder_of_a_retried_job_has_lost_it(store: OperatedStore) -> None:
    """The reservation number keeps counting, also for the same owner."""
    held = hold(store)
    assert held.reserved_by is not None
    store.write(settle=[fail(held)], now=NOW)
    store.operations.retry([held.id], now=NOW)
    assert store.write(settle=[succeed(held)], now=NOW).lost
    [again] = take(store, held.reserved_by)
    assert again.reservations == held.reservations + 1
    assert store.write(settle=[fail(held)], now=NOW).lost
    assert not store.write(settle=[succeed(again)], now=NOW).lost
    assert store.count(now=NOW).succeeded == 1


def check_a_retried_job_can_fail_again(store: OperatedStore) -> None:
    """The search then finds only the words of the new error."""
    first = lose(store, "ValueError: first")
    store.operations.retry([first.id], now=NOW)
    [held] = take(store, start(store))
    store.write(settle=[fail(held, "ValueError: second")], now=NOW)
    assert store.operations.get_failed_ids(Failures(words=["first"])) == []
    assert store.operations.get_failed_ids(Failures(words=["second"])) == [first.id]


def check_only_failed_jobs_are_retried(store: OperatedStore) -> None:
    """Waiting, running, succeeded and unknown jobs are not."""
    done = hold(store)
    store.write(settle=[succeed(done)], now=NOW)
    running = hold(store)
    waiting = put_one(store)
    wanted = [done.id, running.id, waiting.id, new_id()]
    assert store.operations.retry(wanted, now=NOW) == []
    assert store.operations.retry([], now=NOW) == []
    assert (store.find(running.id), store.find(waiting.id)) == (running, waiting)


def check_what_is_asked_of_a_running_job_outlives_a_retry(store: OperatedStore) -> None:
    """Only the order about the failed job is deleted."""
    running, failed = hold(store), hold(store)
    assert running.reserved_by is not None
    store.operations.cancel([running.id, failed.id], "no", now=NOW)
    store.write(settle=[fail(failed)], now=NOW)
    assert store.operations.retry([running.id, failed.id], now=NOW) == [failed.id]
    owner = start(store)
    assert ids(take(store, owner)) == [failed.id]
    wanted = store.operations.commands([running.reserved_by, owner]).cancelled
    assert wanted == {running.id: "no"}


def check_a_taken_unique_key_refuses_a_retry(store: OperatedStore) -> None:
    """That job stays failed; the others are retried."""
    taken, free = lose(store, unique_key="k"), lose(store, unique_key="l")
    holder = put_one(store, unique_key="k")
    assert store.operations.retry([taken.id, free.id], now=NOW) == [free.id]
    assert isinstance(store.find(taken.id), FailedJob)
    assert store.find_unique("mail", "k") == holder
    assert store.operations.get_failed_ids(Failures(words=["gone"])) == [taken.id]


def check_of_two_failed_jobs_with_one_key_one_is_retried(store: OperatedStore) -> None:
    """The other job stays failed."""
    both = {lose(store, unique_key="k").id, lose(store, unique_key="k").id}
    [again] = store.operations.retry(list(both), now=NOW)
    [left] = both - {again}
    assert isinstance(store.find(left), FailedJob)


def check_a_failed_occurrence_runs_beside_its_schedule(store: OperatedStore) -> None:
    """It becomes a job without an occurrence and without the unique key of the schedule."""
    failed = lose(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE, available_in=DAY)
    assert store.operations.retry([failed.id], now=NOW) == [failed.id]
    again = store.find(failed.id)
    assert isinstance(again, Job)
    assert (again.occurrence, again.unique_key) == (None, None)


def check_only_one_of_several_threads_retries(store: OperatedStore) -> None:
    """Each job is retried once."""
    jobs = [lose(store).id for _ in range(12)]
    again = at_once(lambda _: list(store.operations.retry(jobs, now=NOW)))
    assert sorted(one for part in again for one in part) == sorted(jobs)
    assert store.count(now=NOW).waiting == len(jobs)


def _failed(store: OperatedStore) -> FailedJob:
    held = hold(store, unique_key="k", metadata=(("trace", "1"),), occurrence=OCCURRENCE)
    store.write(settle=[fail(held, "ValueError: ünïque", errors=(ERROR,))], now=NOW)
    [failed] = store.operations.get_failed()
    return failed


def check_a_failed_job_is_restored_as_it_was(store: OperatedStore) -> None:
    """A job that exists, in the store or earlier in the call, is not changed."""
    failed = _failed(store)
    other = evolve(failed, id=new_id(), reserved_at=None, reserved_by=None, reservations=0)
    assert store.prune(succeeded_for=None, failed_for=-DAY, limit=9, now=NOW) == 1
    assert store.operations.get_failed_ids(Failures(words=["ünïque"])) == []
    stored = store.operations.restore([failed, other, failed])
    assert sorted(stored) == sorted([failed.id, other.id])
    assert store.find(failed.id) == failed
    assert store.find(other.id) == other
    assert store.operations.restore([evolve(failed, error="x"), other]) == []
    assert store.find(failed.id) == failed
    assert set(store.operations.get_failed_ids(Failures(words=["ünïque"]))) == {
        failed.id,
        other.id,
    }
    assert store.operations.restore([]) == []


def check_a_live_or_succeeded_job_is_not_restored(store: OperatedStore) -> None:
    """Otherwise the job would be in two states."""
    failed = _failed(store)
    done, running = hold(store), hold(store)
    store.write(settle=[succeed(done)], now=NOW)
    waiting = put_one(store)
    copies = [evolve(failed, id=one.id) for one in (waiting, running, done)]
    assert store.operations.restore(copies) == []
    assert store.count(now=NOW).failed == 1


def check_a_restored_job_runs_again(store: OperatedStore) -> None:
    """It can be retried like any failed job."""
    failed = _failed(store)
    assert store.prune(succeeded_for=None, failed_for=-DAY, limit=9, now=NOW) == 1
    store.operations.restore([failed])
    assert store.operations.retry([failed.id], now=NOW) == [failed.id]
    assert store.operations.restore([failed]) == []
    [held] = take(store, start(store))
    assert held.reservations == failed.reservations + 1
    assert not store.write(settle=[succeed(held)], now=NOW).lost


def check_restoring_and_retrying_at_once_leaves_one_job(store: OperatedStore) -> None:
    """The job is live or failed, never both."""
    failed = _failed(store)

    def work(number: int) -> None:
        for _ in range(10):
            if number % 2:
                store.operations.restore([failed])
            else:
                store.operations.retry([failed.id], now=NOW)

    at_once(work)
    counts = store.count(now=NOW)
    assert counts.waiting + counts.failed == 1
