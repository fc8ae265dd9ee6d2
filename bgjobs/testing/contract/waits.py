"""`Nurseries`: the handlers that wait for their children, as they are recorded."""

from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Reservation
from bgjobs.testing.contract.nurseries import ParentStore
from bgjobs.testing.contract.steps import (
    LEASE,
    NOW,
    SECOND,
    ask,
    hold,
    put,
    requeue,
    start,
    take,
)


def check_waits_are_recorded_for_what_holds(store: ParentStore) -> None:
    """A wait begins and ends; a repeated call changes nothing, nor does a lost reservation."""
    first, second = hold(store), hold(store)
    held = [first.reservation, second.reservation]
    record, among = store.nurseries.record_waits, store.nurseries.waiting_among
    owner, number = first.reservation.owner, first.reservations
    lost = [
        Reservation(new_id(), owner, number),
        Reservation(first.id, second.reservation.owner, number),
        Reservation(first.id, owner, number + 1),
        Reservation(first.id, owner, number - 1),
    ]
    record(lost, now=NOW)
    assert set(among([*lost, *held])) == set()
    for _ in range(2):
        record(held, now=NOW)
        assert set(among([*held, *lost])) == set(held)
        assert set(among(held[:1])) == set(held[:1])
    record(ended=lost, now=NOW)
    assert set(among(held)) == set(held)
    for _ in range(2):
        record(ended=held[:1], now=NOW)
        assert set(among(held)) == {held[1]}
    assert set(among([])) == set()
    record(now=NOW)


def check_a_wait_has_the_time_of_its_record(store: ParentStore) -> None:
    """Also after a repeated call; the next run of the job begins anew."""
    held = hold(store)
    for seconds in (0, 1):
        store.nurseries.record_waits([held.reservation], now=NOW + seconds * SECOND)
    assert store.nurseries.waiting_among([held.reservation]) == {held.reservation: NOW}
    store.write(settle=[requeue(held)], now=NOW)
    [again] = take(store, start(store))
    store.nurseries.record_waits([again.reservation], now=NOW + SECOND)
    found = store.nurseries.waiting_among([again.reservation])
    assert found == {again.reservation: NOW + SECOND}


def check_waiting_handlers_are_counted_for_their_owner(store: ParentStore) -> None:
    """Only those whose reservation holds; the others of the owner run."""
    owner, other = start(store), start(store)
    put(store, *(ask() for _ in range(3)))
    first, second, third = take(store, owner, limit=3)
    assert _numbers(store) == {owner: (3, 0), other: (0, 0)}
    store.nurseries.record_waits([first.reservation, second.reservation], now=NOW)
    assert _numbers(store) == {owner: (3, 2), other: (0, 0)}
    store.nurseries.record_waits(ended=[first.reservation], now=NOW)
    assert _numbers(store) == {owner: (3, 1), other: (0, 0)}
    assert not store.write(settle=[requeue(second)], now=NOW).lost
    assert _numbers(store) == {owner: (2, 0), other: (0, 0)}
    take(store, other)
    assert _numbers(store) == {owner: (2, 0), other: (1, 0)}
    store.nurseries.record_waits([third.reservation], now=NOW)
    assert _numbers(store) == {owner: (2, 1), other: (1, 0)}


def _numbers(store: ParentStore) -> dict[UUID, tuple[int, int]]:
    found = store.operations.get_owners(now=NOW)
    return {one.id: (one.running, one.waiting) for one in found}


def check_a_wait_ends_with_its_reservation(store: ParentStore) -> None:
    """The next run of the same job does not wait until it says so."""
    held = hold(store)
    store.nurseries.record_waits([held.reservation], now=NOW)
    store.write(settle=[requeue(held)], now=NOW)
    assert set(store.nurseries.waiting_among([held.reservation])) == set()
    [again] = take(store, start(store))
    both = [held.reservation, again.reservation]
    assert set(store.nurseries.waiting_among(both)) == set()
    store.close_owners(now=NOW)
    store.nurseries.record_waits([again.reservation], now=NOW)
    store.close_owners(now=NOW)
    assert set(store.nurseries.waiting_among(both)) == {again.reservation}
    store.nurseries.record_waits([held.reservation], now=NOW)
    assert set(store.nurseries.waiting_among(both)) == {again.reservation}


def check_an_abandoned_job_waits_still(store: ParentStore) -> None:
    """The monitor asks whether the handler waited when its owner died."""
    held = hold(store)
    store.nurseries.record_waits([held.reservation], now=NOW)
    late = NOW + 2 * LEASE
    store.close_owners(now=late)
    [left] = store.abandoned(now=late)
    assert set(store.nurseries.waiting_among([left.reservation])) == {held.reservation}
