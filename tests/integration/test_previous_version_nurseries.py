"""What processes of the previous version do with parents and children."""

from collections.abc import Iterator
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, Job
from bgjobs._core.requests import JobRequest
from bgjobs.stores.nurseries import PARENT_ENDED, NewChild
from bgjobs.stores.types import NewJob, Owner, Succeed
from bgjobs.testing.contract.nurseries import ParentStore
from bgjobs.testing.contract.steps import fail, requeue
from tests.fixtures.databases import Database
from tests.fixtures.previous_version import WORKER, Older, Verb, older_process
from tests.fixtures.stores import migrated

_LEASE = timedelta(minutes=5)
_CHILD = "part"


@pytest.fixture
def store(database: Database) -> Iterator[ParentStore]:
    with migrated(cast("ParentStore", database.store())) as store:
        yield store


@pytest.fixture
def older(database: Database, store: ParentStore) -> Iterator[Older]:
    older = older_process(database)
    yield older
    older.close()


def _owner(store: ParentStore) -> UUID:
    owner = Owner(new_id(), "q", "n")
    store.open_owner(owner, _LEASE)
    return owner.id


def _parent(store: ParentStore) -> Job:
    """Store a job and reserve it for a new owner of this version."""
    store.write([NewJob(new_id(), JobRequest(_CHILD, "{}"))])
    [held] = store.reserve(_owner(store), [_CHILD], 1)
    return held


def _child(store: ParentStore, parent: Job, name: str = WORKER) -> UUID:
    new = NewChild("a", NewJob(new_id(), JobRequest(name, "{}")))
    started = store.nurseries.start_children(parent.reservation, [new])
    assert started is not None
    return started[0].id


def _run_by(older: Older) -> tuple[UUID, UUID]:
    """Reserve the only job of its worker by the older version; return owner and job."""
    owner = new_id()
    older.open_owner(owner)
    [job] = older.reserve(owner)
    return owner, job


def _has_been_orphaned(store: ParentStore, job_id: UUID) -> bool:
    found = store.find(job_id)
    return isinstance(found, CancelledJob) and found.reason == PARENT_ENDED


@pytest.mark.parametrize("verb", ["succeed", "fail"])
def test_a_child_that_it_ends_stays_a_child(
    store: ParentStore, older: Older, verb: Verb
) -> None:
    parent = _parent(store)
    child = _child(store, parent)
    owner, held = _run_by(older)
    assert held == child
    assert older.settle(verb, owner, child)
    ended = store.find(child)
    assert ended is not None
    assert ended.parent_id is None
    assert store.nurseries.find_parent(child) == parent.id
    assert [one.job for one in store.nurseries.children([parent.id])] == [ended]
    found = store.nurseries.look(parent.id, [child])
    assert (list(found.live), list(found.unsuccessful)) == ([], [])
    assert (_child(store, parent) == child) is (verb == "succeed")


@pytest.mark.parametrize("verb", ["succeed", "fail"])
def test_the_children_of_a_parent_that_it_ends_are_orphans(
    store: ParentStore, older: Older, verb: Verb
) -> None:
    store.write([NewJob(new_id(), JobRequest(WORKER, "{}"))])
    [parent] = store.reserve(_owner(store), [WORKER], 1)
    child = _child(store, parent, _CHILD)
    assert store.write(settle=[requeue(parent)]).lost == []
    owner, held = _run_by(older)
    assert older.settle(verb, owner, held, number=2)
    found = store.find(child)
    assert found is not None
    assert found.state == "waiting"
    assert list(store.nurseries.end_orphans().ended) == [child]
    assert _has_been_orphaned(store, child)
    assert list(store.nurseries.end_orphans().ended) == []


def test_a_child_that_it_puts_back_is_an_orphan(store: ParentStore, older: Older) -> None:
    store.write([NewJob(new_id(), JobRequest(WORKER, "{}"))])
    [parent] = store.reserve(_owner(store), [WORKER], 1)
    child = _child(store, parent)
    assert store.write(settle=[requeue(parent)]).lost == []
    owner = new_id()
    older.open_owner(owner)
    assert older.reserve(owner) == {parent.id, child}
    assert older.settle("succeed", owner, parent.id, number=2)
    assert older.settle("requeue", owner, child)
    found = store.find(child)
    assert found is not None
    assert found.state == "waiting"
    store.nurseries.end_orphans()
    assert _has_been_orphaned(store, child)


def test_it_carries_out_the_command_for_a_child(store: ParentStore, older: Older) -> None:
    parent = _parent(store)
    child = _child(store, parent)
    owner, _ = _run_by(older)
    assert store.write(settle=[Succeed(parent.reservation)]).commands
    assert dict(older.commands(owner)) == {child: PARENT_ENDED}
    older.settle("requeue", owner, child)
    assert not isinstance(store.find(child), Job)


def test_it_prunes_children_of_live_parents(store: ParentStore, older: Older) -> None:
    parent = _parent(store)
    child = _child(store, parent)
    [held] = store.reserve(_owner(store), [WORKER], 1)
    store.write(settle=[fail(held)])
    assert store.prune("failed", timedelta(0), limit=10) == 0
    older.run("prune_failed", kept_for=-1_000_000, failed_before=2**62)
    assert store.find(child) is None
    [left] = store.nurseries.children([parent.id])
    assert (left.id, left.job) == (child, None)
    assert _child(store, parent) != child
