"""`Nurseries`: children that are started, adopted and looked at."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import AnyJob, EndState, Job, Reservation
from bgjobs.errors import NestedTooDeeplyError
from bgjobs.stores.nurseries import DEEPEST, NewChild, NurseryStore, StoredChild
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.pages import Page
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    LEASE,
    NO,
    NOW,
    SECOND,
    TICK,
    ask,
    at_once,
    cancel,
    enqueued,
    fail,
    hold,
    ids,
    listed,
    put_one,
    requeue,
    start,
    succeed,
    take,
)

CHILD = "part"
"""The worker of children."""


class ParentStore(OperatedStore, NurseryStore, Protocol):
    """A store that has `Operations` and `Nurseries`."""


def new_child(key: str = "a", name: str = CHILD) -> NewChild:
    """Return a child of this worker to store."""
    return NewChild(key, NewJob(new_id(), ask(name)))


def bear(
    store: ParentStore, parent: Reservation | UUID, *keys: str, name: str = CHILD
) -> list[AnyJob]:
    """Start children with these keys; return their jobs."""
    new = [new_child(key, name) for key in keys]
    found = store.nurseries.start_children(parent, new, now=NOW)
    assert found is not None
    return [*found]


def held_child(store: ParentStore, parent: Reservation | UUID, key: str = "a") -> Job:
    """Start one child, and reserve all that wait for a new owner; return the child."""
    [child] = bear(store, parent, key)
    return next(job for job in take(store, start(store), [CHILD]) if job.id == child.id)


def child_ids(store: ParentStore, parent: UUID) -> Sequence[UUID]:
    """Return the ids of the children of a parent."""
    return [child.id for child in store.nurseries.children([parent], now=NOW)]


def check_a_job_with_a_hundred_ancestors_starts_no_child(store: ParentStore) -> None:
    """That is checked before its first child; the job below its last ancestor is refused."""
    held = hold(store)
    for _ in range(DEEPEST):
        held = held_child(store, held.reservation)
    try:
        bear(store, held.reservation, "a")
    except NestedTooDeeplyError as error:
        refused = error.job_id
    else:
        raise AssertionError(f"a child was stored below {DEEPEST} ancestors")
    assert (refused, child_ids(store, held.id)) == (held.id, [])
    [_] = bear(store, hold(store).reservation, "a")  # the other jobs do not matter
    assert not store.write(settle=[succeed(held)], now=NOW).lost


def check_children_are_stored_with_their_parent(store: ParentStore) -> None:
    """They are ordinary jobs; the jobs of others have no parent."""
    held = hold(store)
    first, second = bear(store, held.reservation, "a", "b")
    assert first.id != second.id
    for child in (first, second):
        assert (child.parent_id, child.name, child.created_at) == (held.id, CHILD, NOW)
        assert store.find(child.id, now=NOW) == child
        assert store.nurseries.find_parent(child.id) == held.id
    assert (held.parent_id, store.nurseries.find_parent(held.id)) == (None, None)
    assert put_one(store).parent_id is None
    assert store.find(held.id) == held


def check_an_ended_child_keeps_its_parent(store: ParentStore) -> None:
    """So does one that is put back; its row is that of an ended job as any other."""
    held = hold(store)
    for state, settle in ENDS.items():
        child = held_child(store, held.reservation, state)
        assert child.parent_id == held.id
        assert not store.write(settle=[requeue(child)], now=NOW).lost
        [again] = take(store, start(store), [CHILD])
        assert not store.write(settle=[settle(again)], now=NOW).lost
        [ended] = listed(store, state)
        assert (ended.id, ended.parent_id) == (child.id, held.id)
        assert store.nurseries.find_parent(child.id) == held.id


def check_children_of_an_application_belong_to_its_owner(store: ParentStore) -> None:
    """An owner is a parent as long as its lease is live."""
    owner = start(store)
    [child] = bear(store, owner, "a")
    assert child.parent_id == owner
    assert child_ids(store, owner) == [child.id]
    assert bear(store, owner, "a") == [child]
    late = NOW + LEASE
    assert store.nurseries.start_children(owner, [new_child("b")], now=late - TICK)
    assert store.nurseries.start_children(owner, [new_child("c")], now=late) is None
    assert store.nurseries.start_children(new_id(), [new_child()], now=NOW) is None
    assert store.nurseries.cancel_children(new_id(), NO, now=NOW) is None
    assert len(enqueued(store)) == 2


def check_a_lost_parent_has_no_children(store: ParentStore) -> None:
    """Each part of the reservation counts: id, owner and number."""
    held = hold(store)
    owner, number = start(store), held.reservations + 1
    lost = [
        Reservation(new_id(), held.reservation.owner, held.reservations),
        Reservation(held.id, owner, held.reservations),
        Reservation(held.id, held.reservation.owner, number),
        Reservation(held.id, held.reservation.owner, number - 2),
    ]
    for one in lost:
        assert store.nurseries.start_children(one, [new_child()], now=NOW) is None
        assert store.nurseries.cancel_children(one, NO, now=NOW) is None
    assert (enqueued(store), child_ids(store, held.id)) == ([], [])
    assert not store.write(settle=[succeed(held)], now=NOW).lost
    assert store.nurseries.start_children(held.reservation, [new_child()], now=NOW) is None
    assert enqueued(store) == []


def check_a_live_or_succeeded_child_is_adopted(store: ParentStore) -> None:
    """Nothing is stored for its key, while it waits, runs, and after it has succeeded."""
    held = hold(store)
    [child] = bear(store, held.reservation, "a")
    assert bear(store, held.reservation, "a") == [child]
    [running] = take(store, start(store), [CHILD])
    assert bear(store, held.reservation, "a") == [running]
    store.write(settle=[succeed(running, '"x"')], now=NOW)
    [ended] = bear(store, held.reservation, "a")
    assert (ended, ended.state) == (store.find(child.id), "succeeded")
    assert enqueued(store) == []
    again = bear(store, held.reservation, "b", "a")
    assert (again[1], len(enqueued(store))) == (ended, 1)


def check_a_later_run_of_the_parent_adopts(store: ParentStore) -> None:
    """The children of a parent that was put back stay, and the next owner finds them."""
    held = hold(store)
    [child] = bear(store, held.reservation, "a")
    assert not store.write(settle=[requeue(held)], now=NOW).lost
    assert sorted(ids(enqueued(store))) == sorted([held.id, child.id])
    [again] = take(store, start(store))
    assert store.nurseries.start_children(held.reservation, [new_child()], now=NOW) is None
    assert bear(store, again.reservation, "a") == [child]


def check_a_child_without_success_is_replaced(store: ParentStore) -> None:
    """The new job is the child of the key from then on, and the earlier one is none."""
    held = hold(store)
    for settle in (fail, cancel):
        ended = held_child(store, held.reservation)
        store.write(settle=[settle(ended)], now=NOW)
        [anew] = bear(store, held.reservation, "a")
        assert anew.id != ended.id
        assert child_ids(store, held.id) == [anew.id]
        assert store.nurseries.find_parent(ended.id) is None
        assert list(store.nurseries.look(held.id, [], now=NOW).unsuccessful) == []
        assert store.operations.delete([anew.id]) == [anew.id]


def check_a_repeated_call_stores_nothing_again(store: ParentStore) -> None:
    """Also if the child has failed meanwhile: the answer of the first call was lost."""
    held, new = hold(store), new_child()
    first = store.nurseries.start_children(held.reservation, [new], now=NOW)
    assert store.nurseries.start_children(held.reservation, [new], now=NOW) == first
    [running] = take(store, start(store), [CHILD])
    store.write(settle=[fail(running)], now=NOW)
    again = store.nurseries.start_children(held.reservation, [new], now=NOW)
    assert again is not None
    assert (ids(again), [job.state for job in again]) == ([new.job.id], ["failed"])
    assert enqueued(store) == []


def check_keys_belong_to_their_parent(store: ParentStore) -> None:
    """Two parents may have children of the same key; one call has one job for each key."""
    one, other = hold(store), hold(store)
    [mine], [theirs] = (bear(store, job.reservation, "a") for job in (one, other))
    assert mine.id != theirs.id
    first, second, third = bear(store, one.reservation, "k", "a", "k")
    assert (first, second) == (third, mine)
    assert sorted(child_ids(store, one.id)) == sorted([mine.id, first.id])
    assert child_ids(store, other.id) == [theirs.id]


def check_a_child_is_valid(store: ParentStore) -> None:
    """Keys have 1 to 200 characters, and a child has no unique key."""
    held = hold(store)
    bear(store, held.reservation, "ü" * 200)
    keyed = NewChild("k", NewJob(new_id(), ask(unique_key="k")))
    for new in (new_child(""), new_child("x" * 201), keyed):
        try:
            store.nurseries.start_children(held.reservation, [new], now=NOW)
        except ValueError:
            continue
        raise AssertionError("a child was stored that is not valid")
    assert len(enqueued(store)) == 1


def check_a_thousand_children_are_one_call(store: ParentStore) -> None:
    """They come back in their order, when they are stored and when they are adopted."""
    held = hold(store)
    keys = [f"{number}" for number in range(1000)]
    stored = bear(store, held.reservation, *keys)
    assert len({job.id for job in stored}) == len(keys)
    assert bear(store, held.reservation, *reversed(keys)) == stored[::-1]
    assert store.count(now=NOW).waiting == len(keys)
    assert store.nurseries.start_children(held.reservation, [], now=NOW) == []


def check_two_nodes_start_one_child(store: ParentStore) -> None:
    """Threads that start the same keys at once get the same jobs, of either kind of parent."""
    held, owner = hold(store), start(store)
    for parent in (held.reservation, owner):
        found = at_once(partial(_both, store, parent))
        assert len({tuple(one) for one in found}) == 1
    assert len(enqueued(store)) == 4


def _both(store: ParentStore, parent: Reservation | UUID, number: int) -> list[UUID]:
    keys = ("a", "b") if number % 2 else ("b", "a")
    return sorted(ids(bear(store, parent, *keys)))


def check_a_look_finds_what_is_live(store: ParentStore) -> None:
    """Only among the jobs that are asked about."""
    held = hold(store)
    waiting, other, running = bear(store, held.reservation, "a", "b", "c")
    taken = take(store, start(store), [CHILD], 3)
    store.write(settle=[requeue(job) for job in taken if job.id != running.id], now=NOW)
    [ended] = bear(store, held.reservation, "d")
    store.operations.cancel([ended.id], NO, now=NOW)
    among = [waiting.id, running.id, ended.id, new_id()]
    found = store.nurseries.look(held.id, among, now=NOW + SECOND)
    assert (set(found.live), found.now) == ({waiting.id, running.id}, NOW + SECOND)
    assert set(store.nurseries.look(held.id, [], now=NOW).live) == set()
    assert other.id not in found.live


def check_a_look_finds_what_has_no_success(store: ParentStore) -> None:
    """At the time or later, the earliest first, and only children of this parent."""
    held, stranger = hold(store), hold(store)
    ends: Sequence[tuple[EndState, int]] = (
        *(("failed", 2), ("cancelled", 1)),
        *(("succeeded", 3), ("failed", 3)),
    )
    found: list[UUID] = []
    for number, (state, seconds) in enumerate(ends):
        child = held_child(store, held.reservation, f"{number}")
        store.write(settle=[ENDS[state](child)], now=NOW + seconds * SECOND)
        found.append(child.id)
    other = held_child(store, stranger.reservation)
    store.write(settle=[fail(other)], now=NOW)
    failed, cancelled, _, last = found
    look = store.nurseries.look
    assert list(look(held.id, [], now=NOW).unsuccessful) == [cancelled, failed, last]
    since = NOW + 2 * SECOND
    assert list(look(held.id, [], since, now=NOW).unsuccessful) == [failed, last]
    assert list(look(held.id, [], since + TICK, now=NOW).unsuccessful) == [last]
    assert list(look(held.id, [], NOW + DAY, now=NOW).unsuccessful) == []


def check_a_look_returns_a_hundred_at_most(store: ParentStore) -> None:
    """The others are found once these are known, by the time."""
    held = hold(store)
    jobs = bear(store, held.reservation, *map(str, range(101)))
    store.operations.cancel(ids(jobs), NO, now=NOW)
    assert len(store.nurseries.look(held.id, [], now=NOW).unsuccessful) == 100


def check_children_are_listed_in_pages(store: ParentStore) -> None:
    """By the ids of their jobs, whatever their state, also after the parent has ended."""
    held = hold(store)
    born = bear(store, held.reservation, *"cab")
    stored = {job.id: key for key, job in zip("cab", born, strict=True)}
    ended = take(store, start(store), [CHILD], 1)
    store.write(settle=[*map(succeed, ended), succeed(held)], now=NOW)
    order = sorted(stored)
    first = store.nurseries.children([held.id], Page(2), now=NOW)
    assert first.after is not None
    rest = store.nurseries.children([held.id], Page(2, first.after), now=NOW)
    assert rest.after is None
    expected = [
        StoredChild(held.id, stored[one], one, store.find(one, now=NOW)) for one in order
    ]
    assert [*first, *rest] == expected
    assert store.nurseries.children([held.id], Page(0), now=NOW) == []
    assert store.nurseries.children([new_id()], now=NOW) == []
