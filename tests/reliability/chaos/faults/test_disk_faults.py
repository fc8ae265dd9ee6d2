"""Without disk space no job is stored and none is lost; with space again, writes succeed."""

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
from tests.reliability.chaos.cluster import Cluster
from tests.reliability.chaos.faults.disk import (
    FAULTS,
    FullDisk,
    PageLimit,
    can_mount,
    flag_file_of,
)
from tests.reliability.chaos.faults.idle_cluster import idle_cluster_on, inject_until
from tests.reliability.chaos.settings import inner_store, load

LARGE = '["' + 10_000 * "x" + '"]'
MANY = 10_000
"""The number of jobs that fill any space there is."""


@bgjobs.worker
async def work(text: str) -> None: ...


@pytest.fixture
def file(tmp_path: Path) -> SQLiteFile:
    """A closed file with the schema."""
    file = SQLiteFile(tmp_path / "jobs.db")
    store = file.store()
    store.open()
    store.migrate()
    store.close()
    return file


def opened(cluster: Cluster) -> Iterator[bgjobs.Store]:
    """Yield the store of a worker, as the fault configures it."""
    config = bgjobs.Config(store=cluster.settings.store(), enqueue_only=[work])
    for config_hooks in cluster.settings.config_hooks:
        config = load(config_hooks)(config, cluster.settings)
    store: bgjobs.Store = inner_store(config)
    store.open()
    yield store
    store.close()


def fill(store: bgjobs.Store) -> int:
    """Store jobs until there is no space, and return how many."""
    for number in range(MANY):
        try:
            store.write([NewJob(new_id(), JobRequest("work", LARGE))])
        except StoreUnavailableError:
            return number
    raise AssertionError("there was space for all jobs")


def check(file: Path, jobs: int) -> None:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("select count(*) from bgjobs_jobs").fetchone() == (jobs,)


def test_a_file_that_cannot_grow_refuses_jobs_until_it_can(
    file: SQLiteFile, tmp_path: Path
) -> None:
    fault = FAULTS[0]
    assert isinstance(fault, PageLimit)
    cluster = idle_cluster_on(file, tmp_path, fault)
    for store in opened(cluster):
        inject_until(fault, cluster, "page limits")
        assert flag_file_of(cluster.settings).exists()
        stored = fill(store)
        fault.undo(cluster)
        store.write([NewJob(new_id(), JobRequest("work", LARGE))])
        assert store.count().waiting == stored + 1
    check(file.path, stored + 1)


def test_a_full_disk_refuses_jobs_until_it_has_space(file: SQLiteFile, tmp_path: Path) -> None:
    fault = FullDisk()
    cluster = idle_cluster_on(file, tmp_path, fault)
    if not can_mount():
        fault.inject(cluster)
        assert not cluster.counts
        assert not file.path.is_symlink()
        return
    assert file.path.is_symlink()
    for store in opened(cluster):
        inject_until(fault, cluster, "full disks")
        stored = fill(store)
        fault.undo(cluster)
        store.write([NewJob(new_id(), JobRequest("work", LARGE))])
        assert store.count().waiting == stored + 1
    check(file.path, stored + 1)
    fault.close()
    assert not file.path.exists()
