"""Without room nothing is stored and nothing is lost; with room again all goes on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.types import NewJob
from tests.fixtures.databases import SQLiteFile
from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.arenas import arena_on, strike_until
from tests.reliability.chaos.dressing import inner_store
from tests.reliability.chaos.faults.disk import FAULTS, FullDisk, PageLimit, sign_of
from tests.reliability.chaos.named import named
from tests.reliability.chaos.small_disk import may_mount

LARGE = '["' + 10_000 * "x" + '"]'
MANY = 10_000
"""Jobs; by then any room there is has been filled."""


@bgjobs.worker
async def work(text: str) -> None: ...


@pytest.fixture
def file(tmp_path: Path) -> SQLiteFile:
    """A file with the schema, closed."""
    file = SQLiteFile(tmp_path / "jobs.db")
    store = file.store()
    store.open()
    store.migrate()
    store.close()
    return file


def opened(arena: Arena) -> Iterator[bgjobs.Store]:
    """A worker's store, as the fault wants it."""
    config = bgjobs.Config(store=arena.orders.store(), enqueue_only=[work])
    for dress in arena.orders.dress:
        config = named(dress)(config, arena.orders)
    store: bgjobs.Store = inner_store(config)
    store.open()
    yield store
    store.close()


def fill(store: bgjobs.Store) -> int:
    """Store jobs until there is no room; gives how many."""
    for number in range(MANY):
        try:
            store.write([NewJob(new_id(), JobRequest("work", LARGE))])
        except StoreUnavailableError:
            return number
    raise AssertionError("there was room")


def check(file: Path, jobs: int) -> None:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("select count(*) from bgjobs_jobs").fetchone() == (jobs,)


def test_a_file_that_may_not_grow(file: SQLiteFile, tmp_path: Path) -> None:
    fault = FAULTS[0]
    assert isinstance(fault, PageLimit)
    arena = arena_on(file, tmp_path, fault)
    for store in opened(arena):
        strike_until(fault, arena, "page limits")
        assert sign_of(arena.orders).exists()
        stored = fill(store)
        fault.end(arena)
        store.write([NewJob(new_id(), JobRequest("work", LARGE))])
        assert store.count().waiting == stored + 1
    check(file.path, stored + 1)


def test_a_full_disk(file: SQLiteFile, tmp_path: Path) -> None:
    fault = FullDisk()
    arena = arena_on(file, tmp_path, fault)
    if not may_mount():
        fault.strike(arena)
        assert not arena.counts
        assert not file.path.is_symlink()
        return
    assert file.path.is_symlink()
    for store in opened(arena):
        strike_until(fault, arena, "full disks")
        stored = fill(store)
        fault.end(arena)
        store.write([NewJob(new_id(), JobRequest("work", LARGE))])
        assert store.count().waiting == stored + 1
    check(file.path, stored + 1)
    fault.close()
    assert not file.path.exists()
