"""What processes of the previous version do is neither counted nor recorded."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs.stores.types import NewJob
from tests.fixtures.databases import Database
from tests.fixtures.previous_version import WORKER, Older, older_process
from tests.fixtures.stores import migrated, operator_of


@pytest.fixture
def store(database: Database) -> Iterator[bgjobs.Store]:
    with migrated(database.store()) as store:
        yield store


@pytest.fixture
def older(database: Database, store: bgjobs.Store) -> Iterator[Older]:
    with closing(older_process(database)) as older:
        yield older


def test_what_it_runs_is_not_counted(store: bgjobs.Store, older: Older) -> None:
    owner, job = new_id(), new_id()
    older.open_owner(owner)
    older.enqueue(job)
    assert older.reserve(owner) == {job}
    assert older.settle("succeed", owner, job)
    operations = operator_of(store)
    assert operations.activity(timedelta(days=1), timedelta(days=1)) == []
    assert operations.processes() == []


def test_what_it_does_for_an_operator_is_not_recorded(
    store: bgjobs.Store, older: Older
) -> None:
    """Entries of this version stay as they are."""
    operations, entry_id = operator_of(store), new_id()
    [waiting] = store.write([NewJob(new_id(), JobRequest(WORKER, "{}"))]).jobs
    operations.begin_audit(entry_id, "retry", WORKER, author="ada")
    assert older.run("pause_queue", name="mails") == [("mails",)]
    older.cancel(waiting.id, "no")
    assert older.retry(waiting.id)
    assert [one.id for one in operations.list_audit()] == [entry_id]
