"""Two versions on one database: who runs goes on, and who comes too late refuses."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.errors import SchemaMismatchError
from bgjobs.stores.types import SCHEMA_VERSION, NewJob, Owner
from tests.fixtures.databases import Database, SQLiteFile
from tests.reliability.chaos.arenas import arena_on, strike_until
from tests.reliability.chaos.faults.versions import (
    FAULTS,
    NEWER,
    newer_producer,
    newer_worker,
    too_late,
)
from tests.reliability.chaos.named import named
from tests.reliability.chaos.storm_orders import Orders, orders_on

LEASE = timedelta(minutes=5)
NEWER_PROGRAM = """
import sys
from tests.reliability.chaos.faults.versions import MIGRATION, become_newer
from tests.reliability.chaos.storm_orders import orders_from
from tests.reliability.chaos.test_version_faults import settle_one
become_newer()
store = orders_from(sys.argv[1]).store()
store.open()
assert list(store.migrate()) == [MIGRATION]
store.check_schema()
settle_one(store)
store.close()
"""


@bgjobs.worker
async def work() -> None: ...


@pytest.fixture
def orders(database: Database, tmp_path: Path) -> Orders:
    """Orders on an empty database of this version."""
    store = database.store()
    store.open()
    store.migrate()
    store.close()
    return orders_on(database, str(tmp_path / "journal"))


def settle_one(store: bgjobs.Store) -> None:
    """Store a job, reserve it and let it succeed."""
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, LEASE)
    store.write([NewJob(new_id(), work.request())])
    [job] = store.reserve(owner.id, ["work"], 1)
    assert store.heartbeat([owner.id], LEASE).alive
    assert store.complete(job.reservation, lambda _: None)


def upgrade(orders: Orders) -> None:
    """Let a process of the next version migrate the database, and use it."""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", NEWER_PROGRAM, orders.text()]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_who_runs_already_goes_on(orders: Orders) -> None:
    store = orders.store()
    store.open()
    settle_one(store)
    upgrade(orders)
    settle_one(store)
    assert store.count().succeeded == 3
    store.close()


def test_an_older_version_that_begins_afterwards_refuses(orders: Orders) -> None:
    upgrade(orders)
    config = bgjobs.Config(store=orders.store(), queues=[bgjobs.Queue("all", workers=[work])])

    async def begin() -> None:
        async with bgjobs.run(config):
            raise AssertionError("it runs")

    with pytest.raises(SchemaMismatchError) as caught:
        anyio.run(begin)
    assert (caught.value.expected, caught.value.found) == (SCHEMA_VERSION, NEWER)
    text = f"expected schema version {SCHEMA_VERSION}, found {NEWER}"
    assert text in str(caught.value)


def test_a_process_that_comes_too_late_ends_by_being_refused(orders: Orders) -> None:
    upgrade(orders)
    too_late(orders)


def test_the_next_ones_are_newer_and_nobody_is_ended(
    sqlite_file: SQLiteFile, tmp_path: Path
) -> None:
    [fault] = FAULTS
    arena = arena_on(sqlite_file, tmp_path, fault)
    older = arena.start_worker()
    strike_until(fault, arena, "upgrades")
    newer, producer = arena.start_worker(), arena.start_producer()
    for _ in range(20):
        fault.strike(arena)
    assert arena.counts == {"upgrades": 1}
    assert older in arena.workers
    assert named(older.orders.program) is not newer_worker
    assert named(newer.orders.program) is newer_worker
    assert named(producer.orders.program) is newer_producer
