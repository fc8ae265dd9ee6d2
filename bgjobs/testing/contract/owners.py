"""`find_owners`: the names of the owners that jobs refer to."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, Owner
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    LEASE,
    NOW,
    SECOND,
    ask,
    end,
    fail,
    put,
    requeue,
    succeed,
    take,
)

_ONE = Owner(new_id(), "default", "node-1:17")
_OTHER = Owner(new_id(), "ünïcödé 🦉 'x'", 'host "2"')
_NONE = timedelta(0)


def _open(store: Store, owner: Owner, *, jobs: int = 0) -> list[Job]:
    """Open an owner and reserve so many new jobs for it."""
    store.open_owner(owner, LEASE, now=NOW)
    put(store, *(ask() for _ in range(jobs)))
    return [*take(store, owner.id, limit=jobs)]


def _found(store: Store, owners: Collection[UUID] = (_ONE.id, _OTHER.id)) -> set[Owner]:
    found = store.find_owners(owners)
    assert len(set(found)) == len(found)
    return set(found)


def check_owners_are_found_by_their_ids(store: Store) -> None:
    """Unknown ones are left out, and each owner is returned once."""
    _open(store, _ONE)
    _open(store, _OTHER)
    assert _found(store) == {_ONE, _OTHER}
    assert _found(store, [_OTHER.id, new_id(), _OTHER.id]) == {_OTHER}
    assert _found(store, [new_id()]) == set()
    assert _found(store, []) == set()


def check_closed_and_expired_owners_stay_known(store: Store) -> None:
    """The jobs that they have ended refer to them."""
    store.write(settle=[succeed(job) for job in _open(store, _ONE, jobs=1)], now=NOW)
    store.write(settle=[succeed(job) for job in _open(store, _OTHER, jobs=1)], now=NOW)
    store.close_owners([_ONE.id], now=NOW + SECOND)
    assert _found(store) == {_ONE, _OTHER}
    store.close_owners(now=NOW + LEASE)
    assert _found(store) == {_ONE, _OTHER}
    assert not store.heartbeat([_ONE.id, _OTHER.id], LEASE, now=NOW).alive


def check_an_owner_is_known_until_its_last_job_is_deleted(store: Store) -> None:
    """Whatever the end of the job was."""
    jobs = _open(store, _ONE, jobs=len(ENDS))
    later = _open(store, _OTHER, jobs=1)
    store.write(
        settle=[settle(job) for settle, job in zip(ENDS.values(), jobs, strict=True)], now=NOW
    )
    store.close_owners([_ONE.id], now=NOW + SECOND)
    store.write(settle=[succeed(job) for job in later], now=NOW + DAY)
    store.close_owners([_OTHER.id], now=NOW + DAY)
    for state in ENDS:
        assert _found(store) == {_ONE, _OTHER}
        assert store.prune(state, DAY, limit=9, now=NOW + DAY + SECOND) == 1
    assert _found(store) == {_OTHER}
    assert store.prune("succeeded", _NONE, name="mail", limit=9, now=NOW + 2 * DAY) == 1
    assert _found(store) == set()


def check_a_live_owner_is_known_without_jobs(store: Store) -> None:
    """`prune` forgets closed owners only."""
    _open(store, _ONE)
    jobs = _open(store, _OTHER, jobs=1)
    store.write(settle=[succeed(job) for job in jobs], now=NOW)
    assert store.prune("succeeded", _NONE, limit=9, now=NOW + SECOND) == 1
    assert _found(store) == {_ONE, _OTHER}


def check_an_owner_is_known_while_its_job_is_reserved(store: Store) -> None:
    """The monitor names it when it puts the job back; then no job refers to it."""
    [held] = _open(store, _ONE, jobs=1)
    store.close_owners([_ONE.id], now=NOW)
    for known in ({_ONE}, set[Owner]()):
        end(store, succeed, name="other")
        store.close_owners(now=NOW + DAY)
        assert store.prune("succeeded", _NONE, limit=9, now=NOW + DAY) == 1
        assert _found(store) == known
        store.write(settle=[requeue(held)], now=NOW + DAY)


def check_an_owner_is_known_while_a_job_exists_that_ended_after_its_lease(
    store: Store,
) -> None:
    """Another process may have ended the job that the owner held when it was closed."""
    [held] = _open(store, _ONE, jobs=1)
    store.close_owners([_ONE.id], now=NOW)
    store.write(settle=[fail(held)], now=NOW + SECOND)
    store.close_owners(now=NOW + 2 * SECOND)
    assert store.prune("succeeded", _NONE, limit=9, now=NOW + DAY) == 0
    assert _found(store) == {_ONE}
    assert store.prune("failed", _NONE, limit=9, now=NOW + DAY) == 1
    assert _found(store) == set()


def check_an_owner_may_be_opened_and_closed_again(store: Store) -> None:
    """It stays known."""
    [held] = _open(store, _ONE, jobs=1)
    for _ in range(2):
        store.close_owners([_ONE.id], now=NOW)
        assert _found(store) == {_ONE}
        store.open_owner(_ONE, LEASE, now=NOW)
        assert _found(store) == {_ONE}
    assert store.find(held.id) == held
    store.write(settle=[succeed(held)], now=NOW)
    for _ in range(2):
        store.close_owners([_ONE.id], now=NOW)
        assert _found(store) == {_ONE}
        store.open_owner(_ONE, LEASE, now=NOW)
