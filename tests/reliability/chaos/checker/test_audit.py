"""The audit log records every change of a job, on both stores."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import EndState
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Requeue
from bgjobs.stores.types import NewJob, Owner
from bgjobs.testing.contract.steps import ENDS, report, requeue
from tests.fixtures.databases import Database
from tests.fixtures.stores import migrated
from tests.reliability.chaos.checker import audit, history
from tests.reliability.chaos.settings import ProcessSettings, settings_for

LEASE = timedelta(minutes=5)


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> ProcessSettings:
    return settings_for(database, str(tmp_path / "journal"))


@pytest.fixture
def store(database: Database, settings: ProcessSettings) -> Iterator[bgjobs.Store]:
    with migrated(database.store()) as store:
        audit.install(settings)
        yield store


def enqueue(store: bgjobs.Store) -> None:
    store.write([NewJob(new_id(), JobRequest("work", "[]"))])


def reserve(store: bgjobs.Store) -> bgjobs.Job:
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, LEASE)
    [job] = store.reserve(owner.id, ["work"], 1)
    return job


def put_back(job: bgjobs.Job) -> Requeue:
    return requeue(job, attempts=1)


def entries(settings: ProcessSettings) -> list[audit.Entry]:
    with closing(settings.database.connect()) as connection:
        return audit.entries(connection, settings)


@pytest.mark.parametrize("end", ENDS)
def test_every_change_is_recorded_with_its_owner(
    store: bgjobs.Store, settings: ProcessSettings, end: EndState
) -> None:
    enqueue(store)
    first = reserve(store)
    store.write(settle=[put_back(first)], progress=[report(first)])  # which is no entry
    second = reserve(store)
    store.write(settle=[ENDS[end](second)])
    found = entries(settings)
    assert [one.what for one in found[:4]] == ["stored", "reserved", "released", "reserved"]
    assert {one.what for one in found[4:]} == {end, "deleted"}
    holders = [None, first.reserved_by, first.reserved_by, *[second.reserved_by] * 3]
    assert [one.owner for one in found] == [one and str(one) for one in holders]
    assert [one.number for one in found] == [0, 1, 1, 2, 2, 2]
    assert [one.attempts for one in found] == [0, 0, 1, 1, 1, 1]
    assert list(history.faults(found, may_crash=False)) == []


def test_the_rest_of_the_owners_lease_is_recorded(
    store: bgjobs.Store, settings: ProcessSettings
) -> None:
    enqueue(store)
    job = reserve(store)
    reserved = entries(settings)[-1]
    assert reserved.lease_left == pytest.approx(LEASE.total_seconds(), abs=30)
    store.close_owners([job.reservation.owner])
    store.write(settle=[put_back(job)])
    left = entries(settings)[-1].lease_left
    assert left is not None
    assert left <= 0


def test_a_change_of_owner_without_a_release_is_recorded_as_stolen(
    store: bgjobs.Store, settings: ProcessSettings
) -> None:
    enqueue(store)
    reserve(store)
    jobs = settings.table("jobs") if settings.schema else "bgjobs_jobs"
    with closing(settings.database.connect()) as connection:
        connection.execute(f"update {jobs} set reserved_by = '{new_id()}'")
        connection.commit()
    found = entries(settings)
    assert [one.what for one in found] == ["stored", "reserved", "stolen"]
    assert list(history.faults(found, may_crash=False))
