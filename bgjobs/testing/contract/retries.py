"""`retry` and `restore`: running failed jobs again, and importing them."""

from typing import Any

from attrs import evolve

from bgjobs._core.history import KEPT_HISTORY, PastEnd
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, FailedJob, Job
from bgjobs.stores.columns import BYTES
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.types import Counts
from bgjobs.testing.contract.histories import HISTORY, PAST
from bgjobs.testing.contract.steps import (
    DAY,
    ERROR,
    NO,
    NOW,
    OCCURRENCE,
    SECOND,
    at_once,
    cancel,
    end,
    fail,
    hold,
    ids,
    lose,
    put_one,
    report,
    search,
    start,
    succeed,
    take,
)


def check_a_failed_job_runs_again(store: OperatedStore) -> None:
    """It is due at once with a full retry budget, without progress; other fields are kept."""
    held = hold(store, priority=4, unique_key="k", metadata=(("trace", "ü"),))
    failure = fail(held, attempts=3, crashes=1, interruptions=2, errors=(ERROR,))
    store.write(settle=[failure], progress=[report(held)], now=NOW)
    later = NOW + SECOND
    assert store.operations.retry([held.id, held.id], by="ada", now=later) == [held.id]
    again = store.find(held.id)
    past = PastEnd(state="failed", at=NOW, text="gone", retried_at=later, retried_by="ada")
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
        history=(past,),
    )
    assert store.count(now=later).failed == 0
    assert store.operations.retry([held.id], now=NOW) == []


def check_a_cancelled_job_runs_again(store: OperatedStore) -> None:
    """Both one that waited and one that ran, without progress; other fields are kept."""
    held = hold(store, priority=4, unique_key="k", metadata=(("trace", "ü"),))
    waiting = put_one(store, unique_key="l")
    ended = cancel(held, "why", None, attempts=3, crashes=1, interruptions=2, errors=(ERROR,))
    store.write(settle=[ended], progress=[report(held)], now=NOW)
    store.operations.cancel([waiting.id], NO, now=NOW)
    later = NOW + SECOND
    wanted = [held.id, waiting.id]
    assert sorted(store.operations.retry(wanted, now=later)) == sorted(wanted)
    past = PastEnd(state="cancelled", at=NOW, text="why", retried_at=later)
    assert store.find(held.id) == Job(
        id=held.id,
        name="mail",
        payload="{}",
        priority=4,
        reservations=1,
        created_at=NOW,
        available_at=later,
        unique_key="k",
        errors=(ERROR,),
        metadata={"trace": "ü"},
        history=(past,),
    )
    past = evolve(past, text="no", by="ada")
    assert store.find(waiting.id) == evolve(waiting, available_at=later, history=(past,))
    assert store.count(now=later) == Counts(2, 0, 0, 0, 0, 0)
    assert store.operations.retry(wanted, now=later) == []


def check_a_retry_is_added_to_the_history(store: OperatedStore) -> None:
    """Behind the entries of before, each time, with who retried the job."""
    history = HISTORY
    held = hold(store)
    for state, settle in (("failed", fail), ("cancelled", cancel)):
        for by in ("ünïcödé 'x' \" \\ 🦉", None):
            store.write(settle=[settle(held, history=history)], now=NOW)
            assert store.operations.retry([held.id], by=by, now=NOW + SECOND) == [held.id]
            [held] = take(store, start(store), now=NOW + SECOND)
            [*before, past] = held.history
            assert tuple(before) == history
            assert isinstance(past, PastEnd)
            assert (past.state, past.at, past.retried_at) == (state, NOW, NOW + SECOND)
            author = None if state == "failed" else "ada"
            assert (past.by, past.retried_by) == (author, by)
            history = held.history


def check_a_history_has_the_beginning_of_the_first_line(store: OperatedStore) -> None:
    """Of the error or the reason: 200 characters, whatever they are."""
    awkward = "🦉 'a' \" \\ \t\x07\x1f\x7f\u2028 %s {x} $1 </script>"
    for text, expected in (
        ("", ""),
        (awkward, awkward),
        ("first\nsecond\nthird", "first"),
        ("\nsecond", ""),
        ("é" * 200, "é" * 200),
        ("🦉" * 300 + "\nsecond", "🦉" * 200),
        ('"' * 300, '"' * 200),
    ):
        for settle in (fail, cancel):
            held = hold(store)
            store.write(settle=[settle(held, text)], now=NOW)
            assert store.operations.retry([held.id], now=NOW) == [held.id]
            [again] = take(store, start(store))
            [past] = again.history
            assert isinstance(past, PastEnd)
            assert past.text == expected


def check_a_retry_adds_nothing_to_a_long_history(store: OperatedStore) -> None:
    """So that it stays within its bound, however often the job is retried."""
    long = evolve(PAST, node="n" * (BYTES["history"] // KEPT_HISTORY // 2))
    history = tuple(evolve(long, number=place) for place in range(KEPT_HISTORY))
    for settle in (fail, cancel):
        held = hold(store)
        store.write(settle=[settle(held, history=history)], now=NOW)
        for _ in range(3):
            assert store.operations.retry([held.id], now=NOW) == [held.id]
            [held] = take(store, start(store))
            assert held.history == history
            store.write(settle=[settle(held)], now=NOW)


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
    assert search(store, "first") == []
    assert search(store, "second") == [first.id]


def check_only_failed_and_cancelled_jobs_are_retried(store: OperatedStore) -> None:
    """Waiting, running, succeeded and unknown jobs are not, nor ended ones without their id."""
    done, others = end(store, succeed), [end(store, settle) for settle in (fail, cancel)]
    running = hold(store)
    waiting = put_one(store)
    wanted = [done.id, running.id, waiting.id, new_id()]
    assert store.operations.retry(wanted, now=NOW) == []
    assert store.operations.retry([], now=NOW) == []
    assert (store.find(running.id), store.find(waiting.id)) == (running, waiting)
    assert [job.id for job in others if isinstance(store.find(job.id), Job)] == []


def check_what_is_asked_of_a_running_job_outlives_a_retry(store: OperatedStore) -> None:
    """Only the command about the failed job is deleted."""
    running, failed = hold(store), hold(store)
    assert running.reserved_by is not None
    end(store, cancel)
    store.operations.cancel([running.id, failed.id], NO, now=NOW)
    store.write(settle=[fail(failed)], now=NOW)
    assert store.operations.retry([running.id, failed.id], now=NOW) == [failed.id]
    owner = start(store)
    assert ids(take(store, owner)) == [failed.id]
    wanted = store.operations.commands([running.reserved_by, owner]).cancelled
    assert wanted == {running.id: NO}


def check_a_taken_unique_key_refuses_a_retry(store: OperatedStore) -> None:
    """That job stays failed; the others are retried."""
    taken, free = lose(store, unique_key="k"), lose(store, unique_key="l")
    holder = put_one(store, unique_key="k")
    cancelled = end(store, cancel, name="sms", unique_key="k")
    put_one(store, name="sms", unique_key="k")
    assert store.operations.retry([taken.id, free.id, cancelled.id], now=NOW) == [free.id]
    assert isinstance(store.find(taken.id), FailedJob)
    assert isinstance(store.find(cancelled.id), CancelledJob)
    assert store.find_unique("mail", "k") == holder
    assert search(store, "gone") == [taken.id]


def check_of_ended_jobs_with_one_key_one_is_retried(store: OperatedStore) -> None:
    """The other jobs stay as they ended."""
    for settles in ((fail, fail), (cancel, cancel), (fail, cancel), (cancel, fail)):
        ended = {end(store, settle, unique_key="k").id for settle in settles}
        before = {job: store.find(job) for job in ended}
        [again] = store.operations.retry([*ended], now=NOW)
        assert isinstance(store.find(again), Job)
        [left] = ended - {again}
        assert store.find(left) == before[left]
        store.operations.delete([again])


def check_an_ended_occurrence_runs_beside_its_schedule(store: OperatedStore) -> None:
    """It becomes a job without an occurrence and without the unique key of the schedule."""
    planned: dict[str, Any] = {"unique_key": "schedule:nightly", "occurrence": OCCURRENCE}
    ended = [end(store, settle, **planned).id for settle in (fail, cancel)]
    put_one(store, **planned, available_in=DAY)
    assert sorted(store.operations.retry(ended, now=NOW)) == sorted(ended)
    for one in ended:
        again = store.find(one)
        assert isinstance(again, Job)
        assert (again.occurrence, again.unique_key) == (None, None)


def check_only_one_of_several_threads_retries(store: OperatedStore) -> None:
    """Each job is retried once."""
    jobs = [end(store, settle).id for _ in range(6) for settle in (fail, cancel)]
    again = at_once(lambda _: list(store.operations.retry(jobs, now=NOW)))
    assert sorted(one for part in again for one in part) == sorted(jobs)
    assert store.count(now=NOW).waiting == len(jobs)


def _failed(store: OperatedStore) -> FailedJob:
    held = hold(store, unique_key="k", metadata=(("trace", "1"),), occurrence=OCCURRENCE)
    failure = fail(held, "ValueError: ünïque", errors=(ERROR,), history=HISTORY)
    store.write(settle=[failure], progress=[report(held)], now=NOW)
    failed = store.find(held.id)
    assert isinstance(failed, FailedJob)
    return failed


def check_a_failed_job_is_restored_as_it_was(store: OperatedStore) -> None:
    """A job that exists, in the store or earlier in the call, is not changed."""
    failed = _failed(store)
    other = evolve(failed, id=new_id(), reserved_at=None, reserved_by=None, reservations=0)
    assert store.prune("failed", -DAY, limit=9, now=NOW) == 1
    assert search(store, "ünïque") == []
    stored = store.operations.restore([failed, other, failed])
    assert sorted(stored) == sorted([failed.id, other.id])
    assert store.find(failed.id) == failed
    assert store.find(other.id) == other
    assert store.operations.restore([evolve(failed, error="x"), other]) == []
    assert store.find(failed.id) == failed
    assert set(search(store, "ünïque")) == {
        failed.id,
        other.id,
    }
    assert store.operations.restore([]) == []


def check_a_job_in_another_state_is_not_restored(store: OperatedStore) -> None:
    """Otherwise the job would be in two states."""
    failed = _failed(store)
    done, gone, running = end(store, succeed), end(store, cancel), hold(store)
    waiting = put_one(store)
    copies = [evolve(failed, id=one.id) for one in (waiting, running, done, gone)]
    assert store.operations.restore(copies) == []
    assert store.count(now=NOW).failed == 1


def check_a_restored_job_runs_again(store: OperatedStore) -> None:
    """It can be retried like any failed job."""
    failed = _failed(store)
    assert store.prune("failed", -DAY, limit=9, now=NOW) == 1
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
