"""Ends that are left to a process with the worker: `register_hooks`, `mark_end` and others."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from attrs import evolve

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, FailedJob, Job
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Cancel, Fail
from bgjobs.stores.hooked import do_nothing
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.pages import Page
from bgjobs.stores.types import HookedEnd, MarkedEnd
from bgjobs.testing.contract.histories import HISTORY
from bgjobs.testing.contract.steps import (
    DAY,
    ERROR,
    LEASE,
    NO,
    NOW,
    SECOND,
    THREADS,
    TICK,
    ask,
    at_once,
    cancel,
    end,
    enqueued,
    fail,
    hold,
    ids,
    listed,
    lose,
    put,
    put_one,
    requeue,
    start,
    take,
)

FAILED_ONLY, CANCELLED_TOO = False, True
NONE = timedelta(0)
NAMES = ("mail", "sms")


def _marked(
    store: OperatedStore, names: Any = NAMES, page: Page | None = None
) -> list[MarkedEnd]:
    return list(store.operations.marked_ends(names, page or Page(100)))


def _end(store: OperatedStore, marked: MarkedEnd) -> HookedEnd:
    return store.end_with(marked.settlement, do_nothing, now=NOW + SECOND)


def check_only_ends_of_registered_workers_are_marked(store: OperatedStore) -> None:
    """Others are refused, and their jobs stay as they are."""
    store.operations.register_hooks({"sms": CANCELLED_TOO}, now=NOW)
    held = hold(store)
    assert not store.operations.mark_end(fail(held), now=NOW)
    assert store.find(held.id) == held
    assert _marked(store) == []
    store.operations.register_hooks({"mail": FAILED_ONLY}, now=NOW)
    assert not store.operations.mark_end(cancel(held), now=NOW)
    assert store.find(held.id) == held
    assert store.operations.mark_end(fail(held), now=NOW)


def check_the_last_registration_counts(store: OperatedStore) -> None:
    """A worker may ask for cancelled jobs later, and stop asking for them."""
    for asked in (FAILED_ONLY, CANCELLED_TOO, FAILED_ONLY):
        store.operations.register_hooks({"sms": True, "mail": asked}, now=NOW)
        assert store.operations.mark_end(cancel(hold(store)), now=NOW) is asked


def check_a_marked_job_is_not_run(store: OperatedStore) -> None:
    """It counts as running, has no live owner of a queue, and no monitor finds it."""
    store.operations.register_hooks({"mail": FAILED_ONLY}, now=NOW)
    held = hold(store, unique_key="k")
    changed = fail(held, attempts=1, crashes=4, errors=(ERROR,), history=HISTORY)
    assert store.operations.mark_end(changed, now=NOW)
    late = NOW + 1000 * LEASE
    assert take(store, start(store, now=late), now=late) == []
    assert store.abandoned(now=late) == []
    store.close_owners(now=late)
    [job] = listed(store, "running")
    assert job.reservation == _marked(store)[0].settlement.reservation
    assert (job.reserved_by, job.reservations) == (HOOK_OWNER, held.reservations)
    assert (job.attempts, job.crashes, job.errors, job.history) == (1, 4, (ERROR,), HISTORY)
    assert (job.reserved_at, job.available_at) == (held.reserved_at, held.available_at)
    assert store.find_unique("mail", "k") == job
    assert HOOK_OWNER not in ids(store.operations.get_owners(now=NOW))


def check_a_mark_has_the_end(store: OperatedStore) -> None:
    """It is written under the reservation of its own owner, with the values that were given."""
    store.operations.register_hooks({"mail": CANCELLED_TOO}, now=NOW)
    text = 'because: "ünïcödé" \\ \n 🦉'
    failed, ended = hold(store), hold(store)
    assert store.operations.mark_end(fail(failed, text, crashes=4), now=NOW)
    assert store.operations.mark_end(cancel(ended, text, None, history=HISTORY), now=NOW)
    first, second = _marked(store)
    assert isinstance(first.settlement, Fail)
    assert isinstance(second.settlement, Cancel)
    assert (first.settlement.error, first.settlement.crashes) == (text, 4)
    assert (second.settlement.reason, second.settlement.by) == (text, None)
    assert second.settlement.history == HISTORY
    for marked in (first, second):
        assert marked.settlement.reservation.owner == HOOK_OWNER
        assert marked.job.reservation == marked.settlement.reservation


def check_a_marked_end_is_written_as_without_a_mark(store: OperatedStore) -> None:
    """The ended job has the owner that it had before; the mark is gone. Other jobs stay."""
    store.operations.register_hooks({"mail": CANCELLED_TOO}, now=NOW)
    earlier = ids([end(store, settle) for settle in (fail, cancel)])
    before = [store.find(one) for one in earlier]
    for settle, state in ((fail, "failed"), (cancel, "cancelled")):
        held, other = hold(store), hold(store)
        for job in (held, other):
            assert store.operations.mark_end(settle(job, crashes=4), now=NOW)
        mine = next(one for one in _marked(store) if one.job.id == held.id)
        assert _end(store, mine).kept
        assert not _end(store, mine).kept
        ended = store.find(held.id)
        assert isinstance(ended, FailedJob | CancelledJob)
        assert ended.state == state
        assert (ended.crashes, ended.reservations) == (4, held.reservations)
        assert (ended.reserved_by, ended.reserved_at) == (held.reserved_by, held.reserved_at)
        assert [one.job.id for one in _marked(store)] == [other.id]
        assert store.operations.begin_marked(held.id, NONE, now=NOW) == 0
        store.operations.delete([other.id])
    assert [store.find(one) for one in earlier] == before


def check_a_lost_reservation_is_not_marked(store: OperatedStore) -> None:
    """The next owner keeps the job, as does a mark that is there already."""
    store.operations.register_hooks({"mail": CANCELLED_TOO}, now=NOW)
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW)
    [again] = take(store, start(store))
    assert not store.operations.mark_end(fail(held), now=NOW)
    assert store.find(held.id) == again
    assert store.operations.mark_end(fail(again, "first"), now=NOW)
    assert not store.operations.mark_end(cancel(again, "second"), now=NOW)
    [marked] = _marked(store)
    assert isinstance(marked.settlement, Fail)
    assert marked.settlement.error == "first"


def check_an_end_is_marked_by_its_holder_alone(store: OperatedStore) -> None:
    """Neither by another owner nor under another number, though these hold other jobs."""
    store.operations.register_hooks({"mail": CANCELLED_TOO}, now=NOW)
    put(store, ask(), ask(), ask())
    former, owner = start(store), start(store)
    first, other, another = take(store, former)
    store.write(settle=[requeue(first)], now=NOW)
    [held] = take(store, owner)
    strangers = [
        first.reservation,
        evolve(held.reservation, number=1),
        evolve(held.reservation, number=3),
        evolve(held.reservation, owner=former),
    ]
    for stranger in strangers:
        assert not store.operations.mark_end(evolve(fail(held), reservation=stranger), now=NOW)
        assert [store.find(one.id) for one in (held, other)] == [held, other]
    assert store.operations.mark_end(fail(other), now=NOW)
    assert [store.find(one.id) for one in (held, another)] == [held, another]
    assert _begun(store, held, other, another) == [0, 1, 0]


def _begun(store: OperatedStore, *jobs: Job) -> list[int]:
    return [store.operations.begin_marked(job.id, NONE, now=NOW) for job in jobs]


def check_a_marked_end_is_not_changed_by_a_cancellation(store: OperatedStore) -> None:
    """The job ends as was decided first; its tries are not counted anew."""
    store.operations.register_hooks({"mail": CANCELLED_TOO}, now=NOW)
    held = hold(store)
    assert store.operations.mark_end(fail(held, "first"), now=NOW)
    assert _begun(store, held) == [1]
    found = store.operations.cancel([held.id], NO, now=NOW)
    assert (found.ended, found.asked) == ([], [held.id])
    [marked] = _marked(store)
    assert isinstance(marked.settlement, Fail)
    assert marked.settlement.error == "first"
    assert _begun(store, held) == [2]


def check_marks_of_some_workers_are_listed(store: OperatedStore) -> None:
    """By id and page by page; the workers with marks are among the commands."""
    store.operations.register_hooks({"mail": FAILED_ONLY, "sms": FAILED_ONLY}, now=NOW)
    assert store.operations.commands([]).marked == frozenset()
    held = [hold(store), hold(store)]
    put_one(store, "sms")
    [sms] = take(store, start(store), ["sms"])
    for job in (sms, *reversed(held)):
        assert store.operations.mark_end(fail(job), now=NOW)
    hold(store)
    assert [one.job.id for one in _marked(store)] == [*ids(held), sms.id]
    assert [one.job.id for one in _marked(store, ["sms"])] == [sms.id]
    assert [one.job.id for one in _marked(store, ["mail"], Page(1))] == [held[0].id]
    behind = Page(1, after=held[0].id)
    assert [one.job.id for one in _marked(store, NAMES, behind)] == [held[1].id]
    behind = Page(1, after=held[1].id)
    assert [one.job.id for one in _marked(store, NAMES, behind)] == [sms.id]
    assert store.operations.commands([]).marked == {"mail", "sms"}
    store.operations.delete([sms.id])
    assert store.operations.commands([]).marked == {"mail"}


def check_tries_are_counted_for_each_mark(store: OperatedStore) -> None:
    """A new mark of the same job begins anew; jobs without a mark have none."""
    store.operations.register_hooks({"mail": CANCELLED_TOO}, now=NOW)
    waiting, other = put_one(store), put_one(store)
    store.operations.cancel([waiting.id, other.id], NO, now=NOW)
    tries = [store.operations.begin_marked(waiting.id, NONE, now=NOW) for _ in range(3)]
    assert tries == [1, 2, 3]
    assert store.operations.begin_marked(other.id, NONE, now=NOW) == 1
    assert store.operations.begin_marked(new_id(), NONE, now=NOW) == 0
    _end(store, _marked(store)[0])
    assert store.operations.retry([waiting.id], now=NOW) == [waiting.id]
    store.operations.cancel([waiting.id], NO, now=NOW)
    assert store.operations.begin_marked(waiting.id, NONE, now=NOW) == 1


def check_one_try_begins_at_a_time(store: OperatedStore) -> None:
    """Of all processes that find a mark one begins; another may once its time is over."""
    store.operations.register_hooks({"mail": FAILED_ONLY}, now=NOW)
    held, other = hold(store), hold(store)
    for job in (held, other):
        assert store.operations.mark_end(fail(job), now=NOW)
    begin = store.operations.begin_marked
    begun = at_once(lambda _: begin(held.id, LEASE, now=NOW))
    assert sorted(begun) == [0] * (THREADS - 1) + [1]
    assert begin(held.id, LEASE, now=NOW + LEASE - TICK) == 0
    assert begin(held.id, LEASE, now=NOW + LEASE) == 2
    assert begin(held.id, LEASE, now=NOW + LEASE) == 0
    assert begin(other.id, LEASE, now=NOW) == 1


def check_cancelling_a_waiting_job_marks_it(store: OperatedStore) -> None:
    """Only if its worker asks for cancelled jobs; it ends as if it had been cancelled then."""
    store.operations.register_hooks({"mail": CANCELLED_TOO, "sms": FAILED_ONLY}, now=NOW)
    delayed = put_one(store, available_in=timedelta(hours=1), unique_key="k")
    sms, fax = put_one(store, "sms"), put_one(store, "fax")
    wanted = [sms.id, delayed.id, fax.id]
    found = store.operations.cancel(wanted, Cancelled("no", "ada"), now=NOW)
    assert (sorted(found.ended), found.asked) == (sorted([sms.id, fax.id]), [delayed.id])
    assert enqueued(store) == []
    [marked] = _marked(store)
    assert isinstance(marked.settlement, Cancel)
    assert (marked.job.id, marked.settlement.reason) == (delayed.id, "no")
    assert marked.settlement.by == "ada"
    assert _end(store, marked).kept
    ended = store.find(delayed.id)
    assert isinstance(ended, CancelledJob)
    assert (ended.reason, ended.cancelled_by) == ("no", "ada")
    assert ended.cancelled_at == NOW + SECOND
    assert (ended.reserved_by, ended.reserved_at, ended.reservations) == (None, None, 0)
    assert (ended.available_at, ended.unique_key) == (delayed.available_at, "k")


def check_only_the_given_jobs_are_marked(store: OperatedStore) -> None:
    """Another waiting job of the worker still waits, and a running one still runs."""
    store.operations.register_hooks({"mail": CANCELLED_TOO}, now=NOW)
    held = hold(store)
    waiting, other = put_one(store), put_one(store)
    found = store.operations.cancel([waiting.id, held.id], NO, now=NOW)
    assert sorted(found.asked) == sorted([waiting.id, held.id])
    assert store.find(held.id) == held
    assert ids(enqueued(store)) == [other.id]
    assert [one.job.id for one in _marked(store)] == [waiting.id]
    assert _begun(store, held, waiting, other) == [0, 1, 0]


def check_a_job_to_be_put_back_stays_for_its_end(store: OperatedStore) -> None:
    """If it is to be cancelled and its worker asks for that, only its owner ends it."""
    store.operations.register_hooks({"mail": CANCELLED_TOO, "sms": FAILED_ONLY}, now=NOW)
    held = hold(store)
    put_one(store, "sms")
    [sms] = take(store, start(store), ["sms"])
    store.operations.cancel([held.id, sms.id], NO, now=NOW)
    written = store.write(settle=[requeue(held), requeue(sms)], now=NOW)
    assert written.cancelled == {held.reservation: NO, sms.reservation: NO}
    assert list(written.still_reserved) == [held.reservation]
    assert store.find(held.id) == held
    assert ids(listed(store, "cancelled")) == [sms.id]
    assert store.end_with(cancel(held), do_nothing, now=NOW).kept
    assert sorted(ids(listed(store, "cancelled"))) == sorted([held.id, sms.id])


def check_a_marked_job_can_be_deleted(store: OperatedStore) -> None:
    """Its mark goes, too; other marks and running jobs stay."""
    store.operations.register_hooks({"mail": CANCELLED_TOO}, now=NOW)
    gone, other, running = hold(store), hold(store), hold(store)
    for job in (gone, other):
        assert store.operations.mark_end(fail(job), now=NOW)
    assert store.operations.delete([gone.id, running.id]) == [gone.id]
    assert store.find(gone.id) is None
    assert store.operations.begin_marked(gone.id, NONE, now=NOW) == 0
    assert [one.job.id for one in _marked(store)] == [other.id]
    assert not store.end_with(fail(Job(**_as_marked(gone))), do_nothing, now=NOW).kept


def _as_marked(job: Job) -> dict[str, Any]:
    kept = ("id", "name", "payload", "created_at", "available_at", "reservations")
    return {**{one: getattr(job, one) for one in kept}, "reserved_by": HOOK_OWNER}


def check_ended_jobs_are_not_marked(store: OperatedStore) -> None:
    """Neither by `mark_end` nor by `cancel`."""
    store.operations.register_hooks({"mail": CANCELLED_TOO}, now=NOW)
    ended = lose(store)
    assert not store.operations.mark_end(fail(ended), now=NOW)
    found = store.operations.cancel([ended.id], NO, now=NOW)
    assert (found.ended, found.asked) == ([], [])
    assert _marked(store) == []
    assert isinstance(store.find(ended.id), FailedJob)


def check_the_owner_before_a_mark_is_known_until_its_job_is_pruned(
    store: OperatedStore,
) -> None:
    """It may be closed before the job ends, to which it belongs again then."""
    store.operations.register_hooks({"mail": FAILED_ONLY}, now=NOW)
    held = hold(store)
    assert held.reserved_by is not None
    assert store.operations.mark_end(fail(held), now=NOW)
    idle = start(store)
    store.close_owners([held.reserved_by, idle], now=NOW)
    assert store.prune("failed", NONE, limit=9, now=NOW) == 0
    assert store.find_owners([idle]) == []
    assert _end(store, _marked(store)[0]).kept
    store.close_owners(now=NOW + 2 * SECOND)
    assert store.prune("succeeded", NONE, limit=9, now=NOW + DAY) == 0
    assert ids(store.find_owners([held.reserved_by])) == [held.reserved_by]
    assert store.prune("failed", NONE, limit=9, now=NOW + DAY) == 1
    assert store.find_owners([held.reserved_by]) == []


def check_the_owner_of_marks_is_known(store: OperatedStore) -> None:
    """Its name tells what the jobs wait for."""
    store.operations.register_hooks({"mail": FAILED_ONLY}, now=NOW)
    store.operations.register_hooks({"mail": FAILED_ONLY}, now=NOW)
    owners: list[UUID] = [HOOK_OWNER]
    [owner] = store.find_owners(owners)
    assert (owner.name, owner.node) == ("on_failure", "waits for a process with the worker")
