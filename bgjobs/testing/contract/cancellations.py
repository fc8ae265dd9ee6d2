"""`cancel` and `commands`: ending jobs that must not run."""

from datetime import timedelta
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob
from bgjobs._core.limits import Cap
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Settlement
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.types import Counts
from bgjobs.testing.contract.histories import HISTORY
from bgjobs.testing.contract.steps import (
    ENDS,
    ERROR,
    LEASE,
    NO,
    NOW,
    OCCURRENCE,
    SECOND,
    THREADS,
    ask,
    at_once,
    cancel,
    end,
    enqueued,
    fail,
    follow,
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


def check_a_waiting_job_is_cancelled_at_once(store: OperatedStore) -> None:
    """It keeps its fields, and frees its unique key."""
    waiting = put_one(store, unique_key="k", priority=7, metadata=(("trace", "ü"),))
    found = store.operations.cancel([waiting.id, waiting.id], NO, now=NOW + SECOND)
    assert (found.ended, found.asked) == ([waiting.id], [])
    ended = CancelledJob(
        id=waiting.id,
        name="mail",
        payload="{}",
        priority=7,
        created_at=NOW,
        available_at=NOW,
        unique_key="k",
        metadata={"trace": "ü"},
        reason="no",
        cancelled_by="ada",
        cancelled_at=NOW + SECOND,
    )
    assert store.find(waiting.id) == ended
    assert listed(store, "cancelled") == [ended]
    assert listed(store, "failed") == []
    assert put_one(store, unique_key="k").id != waiting.id


def check_who_cancels_need_not_be_named(store: OperatedStore) -> None:
    """Then the author is None, of a job that waited and of one that is put back."""
    waiting, held = put_one(store, "sms"), hold(store)
    reason = 'because: "ünïcödé" \\ \n 🦉'
    store.operations.cancel([waiting.id, held.id], Cancelled(reason), now=NOW)
    assert held.reserved_by is not None
    wanted = store.operations.commands([held.reserved_by]).cancelled
    assert wanted == {held.id: Cancelled(reason)}
    store.write(settle=[requeue(held)], now=NOW)
    for job in listed(store, "cancelled"):
        assert (job.reason, job.cancelled_by) == (reason, None)
    assert store.count(now=NOW).cancelled == 2


def check_a_delayed_job_is_cancelled_too(store: OperatedStore) -> None:
    """So is a job that has run before; its counters and its history are kept."""
    held = hold(store)
    later = requeue(held, attempts=2, delay=timedelta(hours=1), history=HISTORY)
    store.write(settle=[later], now=NOW)
    assert store.operations.cancel([held.id], NO, now=NOW).ended == [held.id]
    [ended] = listed(store, "cancelled")
    assert (ended.attempts, ended.reservations, ended.history) == (2, 1, HISTORY)
    assert listed(store, "cancelled", queue="default") == []
    assert listed(store, "cancelled", owner=held.reserved_by) == []


def check_the_owner_of_a_running_job_is_asked(store: OperatedStore) -> None:
    """Only its owner finds the command; the job does not change."""
    held = hold(store)
    assert held.reserved_by is not None
    other = start(store)
    assert store.operations.commands([held.reserved_by]).cancelled == {}
    found = store.operations.cancel([held.id], NO, now=NOW)
    assert (found.ended, found.asked) == ([], [held.id])
    assert store.find(held.id) == held
    commands = {held.id: NO}
    assert store.operations.commands([other, held.reserved_by]).cancelled == commands
    assert store.operations.commands([held.reserved_by]).cancelled == commands
    assert store.operations.commands([other]).cancelled == {}
    assert store.operations.commands([]).cancelled == {}


def check_the_last_reason_counts(store: OperatedStore) -> None:
    """A second cancellation of the same running job replaces the reason and the author."""
    held = hold(store)
    assert held.reserved_by is not None
    last = Cancelled('second: "ünïcödé"', "grace")
    for one in (Cancelled("first", "ada"), last):
        assert store.operations.cancel([held.id, held.id], one, now=NOW).asked == [held.id]
    assert store.operations.commands([held.reserved_by]).cancelled == {held.id: last}


def check_a_job_that_has_ended_is_not_wanted_any_more(store: OperatedStore) -> None:
    """Commands end with the job; ended and unknown jobs cannot be cancelled."""
    held = hold(store)
    assert held.reserved_by is not None
    store.operations.cancel([held.id], NO, now=NOW)
    store.write(settle=[succeed(held)], now=NOW)
    assert store.operations.commands([held.reserved_by]).cancelled == {}
    ended = [end(store, settle) for settle in ENDS.values()]
    found = store.operations.cancel([held.id, *ids(ended), new_id()], NO, now=NOW)
    assert (found.ended, found.asked) == ([], [])
    assert store.operations.cancel([], NO, now=NOW).ended == []
    assert store.count(now=NOW) == Counts(0, 0, 0, 2, 1, 1)


def check_an_occurrence_is_cancelled_like_any_job(store: OperatedStore) -> None:
    """A waiting occurrence ends without a follower; its schedule stores the next one."""
    waiting = put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    found = store.operations.cancel([waiting.id], NO, now=NOW)
    assert (found.ended, found.asked) == ([waiting.id], [])
    assert enqueued(store) == []
    [ended] = listed(store, "cancelled")
    assert (ended.reason, ended.occurrence) == ("no", OCCURRENCE)
    anew = put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    assert anew.id != waiting.id
    [held] = take(store, start(store))
    assert store.operations.cancel([held.id], NO, now=NOW).asked == [held.id]


def check_closing_owners_forgets_only_what_has_ended(store: OperatedStore) -> None:
    """Commands about running jobs are kept."""
    put(store, ask(), ask())
    owner = start(store)
    ended, running = take(store, owner)
    store.operations.cancel(ids([ended, running]), NO, now=NOW)
    store.write(settle=[fail(ended)], now=NOW)
    store.close_owners([start(store)], now=NOW)
    assert store.operations.commands([owner]).cancelled == {running.id: NO}


def check_each_job_ends_once_though_it_is_cancelled(store: OperatedStore) -> None:
    """Threads cancel, reserve, put back and settle at once; each job ends exactly once."""
    jobs = ids(put(store, *(ask() for _ in range(80))))
    cancelled: list[UUID] = []

    def cancel_all() -> list[UUID]:
        return [one for job in jobs for one in store.operations.cancel([job], NO).ended]

    def run() -> list[UUID]:
        owner, done = start(store), list[UUID]()
        while held := take(store, owner, limit=5) or enqueued(store):
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

    ended = at_once(lambda number: cancel_all() if number % 2 else run())
    assert sorted([*cancelled, *(one for part in ended for one in part)]) == sorted(jobs)
    counts = store.count(now=NOW)
    assert counts.succeeded + counts.cancelled == len(jobs)
    assert counts.cancelled == sum(map(len, ended[1::2])) + len(cancelled)


def check_only_one_of_several_threads_cancels(store: OperatedStore) -> None:
    """One thread ends the waiting job; the others find it ended."""
    jobs = ids(put(store, *(ask() for _ in range(20))))
    ended = at_once(lambda _: list(store.operations.cancel(jobs, NO, now=NOW).ended))
    assert sorted(one for part in ended for one in part) == sorted(jobs)
    assert len(ended) == THREADS


def check_a_job_that_is_put_back_ends_as_cancelled(store: OperatedStore) -> None:
    """It has the reason, the author, the time of the write and the values of `Requeue`."""
    held = hold(store, unique_key="k", priority=7)
    store.operations.cancel([held.id], NO, now=NOW)
    counters = {"attempts": 2, "interruptions": 1, "errors": (ERROR,), "history": HISTORY}
    back = requeue(held, delay=SECOND, **counters)
    written = store.write(settle=[back], now=NOW + SECOND)
    assert (list(written.lost), written.cancelled) == ([], {held.reservation: NO})
    ended = store.find(held.id)
    assert isinstance(ended, CancelledJob)
    assert (ended.reason, ended.cancelled_by, ended.cancelled_at) == ("no", "ada", NOW + SECOND)
    assert (ended.attempts, ended.interruptions, ended.errors) == (2, 1, (ERROR,))
    assert ended.history == HISTORY
    assert (ended.priority, ended.reserved_by, ended.reservations) == (7, held.reserved_by, 1)
    assert enqueued(store) == []
    assert put_one(store, unique_key="k").id != held.id
    assert listed(store, "cancelled") == [ended]
    assert listed(store, "failed") == []


def check_only_jobs_that_were_cancelled_are_not_put_back(store: OperatedStore) -> None:
    """The other jobs of the write wait again or end as settled."""
    put(store, *(ask() for _ in range(4)))
    back, cancelled, done, failed = take(store, start(store))
    store.operations.cancel(ids([cancelled, done, failed]), NO, now=NOW)
    ends: list[Settlement] = [
        requeue(back),
        requeue(cancelled),
        succeed(done),
        fail(failed, "gone"),
    ]
    written = store.write(settle=ends, now=NOW)
    assert (list(written.lost), written.cancelled) == ([], {cancelled.reservation: NO})
    assert ids(enqueued(store)) == [back.id]
    assert ids(listed(store, "succeeded")) == [done.id]
    assert [job.error for job in listed(store, "failed")] == ["gone"]
    assert ids(listed(store, "cancelled")) == [cancelled.id]


def check_a_write_without_cancelled_jobs_names_none(store: OperatedStore) -> None:
    """A lost reservation does not count, also if the job was cancelled later."""
    held, other = hold(store), hold(store)
    assert store.write(settle=[requeue(held), succeed(other)], now=NOW).cancelled == {}
    [again] = take(store, start(store))
    store.operations.cancel([again.id], NO, now=NOW)
    written = store.write(settle=[requeue(held)], now=NOW)
    assert (list(written.lost), written.cancelled) == ([held.reservation], {})
    assert store.find(again.id) == again


def check_a_cancelled_end_is_lost_when_it_is_repeated(store: OperatedStore) -> None:
    """The repeated settlement changes nothing."""
    held = hold(store)
    store.operations.cancel([held.id], NO, now=NOW)
    store.write(settle=[requeue(held)], now=NOW)
    ended = store.find(held.id)
    written = store.write(settle=[requeue(held)], now=NOW + SECOND)
    assert (list(written.lost), written.cancelled) == ([held.reservation], {})
    assert store.find(held.id) == ended


def check_what_follows_a_job_that_was_cancelled_is_not_stored(store: OperatedStore) -> None:
    """The follower belongs to a job that waits again, and this one has ended."""
    held = hold(store)
    store.operations.cancel([held.id], NO, now=NOW)
    store.write([follow(held, name="next")], [requeue(held)], now=NOW)
    assert enqueued(store) == []
    assert store.count(now=NOW).cancelled == 1


def check_a_run_of_a_schedule_is_not_put_back_either(store: OperatedStore) -> None:
    """It stays reserved and is named by each write, until it ends with its follower."""
    put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    [held] = take(store, start(store))
    store.operations.cancel([held.id], NO, now=NOW)
    for _ in range(2):
        written = store.write(settle=[requeue(held)], now=NOW)
        assert (list(written.lost), written.cancelled) == ([], {held.reservation: NO})
        assert store.find(held.id) == held
    following = follow(held, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    assert not store.write([following], [cancel(held)], now=NOW).lost
    assert ids(listed(store, "cancelled")) == [held.id]
    assert ids(enqueued(store)) == [following.id]


def check_a_job_that_an_owner_left_behind_ends_as_cancelled(store: OperatedStore) -> None:
    """It does so when the monitor puts it back."""
    held = hold(store)
    store.operations.cancel([held.id], NO, now=NOW)
    late = NOW + LEASE
    [left] = store.abandoned(now=late)
    assert store.write(settle=[requeue(left, crashes=1)], now=late).cancelled
    [ended] = listed(store, "cancelled")
    assert (ended.reason, ended.crashes) == ("no", 1)


def check_a_job_beyond_a_cap_is_put_back_unless_it_was_cancelled(store: OperatedStore) -> None:
    """A reservation that a cap rejects is checked for a cancellation too."""
    put(store, *(ask() for _ in range(3)))
    held = take(store, start(store), limit=1)
    store.operations.cancel(ids(held), NO, now=NOW)
    kept = store.reserve(start(store), ["mail"], 5, caps=[Cap("mail", running=2)], now=NOW)
    assert len(kept) == 1
    assert len(enqueued(store)) == 1


def check_what_was_asked_is_forgotten_with_the_end(store: OperatedStore) -> None:
    """A retry of the job is not cancelled again."""
    held = hold(store)
    store.operations.cancel([held.id], NO, now=NOW)
    store.write(settle=[requeue(held)], now=NOW)
    assert store.operations.retry([held.id], now=NOW) == [held.id]
    owner = start(store)
    [again] = take(store, owner)
    assert store.operations.commands([owner]).cancelled == {}
    assert store.write(settle=[requeue(again)], now=NOW).cancelled == {}
    assert ids(enqueued(store)) == [held.id]


def check_jobs_that_are_put_back_at_once_end_when_cancelled(store: OperatedStore) -> None:
    """The runs are too short for their owner to get the command."""
    jobs = ids(put(store, *(ask() for _ in range(20))))
    half = set(jobs[::2])

    def cancel_half() -> None:
        for job in half:
            store.operations.cancel([job], NO, now=NOW)

    def run() -> None:
        owner = start(store)
        for _ in range(40):
            held = take(store, owner, limit=5)
            assert not store.write(settle=[requeue(job) for job in held], now=NOW).lost

    at_once(lambda number: run() if number else cancel_half())
    for _ in range(2):  # a job that was put back during its cancellation runs once more
        held = take(store, start(store))
        store.write(settle=[requeue(job) for job in held], now=NOW)
    assert set(ids(enqueued(store))) == set(jobs) - half
    assert {job.id for job in listed(store, "cancelled")} == half
