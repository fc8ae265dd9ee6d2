"""The triggers of a storm write down every step of a job's life, on both stores."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Fail, Requeue, Succeed
from bgjobs.stores.types import NewJob, Owner
from tests.fixtures.databases import Database
from tests.reliability.chaos import audit, history
from tests.reliability.chaos.storm_orders import Orders, orders_on

LEASE = timedelta(minutes=5)


@pytest.fixture
def orders(database: Database, tmp_path: Path) -> Orders:
    return orders_on(database, str(tmp_path / "journal"))


@pytest.fixture
def store(database: Database, orders: Orders) -> Iterator[bgjobs.Store]:
    opened = database.store()
    opened.open()
    opened.migrate()
    audit.install(orders)
    yield opened
    opened.close()


def enqueue(store: bgjobs.Store) -> None:
    store.write([NewJob(new_id(), JobRequest("work", "[]"))])


def reserve(store: bgjobs.Store) -> bgjobs.Job:
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, LEASE)
    [job] = store.reserve(owner.id, ["work"], 1)
    return job


def put_back(job: bgjobs.Job) -> Requeue:
    return Requeue(reservation=job.reservation, attempts=1, crashes=0, interruptions=0)


def failed(job: bgjobs.Job) -> Fail:
    return Fail(reservation=job.reservation, error="no", attempts=1, crashes=0, interruptions=0)


def entries(orders: Orders) -> list[audit.Entry]:
    with closing(orders.database.connect()) as connection:
        return audit.entries(connection, orders)


@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_every_step_is_written_down_with_who_took_it(
    store: bgjobs.Store, orders: Orders, end: str
) -> None:
    enqueue(store)
    first = reserve(store)
    store.write(settle=[put_back(first)])
    second = reserve(store)
    store.write(settle=[Succeed(second.reservation) if end == "succeeded" else failed(second)])
    found = entries(orders)
    assert [one.what for one in found[:4]] == ["stored", "claimed", "freed", "claimed"]
    assert {one.what for one in found[4:]} == {end, "deleted"}
    holders = [None, first.reserved_by, first.reserved_by, *[second.reserved_by] * 3]
    assert [one.owner for one in found] == [one and str(one) for one in holders]
    assert [one.number for one in found] == [0, 1, 1, 2, 2, 2]
    assert [one.attempts for one in found] == [0, 0, 1, 1, 1, 1]
    assert list(history.faults(found, may_crash=False)) == []


def test_the_lease_of_the_holder_is_written_down(store: bgjobs.Store, orders: Orders) -> None:
    enqueue(store)
    job = reserve(store)
    claimed = entries(orders)[-1]
    assert claimed.lease_left == pytest.approx(LEASE.total_seconds(), abs=30)
    store.close_owners([job.reservation.owner])
    store.write(settle=[put_back(job)])
    assert entries(orders)[-1].lease_left is None


def test_a_job_that_is_taken_from_its_holder_is_told_as_robbed(
    store: bgjobs.Store, orders: Orders
) -> None:
    enqueue(store)
    reserve(store)
    jobs = orders.table("jobs") if orders.schema else "bgjobs_jobs"
    with closing(orders.database.connect()) as connection:
        connection.execute(f"update {jobs} set reserved_by = '{new_id()}'")
        connection.commit()
    found = entries(orders)
    assert [one.what for one in found] == ["stored", "claimed", "robbed"]
    assert list(history.faults(found, may_crash=False))
