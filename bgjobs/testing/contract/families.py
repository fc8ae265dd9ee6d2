"""Ends of parents, with which their descendants end."""

from collections.abc import Callable
from uuid import UUID

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.jobs import CancelledJob, Job, Reservation
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Settlement
from bgjobs.stores.hooked import do_nothing
from bgjobs.stores.nurseries import PARENT_ENDED
from bgjobs.stores.types import HookedEnd
from bgjobs.testing.contract.nurseries import (
    CHILD,
    ParentStore,
    bear,
    held_child,
    new_child,
)
from bgjobs.testing.contract.steps import (
    LEASE,
    NO,
    NOW,
    SECOND,
    cancel,
    drop,
    enqueued,
    fail,
    follow,
    hold,
    ids,
    listed,
    requeue,
    start,
    succeed,
    take,
)

ENDED = Cancelled(PARENT_ENDED)
_SETTLE: tuple[Callable[[Job], Settlement], ...] = (
    succeed,
    lambda job: succeed(job, '"x"'),
    fail,
    cancel,
    drop,
)


def is_asked(store: ParentStore, job: Job) -> bool:
    """Whether the owner of a running job is asked to cancel it because its parent has ended."""
    assert job.reserved_by is not None
    return dict(store.operations.commands([job.reserved_by]).cancelled) == {job.id: ENDED}


def is_orphaned(store: ParentStore, *jobs: UUID) -> bool:
    """Whether all of these jobs ended because their parent has ended."""
    found = [store.find(one) for one in jobs]
    return all(
        isinstance(job, CancelledJob) and (job.reason, job.cancelled_by) == (PARENT_ENDED, None)
        for job in found
    )


def check_descendants_end_with_each_end(store: ParentStore) -> None:
    """Waiting children are cancelled in the same write, running ones are asked to end."""
    for settle in _SETTLE:
        held = hold(store)
        running = held_child(store, held.reservation, "r")
        [waiting] = bear(store, held.reservation, "w")
        written = store.write(settle=[settle(held)], now=NOW + SECOND)
        assert (list(written.lost), written.commands) == ([], True)
        assert not isinstance(store.find(held.id), Job)
        assert is_orphaned(store, waiting.id)
        assert is_asked(store, running)
        [ended] = [job for job in listed(store, "cancelled") if job.id == waiting.id]
        assert (ended.cancelled_at, ended.parent_id) == (NOW + SECOND, held.id)
        assert store.find(running.id) == running
        assert not store.write(settle=[succeed(running)], now=NOW).lost
    assert (enqueued(store), listed(store, "running")) == ([], [])


def check_an_end_without_live_children_asks_nobody(store: ParentStore) -> None:
    """Children that have ended stay as they are, and so do those of others."""
    held, other = hold(store), hold(store)
    running = held_child(store, other.reservation)
    child = held_child(store, held.reservation)
    store.write(settle=[succeed(child)], now=NOW)
    assert not store.write(settle=[succeed(held)], now=NOW).commands
    assert [job.state for job in map(store.find, (child.id, held.id)) if job] == [
        "succeeded",
        "succeeded",
    ]
    assert (store.find(running.id), store.find(other.id)) == (running, other)
    assert enqueued(store) == []


def check_a_batch_may_contain_parents(store: ParentStore) -> None:
    """Each settlement of a write takes effect, and so does what follows a parent."""
    parent, other, failed = hold(store), hold(store), hold(store)
    [waiting] = bear(store, parent.reservation, "a")
    [second] = bear(store, failed.reservation, "a")
    following = follow(parent)
    ends: list[Settlement] = [
        succeed(other),
        succeed(parent),
        fail(failed),
        succeed(other),
    ]
    written = store.write([following], ends, now=NOW)
    assert (list(written.lost), written.commands) == ([other.reservation], False)
    assert ids(enqueued(store)) == [following.id]
    assert is_orphaned(store, waiting.id, second.id)
    assert sorted(ids(listed(store, "succeeded"))) == sorted([parent.id, other.id])


def check_a_lost_end_of_a_parent_changes_nothing(store: ParentStore) -> None:
    """Neither the parent nor its children; the fence has id, owner and number."""
    held = hold(store)
    [child] = bear(store, held.reservation, "a")
    store.write(settle=[requeue(held)], now=NOW)
    [again] = take(store, start(store))
    other = start(store)
    for settle in _SETTLE:
        assert list(store.write(settle=[settle(held)], now=NOW).lost) == [held.reservation]
    assert store.end_with(fail(held), do_nothing, now=NOW) == HookedEnd(kept=False)
    assert not store.complete(held.reservation, lambda _: None, now=NOW)
    stranger = Reservation(held.id, other, again.reservations)
    assert not store.complete(stranger, lambda _: None, now=NOW)
    assert (store.find(held.id), store.find(child.id)) == (again, child)
    assert not store.write(settle=[succeed(again)], now=NOW).lost
    assert list(store.write(settle=[succeed(again)], now=NOW).lost) == [again.reservation]


def check_complete_ends_the_children(store: ParentStore) -> None:
    """And `end_with` does, which reports whether owners were asked."""
    held = hold(store)
    [waiting] = bear(store, held.reservation, "a")
    assert store.complete(held.reservation, lambda _: None, now=NOW)
    assert is_orphaned(store, waiting.id)
    for settle in (fail, cancel):
        held = hold(store)
        [waiting] = bear(store, held.reservation, "a")
        assert store.end_with(settle(held), do_nothing, now=NOW) == HookedEnd(kept=True)
        assert is_orphaned(store, waiting.id)
        held = hold(store)
        running = held_child(store, held.reservation)
        done = store.end_with(settle(held), do_nothing, now=NOW)
        assert done == HookedEnd(kept=True, commands=True)
        assert is_asked(store, running)
        store.write(settle=[succeed(running)], now=NOW)
    assert listed(store, "running") == []


def check_the_end_reaches_all_levels(store: ParentStore) -> None:
    """Through waiting jobs to their children; a running one ends its own when it ends."""
    held = hold(store)
    middle = held_child(store, held.reservation, "middle")
    runner = held_child(store, held.reservation, "runner")
    [low] = bear(store, middle.reservation, "low", name="low")
    deep = held_child(store, middle.reservation, "deep")
    [deeper] = bear(store, runner.reservation, "deeper", name="low")
    store.write(settle=[requeue(middle)], now=NOW)
    assert store.write(settle=[fail(held)], now=NOW).commands
    assert is_orphaned(store, middle.id, low.id)
    assert is_asked(store, deep)
    assert is_asked(store, runner)
    assert store.find(deeper.id) == deeper
    store.write(settle=[cancel(runner)], now=NOW)
    assert is_orphaned(store, deeper.id)


def check_an_operator_cancels_descendants(store: ParentStore) -> None:
    """Those of a waiting parent; a running one is asked first."""
    held = hold(store)
    running = held_child(store, held.reservation, "r")
    [waiting] = bear(store, held.reservation, "w")
    assert store.operations.cancel([held.id], NO, now=NOW).asked == [held.id]
    assert store.find(waiting.id) == waiting
    assert store.find(running.id) == running
    written = store.write(settle=[requeue(held)], now=NOW)
    assert (written.cancelled, list(written.still_reserved)) == (
        {held.reservation: NO},
        [held.reservation],
    )
    assert store.find(held.id) == held
    assert store.write(settle=[cancel(held)], now=NOW).commands
    assert is_asked(store, running)
    assert is_orphaned(store, waiting.id)


def check_cancelling_a_waiting_parent_reports_all(store: ParentStore) -> None:
    """What has ended and who was asked includes the descendants."""
    held = hold(store)
    running = held_child(store, held.reservation, "r")
    [waiting] = bear(store, held.reservation, "w")
    store.write(settle=[requeue(held)], now=NOW)
    found = store.operations.cancel([held.id], NO, now=NOW)
    assert (sorted(found.ended), list(found.asked)) == (
        sorted([held.id, waiting.id]),
        [running.id],
    )
    assert is_orphaned(store, waiting.id)
    assert is_asked(store, running)


def check_deleting_a_parent_ends_its_children(store: ParentStore) -> None:
    """A waiting parent, and one whose end is marked; a running one is not deleted."""
    store.operations.register_hooks({"mail": False}, now=NOW)
    for settle in (requeue, None):
        held = hold(store)
        [waiting] = bear(store, held.reservation, "w")
        assert store.operations.delete([held.id]) == []
        if settle is None:
            assert store.operations.mark_end(fail(held), now=NOW)
        else:
            store.write(settle=[settle(held)], now=NOW)
        assert store.operations.delete([held.id]) == [held.id]
        assert is_orphaned(store, waiting.id)


def check_a_marked_end_of_a_parent_ends_its_children_later(store: ParentStore) -> None:
    """When it is written; until then the parent is live. No other child can be started."""
    store.operations.register_hooks({"mail": True}, now=NOW)
    held = hold(store)
    [waiting] = bear(store, held.reservation, "w")
    assert store.operations.mark_end(fail(held), now=NOW)
    assert store.find(waiting.id) == waiting
    assert store.nurseries.start_children(held.reservation, [new_child()], now=NOW) is None
    [marked] = store.operations.marked_ends(["mail"])
    assert store.end_with(marked.settlement, do_nothing, now=NOW).kept
    assert is_orphaned(store, waiting.id)


def check_children_with_a_function_are_marked(store: ParentStore) -> None:
    """Their end waits for a process with the worker; their own children end at once."""
    store.operations.register_hooks({CHILD: True}, now=NOW)
    held = hold(store)
    child = held_child(store, held.reservation)
    [low] = bear(store, child.reservation, "low", name="low")
    store.write(settle=[requeue(child)], now=NOW)
    assert store.write(settle=[succeed(held)], now=NOW).commands
    [marked] = store.operations.marked_ends([CHILD])
    assert (marked.job.id, marked.job.reserved_by) == (child.id, HOOK_OWNER)
    assert marked.settlement.reservation.owner == HOOK_OWNER
    assert is_orphaned(store, low.id)
    assert store.end_with(marked.settlement, do_nothing, now=NOW).kept
    assert is_orphaned(store, child.id)


def check_a_child_whose_end_is_marked_is_notis_asked(store: ParentStore) -> None:
    """A process with its worker writes the end that it has already."""
    store.operations.register_hooks({CHILD: False}, now=NOW)
    held = hold(store)
    child = held_child(store, held.reservation)
    assert store.operations.mark_end(fail(child), now=NOW)
    assert not store.write(settle=[succeed(held)], now=NOW).commands
    assert dict(store.operations.commands([HOOK_OWNER]).cancelled) == {}
    [marked] = store.operations.marked_ends([CHILD])
    assert store.end_with(marked.settlement, do_nothing, now=NOW).kept


def check_a_child_that_an_operator_cancels_is_asked_again(store: ParentStore) -> None:
    """The last reason counts, as for two commands of operators."""
    held = hold(store)
    child = held_child(store, held.reservation)
    assert store.operations.cancel([child.id], NO, now=NOW).asked == [child.id]
    assert store.write(settle=[succeed(held)], now=NOW).commands
    assert is_asked(store, child)


def check_closing_an_owner_ends_its_children(store: ParentStore) -> None:
    """Whether it is closed by its process, or by another one after its lease has ended."""
    for late in (NOW, NOW + LEASE):
        owner, other = start(store), start(store, 10 * LEASE)
        running = held_child(store, owner, "r")
        [waiting] = bear(store, owner, "w")
        [theirs] = bear(store, other, "w")
        store.close_owners([owner] if late == NOW else [], now=late)
        assert is_orphaned(store, waiting.id)
        assert is_asked(store, running)
        assert store.find(theirs.id, now=NOW) == theirs
        assert store.nurseries.start_children(owner, [new_child()], now=late) is None
        store.write(settle=[succeed(running)], now=NOW)
        store.operations.delete([theirs.id])
