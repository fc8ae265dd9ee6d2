"""Owners and their leases: `open_owner`, `heartbeat`, `abandoned`, `close_owners`."""

from datetime import UTC, datetime, timedelta

from bgjobs._core.ids import new_id
from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import Owner
from bgjobs.testing.contract.steps import (
    ENDS,
    LEASE,
    NOW,
    SECOND,
    TICK,
    ask,
    end,
    enqueued,
    hold,
    ids,
    put,
    put_one,
    requeue,
    start,
    take,
)


def check_a_heartbeat_renews_a_live_lease(store: Store) -> None:
    """The new lease has the given length."""
    owner = start(store, LEASE)
    put_one(store)
    beat = store.heartbeat([owner], 2 * LEASE, now=NOW + LEASE - TICK)
    assert set(beat.alive) == {owner}
    assert len(take(store, owner, now=NOW + 2 * LEASE)) == 1


def check_a_renewed_lease_ends_a_lease_from_now(store: Store) -> None:
    """The length counts from the heartbeat, not from the old end."""
    owner = start(store, LEASE)
    put_one(store)
    store.heartbeat([owner], LEASE, now=NOW + SECOND)
    assert list(take(store, owner, now=NOW + SECOND + LEASE)) == []
    assert len(take(store, owner, now=NOW + SECOND + LEASE - TICK)) == 1


def check_an_ended_lease_cannot_be_renewed(store: Store) -> None:
    """A lease has ended at its last instant."""
    owner = start(store, LEASE)
    assert set(store.heartbeat([owner], LEASE, now=NOW + LEASE).alive) == set()
    assert set(store.heartbeat([owner], LEASE, now=NOW + 2 * LEASE).alive) == set()
    put_one(store)
    assert list(take(store, owner, now=NOW + LEASE)) == []


def check_a_heartbeat_tells_the_live_from_the_dead(store: Store) -> None:
    """Only the given owners count, each with its own lease."""
    long, short, other = start(store, 2 * LEASE), start(store, LEASE), start(store, 2 * LEASE)
    beat = store.heartbeat([long, short, new_id()], LEASE, now=NOW + LEASE)
    assert set(beat.alive) == {long}
    late = NOW + 2 * LEASE - TICK
    assert set(store.heartbeat([long, other], LEASE, now=late).alive) == {long, other}
    assert set(store.heartbeat([other], LEASE, now=NOW + 3 * LEASE).alive) == set()


def check_a_heartbeat_of_nobody_is_harmless(store: Store) -> None:
    """A heartbeat without owners returns the time."""
    beat = store.heartbeat([], LEASE, now=NOW)
    assert list(beat.alive) == []
    assert beat.now == NOW


def check_a_heartbeat_tells_the_clock_of_the_store(store: Store) -> None:
    """The time is in UTC and does not decrease."""
    first = store.heartbeat([], LEASE).now
    assert first.utcoffset() == timedelta(0)
    assert first > datetime(2020, 1, 1, tzinfo=UTC)
    assert store.heartbeat([], LEASE).now >= first


def check_opening_an_owner_again_changes_nothing(store: Store) -> None:
    """A repeated call does not extend the lease, as the first answer may have been lost."""
    owner = Owner(new_id(), "default", "node-1")
    store.open_owner(owner, LEASE, now=NOW)
    store.open_owner(owner, 10 * LEASE, now=NOW + SECOND)
    assert set(store.heartbeat([owner.id], LEASE, now=NOW + LEASE).alive) == set()


def check_owners_may_have_the_same_name_and_node(store: Store) -> None:
    """Owners are identified by their ids."""
    one, other = start(store), start(store)
    assert set(store.heartbeat([one, other], LEASE, now=NOW).alive) == {one, other}


def check_jobs_of_a_live_owner_are_not_abandoned(store: Store) -> None:
    """The last microsecond belongs to the lease."""
    hold(store)
    assert list(store.abandoned(now=NOW)) == []
    assert list(store.abandoned(now=NOW + LEASE - TICK)) == []


def check_jobs_of_an_ended_lease_are_abandoned(store: Store) -> None:
    """From the end of the lease on, `abandoned` returns the reserved jobs unchanged."""
    held = hold(store)
    put_one(store, "waiting")
    assert list(store.abandoned(now=NOW + LEASE)) == [held]
    assert store.find(held.id) == held, "abandoned must not change the job"


def check_jobs_of_a_closed_owner_are_abandoned(store: Store) -> None:
    """A closed owner has no lease."""
    held = hold(store)
    assert held.reserved_by is not None
    store.close_owners([held.reserved_by], now=NOW)
    assert list(store.abandoned(now=NOW)) == [held]


def check_abandoned_gives_page_after_page_by_id(store: Store) -> None:
    """Jobs of all owners are listed together, the oldest first."""
    jobs = put(store, *(ask(priority=-place) for place in range(6)))
    one, other = start(store), start(store)
    for owner in (one, other, one, other, one, other):
        take(store, owner, limit=1)
    ended, first, *_, last = NOW + LEASE, *sorted(ids(jobs))
    assert ids(store.abandoned(Page(4), now=ended)) == sorted(ids(jobs))[:4]
    assert ids(store.abandoned(Page(4, after=first), now=ended)) == sorted(ids(jobs))[1:5]
    assert ids(store.abandoned(now=ended)) == sorted(ids(jobs))
    assert list(store.abandoned(Page(4, after=last), now=ended)) == []
    assert list(store.abandoned(Page(0), now=ended)) == []


def check_ended_and_released_jobs_are_not_abandoned(store: Store) -> None:
    """Such jobs have no owner."""
    for settle in (*ENDS.values(), requeue):
        end(store, settle)
    assert list(store.abandoned(now=NOW + LEASE)) == []


def check_an_abandoned_job_can_be_settled_for_its_owner(store: Store) -> None:
    """The monitor writes with the reservation of the dead owner; a second write is lost."""
    hold(store)
    [left] = store.abandoned(now=NOW + LEASE)
    settlement = requeue(left, crashes=1)
    assert not store.write(settle=[settlement], now=NOW + LEASE).lost
    assert len(store.write(settle=[settlement], now=NOW + LEASE).lost) == 1
    assert enqueued(store)[0].crashes == 1
    assert list(store.abandoned(now=NOW + LEASE)) == []


def check_closing_an_owner_ends_its_lease(store: Store) -> None:
    """Other owners keep their leases."""
    one, other = start(store), start(store)
    store.close_owners([one], now=NOW)
    assert set(store.heartbeat([one, other], LEASE, now=NOW).alive) == {other}


def check_closing_owners_forgets_those_whose_lease_has_ended(store: Store) -> None:
    """Their rows are deleted, so an owner with the same id can be opened."""
    owner = Owner(new_id(), "default", "node-1")
    store.open_owner(owner, LEASE, now=NOW)
    live = start(store, 2 * LEASE)
    store.close_owners(now=NOW + LEASE - TICK)
    store.open_owner(owner, 5 * LEASE, now=NOW)
    assert set(store.heartbeat([owner.id], LEASE, now=NOW + LEASE).alive) == set()
    store.close_owners(now=NOW + LEASE)
    store.open_owner(owner, LEASE, now=NOW + LEASE)
    found = store.heartbeat([owner.id, live], LEASE, now=NOW + LEASE)
    assert set(found.alive) == {owner.id, live}


def check_closing_unknown_owners_is_harmless(store: Store) -> None:
    """Closing without owners is harmless too."""
    store.close_owners([new_id()], now=NOW)
    store.close_owners(now=NOW)
