"""Jobs of families that are put back, replaced, pruned, deleted, retried and cancelled."""

from datetime import timedelta

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, Reservation
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.families import ENDED, is_orphaned
from bgjobs.testing.contract.nurseries import (
    CHILD,
    ParentStore,
    bear,
    child_ids,
    held_child,
    new_child,
)
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    LEASE,
    NO,
    NOW,
    OCCURRENCE,
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
    put_one,
    requeue,
    start,
    succeed,
    take,
)


def check_a_child_is_not_put_back_after_its_parent(store: ParentStore) -> None:
    """It is cancelled, as if an operator had asked."""
    held, owner = hold(store), start(store)
    for parent in (held.reservation, owner):
        child = held_child(store, parent)
        stays = held_child(store, parent, "b")
        assert not store.write(settle=[requeue(stays)], now=NOW).cancelled
        [stays] = take(store, start(store), [CHILD])
        if isinstance(parent, Reservation):
            store.write(settle=[succeed(held)], now=NOW)
        else:
            store.close_owners([owner], now=NOW)
        written = store.write(settle=[requeue(child, attempts=1)], now=NOW)
        assert (list(written.lost), written.cancelled) == ([], {child.reservation: ENDED})
        assert is_orphaned(store, child.id)
        assert store.write(settle=[cancel(stays)], now=NOW).lost == []
    assert enqueued(store) == []


def check_a_run_of_a_schedule_is_a_parent_too(store: ParentStore) -> None:
    """It stays reserved until its end is written together with what follows."""
    put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    [held] = take(store, start(store))
    [child] = bear(store, held.reservation, "a")
    following = follow(held, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    assert not store.write([following], [succeed(held)], now=NOW).lost
    assert ids(enqueued(store)) == [following.id]
    assert is_orphaned(store, child.id)


def check_a_parent_is_not_replaced(store: ParentStore) -> None:
    """A job that waits and has children stays, and a new one is not stored."""
    held, other = hold(store, unique_key="k"), put_one(store, "other")
    [child] = bear(store, held.reservation, "a")
    store.write(settle=[requeue(held)], now=NOW)
    [waiting] = [job for job in enqueued(store) if job.id == held.id]
    new = NewJob(new_id(), ask(unique_key="k"))
    assert not store.replace(waiting, new, now=NOW)
    assert store.replace(other, None, now=NOW)
    assert sorted(ids(enqueued(store))) == sorted([held.id, child.id])


def check_children_of_a_live_parent_are_not_pruned(store: ParentStore) -> None:
    """They are once it has ended, and their rows with them; other jobs are pruned before."""
    for name in (None, CHILD):
        _prune_beside_live_parents(store, name)


def _prune_beside_live_parents(store: ParentStore, name: str | None) -> None:
    late = NOW + DAY

    def pruned() -> int:
        return sum(
            store.prune(state, timedelta(0), name=name, limit=10, now=late) for state in ENDS
        )

    for settle in ENDS.values():
        put_one(store, CHILD)
        [other] = take(store, start(store), [CHILD])
        store.write(settle=[settle(other)], now=NOW)
    held, owner = hold(store), start(store, 10 * DAY)
    for parent, settle in ((held.reservation, succeed), (owner, fail)):
        store.write(settle=[settle(held_child(store, parent))], now=NOW)
    [waiting] = bear(store, held.reservation, "w")
    store.operations.cancel([waiting.id], NO, now=NOW)
    assert (pruned(), pruned()) == (len(ENDS), 0)
    put_one(store, "another")
    start(store, 10 * DAY)
    store.write(settle=[succeed(held)], now=late)
    store.close_owners([owner], now=NOW)
    assert pruned() == 3
    assert (child_ids(store, held.id), child_ids(store, owner)) == ([], [])


def check_a_deleted_child_frees_its_key(store: ParentStore) -> None:
    """Whether it waited or had ended; a child that moves between tables keeps it."""
    for settle_other in ENDS.values():
        end(store, settle_other)
    held = hold(store)
    for settle in (None, succeed, fail):
        child = held_child(store, held.reservation)
        store.write(settle=[(settle or requeue)(child)], now=NOW)
        assert child_ids(store, held.id) == [child.id]
        assert store.operations.delete([child.id]) == [child.id]
        assert child_ids(store, held.id) == []
        assert store.nurseries.find_parent(child.id) is None


def check_a_running_child_is_not_deleted(store: ParentStore) -> None:
    """Nor is it forgotten as a child."""
    held = hold(store)
    child = held_child(store, held.reservation)
    assert store.operations.delete([child.id]) == []
    assert child_ids(store, held.id) == [child.id]


def check_a_retried_child_belongs_to_no_parent(store: ParentStore) -> None:
    """It does not end with its parent, unless the parent asks for its key again."""
    for adopted in (False, True):
        held = hold(store)
        child = held_child(store, held.reservation)
        store.write(settle=[fail(child)], now=NOW)
        assert store.operations.retry([child.id], now=NOW) == [child.id]
        [again] = enqueued(store)
        assert again.parent_id is None
        assert store.nurseries.find_parent(child.id) is None
        assert child_ids(store, held.id) == [child.id]
        if adopted:
            [job] = bear(store, held.reservation, "a")
            assert (job.id, job.parent_id) == (child.id, held.id)
        store.write(settle=[succeed(held)], now=NOW)
        assert is_orphaned(store, child.id) is adopted
        store.operations.delete([child.id])


def check_a_parent_cancels_its_children(store: ParentStore) -> None:
    """With its reason; it stays live, as do other jobs, and can start others."""
    held, other = hold(store), hold(store)
    running = held_child(store, held.reservation, "r")
    middle = held_child(store, held.reservation, "m")
    [low] = bear(store, middle.reservation, "low", name="low")
    store.write(settle=[requeue(middle)], now=NOW)
    [theirs] = bear(store, other.reservation, "w")
    found = store.nurseries.cancel_children(held.reservation, NO, now=NOW)
    assert found is not None
    assert (sorted(found.ended), list(found.asked)) == (
        sorted([middle.id, low.id]),
        [running.id],
    )
    ended = store.find(middle.id)
    assert isinstance(ended, CancelledJob)
    assert (ended.reason, ended.cancelled_by) == (NO.reason, NO.by)
    assert is_orphaned(store, low.id)
    assert running.reserved_by is not None
    assert store.operations.commands([running.reserved_by]).cancelled == {running.id: NO}
    assert (store.find(held.id), store.find(theirs.id, now=NOW)) == (held, theirs)
    assert len(bear(store, held.reservation, "m")) == 1


def check_a_parent_cancels_some_children(store: ParentStore) -> None:
    """Other children stay, and so do jobs that are none of its children."""
    owner, other = start(store), hold(store)
    first, second, running = bear(store, owner, "a", "b", "c")
    [theirs] = bear(store, other.reservation, "a", name="low")
    held = next(job for job in take(store, start(store), [CHILD]) if job.id == running.id)
    back = [job for job in listed(store, "running", name=CHILD) if job.id != held.id]
    store.write(settle=[requeue(job) for job in back], now=NOW)
    chosen = [first.id, held.id, theirs.id, other.id, new_id()]
    found = store.nurseries.cancel_children(owner, NO, chosen, now=NOW)
    assert found is not None
    assert (list(found.ended), list(found.asked)) == ([first.id], [held.id])
    assert sorted(ids(enqueued(store))) == sorted([second.id, theirs.id])
    none = store.nurseries.cancel_children(owner, NO, [], now=NOW)
    assert none is not None
    assert (list(none.ended), list(none.asked)) == ([], [])
    late = NOW + LEASE
    assert store.nurseries.cancel_children(owner, NO, now=late) is None


def check_no_orphans_are_found_among_live_families(store: ParentStore) -> None:
    """Jobs with a live parent, and jobs without one, stay."""
    held, owner = hold(store), start(store)
    bear(store, held.reservation, "a")
    bear(store, owner, "a")
    put_one(store)
    found = store.nurseries.end_orphans(now=NOW)
    assert (list(found.ended), list(found.asked)) == ([], [])
    assert len(enqueued(store)) == 3


def check_no_child_outlives_its_parent(store: ParentStore) -> None:
    """Threads start children, end parents, and put children back at once."""
    parents = [hold(store) for _ in range(16)]

    def work(number: int) -> None:
        for turn in range(16):
            held = parents[(turn + number) % len(parents)]
            if number % 2:
                born = store.nurseries.start_children(
                    held.reservation, [new_child(f"{number}"), new_child("both")], now=NOW
                )
                if born:
                    taken = take(store, start(store), [CHILD], 2)
                    store.write(settle=[requeue(job) for job in taken], now=NOW)
            elif turn > 3:
                store.write(settle=[succeed(held)], now=NOW)

    at_once(work)
    store.write(settle=[succeed(held) for held in parents], now=NOW)
    for job in listed(store, "running"):
        assert store.write(settle=[requeue(job)], now=NOW).cancelled
    assert enqueued(store) == []
