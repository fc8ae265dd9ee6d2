"""Children whose end the database refuses: those of other parents end."""

from collections.abc import Iterator
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, Job
from bgjobs._core.requests import JobRequest
from bgjobs.errors import RowRefusedError
from bgjobs.stores.nurseries import NewChild
from bgjobs.stores.types import NewJob, Owner
from bgjobs.testing.contract.nurseries import ParentStore
from tests.fixtures.databases import Database
from tests.fixtures.hostile_rows import HostileRows
from tests.fixtures.stores import migrated

LEASE = timedelta(minutes=1)


@pytest.fixture
def store(database: Database) -> Iterator[ParentStore]:
    with migrated(cast("ParentStore", database.store())) as store:
        HostileRows(database).refuse("bad", "jobs_cancelled", "insert")
        yield store


def _born(store: ParentStore, *names: str) -> tuple[UUID, list[UUID]]:
    """Open an owner with children of these workers; return their ids."""
    owner = Owner(new_id(), "application", "node")
    store.open_owner(owner, LEASE)
    children = [NewChild(one, NewJob(new_id(), JobRequest(one, "{}"))) for one in names]
    started = store.nurseries.start_children(owner.id, children)
    assert started is not None
    return owner.id, [job.id for job in started]


def _is_cancelled(store: ParentStore, job: UUID) -> bool:
    found = store.find(job)
    assert isinstance(found, CancelledJob | Job)
    return isinstance(found, CancelledJob)


def test_owners_are_closed_and_the_children_of_others_end(store: ParentStore) -> None:
    refused, [bad, sibling] = _born(store, "bad", "good")
    other, [good] = _born(store, "good")
    store.close_owners([refused, other])
    assert not store.heartbeat([refused, other], LEASE).alive
    assert not store.operations.get_owners()
    with pytest.raises(RowRefusedError):
        store.nurseries.end_orphans()
    ends = {job: _is_cancelled(store, job) for job in (bad, sibling, good)}
    assert ends == {bad: False, sibling: False, good: True}


def test_refused_orphans_end_as_soon_as_the_database_takes_them(
    store: ParentStore, database: Database
) -> None:
    owners = [_born(store, name) for name in ("bad", "good", "bad")]
    store.close_owners([owner for owner, _ in owners])
    with pytest.raises(RowRefusedError):
        store.nurseries.end_orphans()
    rows = HostileRows(database)
    rows.run(f"update {rows.prefix}jobs set name = 'good'")
    ended = store.nurseries.end_orphans().ended
    assert set(ended) == {owners[0][1][0], owners[2][1][0]}
