"""Two versions on one database: a running process continues, and an older one cannot start."""

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
from tests.fixtures.stores import migrated, opened
from tests.reliability.chaos.faults.idle_cluster import idle_cluster_on, inject_until
from tests.reliability.chaos.faults.versions import (
    FAULTS,
    NEWER,
    newer_producer,
    newer_worker,
    start_until_refused,
)
from tests.reliability.chaos.settings import ProcessSettings, load, settings_for

LEASE = timedelta(minutes=5)
NEWER_PROGRAM = """
import sys
from tests.reliability.chaos.faults.versions import MIGRATION, become_newer
from tests.reliability.chaos.settings import settings_from_json
from tests.reliability.chaos.faults.test_version_faults import settle_one
become_newer()
store = settings_from_json(sys.argv[1]).store()
store.open()
assert list(store.migrate()) == [MIGRATION]
store.check_schema()
settle_one(store)
store.close()
"""


@bgjobs.worker
async def work() -> None: ...


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> ProcessSettings:
    """Settings for an empty database of this version."""
    with migrated(database.store()):
        return settings_for(database, str(tmp_path / "journal"))


def settle_one(store: bgjobs.Store) -> None:
    """Store a job, reserve it and complete it."""
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, LEASE)
    store.write([NewJob(new_id(), work.request())])
    [job] = store.reserve(owner.id, ["work"], 1)
    assert store.heartbeat([owner.id], LEASE).alive
    assert store.complete(job.reservation, lambda _: None)


def upgrade(settings: ProcessSettings) -> None:
    """Migrate the database in a process of the newer version, which also uses it."""
    root = Path(__file__).parents[4]
    command = [sys.executable, "-c", NEWER_PROGRAM, settings.to_json()]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_process_that_runs_already_continues(settings: ProcessSettings) -> None:
    with opened(settings.store()) as store:
        settle_one(store)
        upgrade(settings)
        settle_one(store)
        assert store.count().succeeded == 3


def test_an_older_process_that_starts_afterwards_refuses_the_schema(
    settings: ProcessSettings,
) -> None:
    upgrade(settings)
    config = bgjobs.Config(store=settings.store(), queues=[bgjobs.Queue("all", workers=[work])])

    async def begin() -> None:
        async with bgjobs.run(config):
            raise AssertionError("it runs")

    with pytest.raises(SchemaMismatchError) as caught:
        anyio.run(begin)
    assert (caught.value.expected, caught.value.found) == (SCHEMA_VERSION, NEWER)
    text = f"expected schema version {SCHEMA_VERSION}, found {NEWER}"
    assert text in str(caught.value)


def test_repeated_starts_of_an_older_process_end_when_the_schema_is_refused(
    settings: ProcessSettings,
) -> None:
    upgrade(settings)
    start_until_refused(settings)


def test_after_an_upgrade_new_processes_are_newer_and_running_ones_continue(
    sqlite_file: SQLiteFile, tmp_path: Path
) -> None:
    [fault] = FAULTS
    cluster = idle_cluster_on(sqlite_file, tmp_path, fault)
    older = cluster.start_worker()
    inject_until(fault, cluster, "upgrades")
    newer, producer = cluster.start_worker(), cluster.start_producer()
    for _ in range(20):
        fault.inject(cluster)
    assert cluster.counts == {"upgrades": 1}
    assert older in cluster.workers
    assert load(older.settings.program) is not newer_worker
    assert load(newer.settings.program) is newer_worker
    assert load(producer.settings.program) is newer_producer
