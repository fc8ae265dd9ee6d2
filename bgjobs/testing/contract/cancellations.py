"""`cancel` and `orders`: ending jobs that must not run."""

from datetime import timedelta
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob
from bgjobs._core.limits import Cap
from bgjobs._core.settlements import Settlement
from bgjobs.stores.operations import Failures, OperatedStore
from bgjobs.testing.contract.steps import (
    ERROR,
    LEASE,
    NOW,
    OCCURRENCE,
    SECOND,
    THREADS,
    ask,
    at_once,
    fail,
    follow,
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
    """It is stored as failed with the reason, keeps its fields, and frees its unique key."""
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
    """So is a job that has run before; its counters are kept."""
    held = hold(store)
    later = requeue(held, attempts=2, delay=timedelta(hours=1))
    store.write(settle=[later], now=NOW)
    assert store.operations.cancel([held.id], "no", now=NOW).ended == [held.id]
    [ended] = store.operations.get_failed()
    assert (ended.attempts, ended.reservations) == (2, 1)


def check_the_owner_of_a_running_job_is_asked(store: OperatedStore) -> None:
    """Only its owner gets the order, by `heartbeat` and `orders`; the job does not change."""
    held = hold(store)
    assert held.reserved_by is not None
    other = start(store)
    assert store.operations.commands([held.reserved_by]).cancelled == {}
    found = store.operations.cancel([held.id], "no", now=NOW)
    assert (found.ended, found.asked) == ([], [held.id])
    assert store.find(held.id) == held
    commands = {held.id: "no"}
    assert store.operations.commands([other, held.reserved_by]).cancelled == commands
    beat = store.heartbeat([held.reserved_by], LEASE, now=NOW)
    assert beat.commands.cancelled == commands
    assert store.operations.commands([other]).cancelled == {}
    assert store.heartbeat([other], LEASE, now=NOW).commands.cancelled == {}
    assert store.operations.commands([]).cancelled == {}


def check_the_last_reason_counts(store: OperatedStore) -> None:
    """A second cancellation of the same running job replaces the reason."""
    held = hold(store)
    assert held.reserved_by is not None
    for reason in ("first", 'second: "ünïcödé"'):
        assert store.operations.cancel([held.id, held.id], reason, now=NOW).asked == [held.id]
    asked = store.operations.commands([held.reserved_by]).cancelled
    assert asked == {held.id: 'second: "ünïcödé"'}


def check_a_job_that_has_ended_is_not_wanted_any_more(store: OperatedStore) -> None:
    """Orders end with the job; ended and unknown jobs cannot be cancelled."""
    held = hold(store)
    assert held.reserved_by is not None
    store.operations.cancel([held.id], "no", now=NOW)
    store.write(settle=[succeed(held)], now=NOW)
    assert store.operations.commands([held.reserved_by]).cancelled == {}
    failed = hold(store)
    store.write(settle=[fail(failed)], now=NOW)
    found = store.operations.cancel([held.id, failed.id, new_id()], "no", now=NOW)
    assert (found.ended, found.asked) == ([], [])
    assert store.operations.cancel([], "no", now=NOW).ended == []
    assert store.count(now=NOW).failed == 1


def check_an_occurrence_is_cancelled_like_any_job(store: OperatedStore) -> None:
    """A waiting occurrence fails without a follower; its schedule stores the next one."""
    waiting = put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    found = store.operations.cancel([waiting.id], "no", now=NOW)
    assert (found.ended, found.asked) == ([waiting.id], [])
    assert list(store.get_enqueued()) == []
    [ended] = store.operations.get_failed()
    assert (ended.error, ended.occurrence) == ("Cancelled: no", OCCURRENCE)
    anew = put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    assert anew.id != waiting.id
    [held] = take(store, start(store))
    assert store.operations.cancel([held.id], "no", now=NOW).asked == [held.id]


def check_closing_owners_forgets_only_what_has_ended(store: OperatedStore) -> None:
    """Orders about running jobs are kept."""
    put(store, ask(), ask())
    owner = start(store)
    ended, running = take(store, owner)
    store.operations.cancel(ids([ended, running]), "no", now=NOW)
    store.write(settle=[fail(ended)], now=NOW)
    store.close_owners([start(store)], now=NOW)
    assert store.operations.commands([owner]).cancelled == {running.id: "no"}


def check_each_job_ends_once_though_it_is_cancelled(store: OperatedStore) -> None:
    """Threads cancel, reserve, put back and settle at once; each job ends exactly once."""
    jobs = ids(put(store, *(ask() for _ in range(80))))
    cancelled: list[UUID] = []

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
            written = store.write(settle=ends, now=NOW)
            assert not written.lost
            cancelled.extend(one.job_id for one in written.cancelled)
            done += [job.id for job in mine if job.reservation not in back]
        return done

    ended = at_once(lambda number: cancel() if number % 2 else run())
    assert sorted([*cancelled, *(one for part in ended for one in part)]) == sorted(jobs)
    counts = store.count(now=NOW)
    assert counts.succeeded + counts.failed == len(jobs)
    assert counts.failed == sum(map(len, ended[1::2])) + len(cancelled)


def check_only_one_of_several_threads_cancels(store: OperatedStore) -> None:
    """One thread ends the waiting job; the others find it ended."""
    jobs = ids(put(store, *(ask() for _ in range(20))))
    ended = at_once(lambda _: list(store.operations.cancel(jobs, "no", now=NOW).ended))
    assert sorted(one for part in ended for one in part) == sorted(jobs)
    assert len(ended) == THREADS


def check_a_job_that_is_put_back_ends_as_cancelled(store: OperatedStore) -> None:
    """It fails with the reason, the time of the write and the counters of the settlement."""
    held = hold(store, unique_key="k", priority=7)
    store.operations.cancel([held.id], "no", now=NOW)
    back = requeue(held, attempts=2, interruptions=1, errors=(ERROR,), delay=SECOND)
    written = store.write(settle=[back], now=NOW + SECOND)
    assert (list(written.lost), written.cancelled) == ([], {held.reservation: "no"})
    ended = store.find(held.id)
    assert isinstance(ended, FailedJob)
    assert (ended.error, ended.failed_at) == ("Cancelled: no", NOW + SECOND)
    assert (ended.attempts, ended.interruptions, ended.errors) == (2, 1, (ERROR,))
    assert (ended.priority, ended.reserved_by, ended.reservations) == (7, held.reserved_by, 1)
    assert list(store.get_enqueued()) == []
    assert put_one(store, unique_key="k").id != held.id
    assert store.operations.get_failed_ids(Failures(words=["cancelled"])) == [held.id]


def check_only_jobs_that_were_cancelled_are_not_put_back(store: OperatedStore) -> None:
    """The other jobs of the write wait again or end as settled."""
    put(store, *(ask() for _ in range(4)))
    back, cancelled, done, failed = take(store, start(store))
    store.operations.cancel(ids([cancelled, done, failed]), "no", now=NOW)
    ends: list[Settlement] = [
        requeue(back),
        requeue(cancelled),
        succeed(done),
        fail(failed, "gone"),
    ]
    written = store.write(settle=ends, now=NOW)
    assert (list(written.lost), written.cancelled) == ([], {cancelled.reservation: "no"})
    assert ids(store.get_enqueued()) == [back.id]
    assert ids(store.get_succeeded()) == [done.id]
    assert {job.error for job in store.operations.get_failed()} == {"gone", "Cancelled: no"}


def check_a_write_without_cancelled_jobs_names_none(store: OperatedStore) -> None:
    """A lost reservation does not count, also if the job was cancelled later."""
    held, other = hold(store), hold(store)
    assert store.write(settle=[requeue(held), succeed(other)], now=NOW).cancelled == {}
    [again] = take(store, start(store))
    store.operations.cancel([again.id], "no", now=NOW)
    written = store.write(settle=[requeue(held)], now=NOW)
    assert (list(written.lost), written.cancelled) == ([held.reservation], {})
    assert store.find(again.id) == again


def check_a_cancelled_end_is_lost_when_it_is_repeated(store: OperatedStore) -> None:
    """The repeated settlement changes nothing."""
    held = hold(store)
    store.operations.cancel([held.id], "no", now=NOW)
    store.write(settle=[requeue(held)], now=NOW)
    ended = store.find(held.id)
    written = store.write(settle=[requeue(held)], now=NOW + SECOND)
    assert (list(written.lost), written.cancelled) == ([held.reservation], {})
    assert store.find(held.id) == ended


def check_what_follows_a_job_that_was_cancelled_is_not_stored(store: OperatedStore) -> None:
    """The follower belongs to a job that waits again, and this one has ended."""
    held = hold(store)
    store.operations.cancel([held.id], "no", now=NOW)
    store.write([follow(held, name="next")], [requeue(held)], now=NOW)
    assert list(store.get_enqueued()) == []
    assert store.count(now=NOW).failed == 1


def check_a_run_of_a_schedule_is_not_put_back_either(store: OperatedStore) -> None:
    """It stays reserved and is named by each write, until it ends with its follower."""
    put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    [held] = take(store, start(store))
    store.operations.cancel([held.id], "no", now=NOW)
    for _ in range(2):
        written = store.write(settle=[requeue(held)], now=NOW)
        assert (list(written.lost), written.cancelled) == ([], {held.reservation: "no"})
        assert store.find(held.id) == held
    following = follow(held, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    assert not store.write([following], [fail(held)], now=NOW).lost
    assert ids(store.get_enqueued()) == [following.id]


def check_a_job_that_an_owner_left_behind_ends_as_cancelled(store: OperatedStore) -> None:
    """It does so when the monitor puts it back."""
    held = hold(store)
    store.operations.cancel([held.id], "no", now=NOW)
    late = NOW + LEASE
    [left] = store.abandoned(now=late)
    assert store.write(settle=[requeue(left, crashes=1)], now=late).cancelled
    [ended] = store.operations.get_failed()
    assert (ended.error, ended.crashes) == ("Cancelled: no", 1)


def check_a_job_beyond_a_cap_is_put_back_unless_it_was_cancelled(store: OperatedStore) -> None:
    """A reservation that a cap rejects is checked for a cancellation too."""
    put(store, *(ask() for _ in range(3)))
    held = take(store, start(store), limit=1)
    store.operations.cancel(ids(held), "no", now=NOW)
    kept = store.reserve(start(store), ["mail"], 5, caps=[Cap("mail", running=2)], now=NOW)
    assert len(kept) == 1
    assert len(store.get_enqueued()) == 1


def check_what_was_asked_is_forgotten_with_the_end(store: OperatedStore) -> None:
    """A retry of the job is not cancelled again."""
    held = hold(store)
    store.operations.cancel([held.id], "no", now=NOW)
    store.write(settle=[requeue(held)], now=NOW)
    assert store.operations.retry([held.id], now=NOW) == [held.id]
    owner = start(store)
    [again] = take(store, owner)
    assert store.operations.commands([owner]).cancelled == {}
    assert store.write(settle=[requeue(again)], now=NOW).cancelled == {}
    assert ids(store.get_enqueued()) == [held.id]


def check_jobs_that_are_put_back_at_once_end_when_cancelled(store: OperatedStore) -> None:
    """The runs are too short for their owner to get the order."""
    jobs = ids(put(store, *(ask() for _ in range(20))))
    half = set(jobs[::2])

    def cancel() -> None:
        for job in half:
            store.operations.cancel([job], "no", now=NOW)

    def run() -> None:
        owner = start(store)
        for _ in range(40):
            held = take(store, owner, limit=5)
            assert not store.write(settle=[requeue(job) for job in held], now=NOW).lost

    at_once(lambda number: run() if number else cancel())
    for _ in range(2):  # a job that was put back during its cancellation runs once more
        held = take(store, start(store))
        store.write(settle=[requeue(job) for job in held], now=NOW)
    assert set(ids(store.get_enqueued())) == set(jobs) - half
    assert {job.id for job in store.operations.get_failed()} == half
