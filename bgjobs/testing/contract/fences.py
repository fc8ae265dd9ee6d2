"""The fence: a settlement touches a job only under exactly its reservation."""
# ruff: noqa: D401 - the docstring of a check goes on where its name ends

from collections.abc import Callable
from typing import Any

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.settlements import Settlement
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    LEASE,
    NOW,
    ask,
    drop,
    fail,
    hold,
    ids,
    put_one,
    requeue,
    start,
    succeed,
    take,
)

_KINDS: tuple[Callable[[Job], Settlement], ...] = (succeed, fail, requeue, drop)


def _assert_lost(store: Store, job: Job, reservation: Reservation) -> None:
    """Every settlement, and `complete`, under this reservation changes nothing of `job`."""
    before = store.find(job.id)
    for kind in _KINDS:
        settlement = evolve(kind(job), reservation=reservation)
        assert list(store.write(settle=[settlement], now=NOW).lost) == [reservation]
        assert store.find(job.id) == before
    called: list[Any] = []
    assert store.complete(reservation, called.append, now=NOW) is False
    assert called == []
    assert store.find(job.id) == before


def check_another_owner_cannot_settle(store: Store) -> None:
    """Even with the right number."""
    held = hold(store)
    _assert_lost(store, held, evolve(held.reservation, owner=start(store)))
    assert list(store.get_running()) == [held]


def check_another_number_cannot_settle(store: Store) -> None:
    """Even by the right owner: neither an older nor a newer one."""
    held = hold(store)
    for number in (0, 2):
        _assert_lost(store, held, evolve(held.reservation, number=number))


def check_an_unknown_job_cannot_be_settled(store: Store) -> None:
    """It is reported as lost, not as an error."""
    held = hold(store)
    _assert_lost(store, held, evolve(held.reservation, job_id=new_id()))


def check_a_released_job_cannot_be_settled(store: Store) -> None:
    """The reservation was given back."""
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW)
    _assert_lost(store, held, held.reservation)


def check_a_job_reserved_by_another_cannot_be_settled(store: Store) -> None:
    """The former holder was declared dead."""
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW)
    [taken] = take(store, start(store))
    _assert_lost(store, held, held.reservation)
    assert store.find(held.id) == taken


def check_a_job_reserved_again_by_its_owner_cannot_be_settled_twice(store: Store) -> None:
    """The number tells the two reservations apart."""
    put_one(store)
    owner = start(store)
    [first] = take(store, owner)
    store.write(settle=[requeue(first)], now=NOW)
    [second] = take(store, owner)
    _assert_lost(store, first, first.reservation)
    assert not store.write(settle=[succeed(second)], now=NOW).lost


def check_a_succeeded_job_cannot_be_settled(store: Store) -> None:
    """It has ended."""
    held = hold(store)
    store.write(settle=[succeed(held)], now=NOW)
    _assert_lost(store, held, held.reservation)


def check_a_failed_job_cannot_be_settled(store: Store) -> None:
    """It has ended."""
    held = hold(store)
    store.write(settle=[fail(held)], now=NOW)
    _assert_lost(store, held, held.reservation)


def check_a_dropped_job_cannot_be_settled(store: Store) -> None:
    """It is gone."""
    held = hold(store)
    store.write(settle=[drop(held)], now=NOW)
    _assert_lost(store, held, held.reservation)


def check_a_waiting_job_cannot_be_settled(store: Store) -> None:
    """Nobody holds it yet."""
    job = put_one(store)
    owner = start(store)
    _assert_lost(store, evolve(job, reserved_by=owner), Reservation(job.id, owner, 0))


def check_a_lost_settlement_does_not_stop_the_others(store: Store) -> None:
    """Those that hold are written, and so are the new jobs."""
    mine, theirs = hold(store), hold(store)
    store.write(settle=[requeue(theirs)], now=NOW)
    new = NewJob(new_id(), ask("next"))
    written = store.write([new], [succeed(theirs), succeed(mine)], now=NOW)
    assert list(written.lost) == [theirs.reservation]
    assert ids(store.get_succeeded()) == [mine.id]
    assert ids(store.get_enqueued("next")) == [new.id]


def check_the_fence_does_not_ask_for_the_lease(store: Store) -> None:
    """Who still holds the job may settle it: nobody has taken it away."""
    held = hold(store)
    assert not store.write(settle=[succeed(held)], now=NOW + 2 * LEASE).lost
