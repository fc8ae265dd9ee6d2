"""A lease is trusted for a share of its length; a registry has the live and the dead owners."""

from uuid import UUID

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._runtime.leases.registry import TRUSTED_SHARE, DeadOwner, Lease, Registry
from bgjobs.stores.types import Owner


def a_lease(number: int = 1, seconds: float = 20.0) -> Lease:
    return Lease(Owner(UUID(int=number), "default", "here:1"), seconds, until=0.0)


def dead(lease: Lease, *, died: bool = True) -> DeadOwner:
    return DeadOwner(lease.owner, (), died)


def test_a_lease_that_was_never_renewed_is_over() -> None:
    assert a_lease().left(now=0.0) == 0.0
    assert a_lease().left(now=5.0) == 0.0


def test_a_renewed_lease_is_trusted_for_nine_tenths_of_its_length() -> None:
    lease = a_lease(seconds=20.0)
    lease.renew(started=100.0)
    assert lease.left(now=100.0) == pytest.approx(18.0)
    assert lease.left(now=117.0) == pytest.approx(1.0)
    assert lease.left(now=118.0) == 0.0
    assert lease.left(now=500.0) == 0.0


@given(st.floats(0, 10**9), st.floats(0.001, 10**6), st.floats(0, 10**6))
def test_it_is_over_here_before_it_can_be_over_in_the_store(
    started: float, seconds: float, answered_after: float
) -> None:
    """The store counts from a moment after `started`, so its lease ends later."""
    lease = a_lease(seconds=seconds)
    lease.renew(started)
    assert 0 < TRUSTED_SHARE < 1
    assert lease.left(started + answered_after + seconds) == 0.0


def test_a_refused_lease_is_over() -> None:
    lease = a_lease()
    lease.renew(started=100.0)
    lease.refused = True
    assert lease.left(now=100.0) == 0.0


def test_an_owner_is_alive_until_it_ends_and_dead_until_it_is_released() -> None:
    registry = Registry()
    first, second = a_lease(1), a_lease(2)
    registry.add(first)
    registry.add(second)
    assert registry.alive() == (first, second)
    assert registry.dead() == ()
    gone = dead(first)
    registry.ended(gone)
    assert registry.alive() == (second,)
    assert registry.dead() == (gone,)
    registry.released(gone)
    assert registry.dead() == ()
    assert registry.alive() == (second,)


def test_ending_and_releasing_twice_is_harmless() -> None:
    registry, lease = Registry(), a_lease()
    registry.ended(dead(lease))
    registry.ended(dead(lease))
    assert len(registry.dead()) == 1
    registry.released(dead(lease))
    registry.released(dead(lease))
    assert registry.dead() == ()


def test_a_returned_collection_does_not_change_later() -> None:
    registry = Registry()
    registry.add(a_lease(1))
    seen = registry.alive()
    registry.add(a_lease(2))
    registry.ended(dead(a_lease(1)))
    assert len(seen) == 1


@pytest.mark.anyio
async def test_the_end_of_an_owner_wakes_the_waiting_task() -> None:
    registry, woken = Registry(), []

    async def wait() -> None:
        await registry.wait_dead()
        woken.append(registry.dead())

    gone = dead(a_lease())
    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert woken == []
        registry.ended(gone)
    assert woken == [(gone,)]


@pytest.mark.anyio
async def test_an_end_before_the_wait_is_reported_once() -> None:
    registry = Registry()
    registry.ended(dead(a_lease(1)))
    registry.ended(dead(a_lease(2)))
    await registry.wait_dead()
    assert len(registry.dead()) == 2
    with anyio.CancelScope() as scope:
        scope.cancel()
        await registry.wait_dead()
    assert scope.cancelled_caught


@pytest.mark.anyio
async def test_a_cancelled_wait_forgets_nothing() -> None:
    """The monitor waits with a deadline; an end at the same time must still be reported."""
    registry = Registry()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await registry.wait_dead()
    registry.ended(dead(a_lease()))
    await registry.wait_dead()
    assert len(registry.dead()) == 1
