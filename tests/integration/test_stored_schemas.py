"""A stored database of each version is migrated, and its jobs run."""

from datetime import UTC, datetime

import pytest

import bgjobs
from bgjobs.stores.types import SCHEMA_VERSION
from bgjobs.testing.contract.steps import listed
from tests.fixtures.databases import Database
from tests.fixtures.stored_schemas import (
    IDS,
    ROOT,
    STATES,
    SUMS,
    WORKER,
    files_of,
    restore,
    sums,
)
from tests.fixtures.stores import MIGRATIONS, opened, operator_of

VERSIONS = range(1, SCHEMA_VERSION + 1)
READABLE = STATES[:-1]
"""The stored running job has an owner whose lease has ended."""
FIRST_WITH_OPERATIONS, FIRST_WITH_UNREADABLE, FIRST_WITH_RESULTS = 3, 5, 7


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stored_database_is_migrated_with_its_jobs(database: Database, version: int) -> None:
    restore(database, version)
    with opened(database.store()) as store:
        assert store.migrate() == MIGRATIONS[version:]
        store.check_schema()
        jobs = {state: store.find(IDS[state]) for state in READABLE}
        assert [getattr(job, "state", None) for job in jobs.values()] == list(READABLE)
        apart = [one.id for one in listed(store, "unreadable")]
        assert apart == ([IDS["unreadable"]] if version >= FIRST_WITH_UNREADABLE else [])
        has_operations = version >= FIRST_WITH_OPERATIONS
        metadata = {"who": "ada"} if has_operations else {}
        assert all(job is not None and job.metadata == metadata for job in jobs.values())
        paused = {"faxes"} if has_operations else set()
        assert operator_of(store).commands([]).paused == paused


@pytest.mark.anyio
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stored_database_is_migrated_and_its_jobs_run(
    database: Database, version: int
) -> None:
    ran = set[str]()

    @bgjobs.worker(name=WORKER, keep_result=True)
    async def mail(to: str) -> str:
        ran.add(to)
        return to

    restore(database, version)
    queue = bgjobs.Queue("mails", workers=[mail], poll_interval=0.05)
    kept = bgjobs.Retention(succeeded=None)
    config = bgjobs.Config(store=database.store(), queues=[queue], retention=kept)
    live = ("waiting", "delayed", "running", "failed", "cancelled")
    async with bgjobs.run(config) as bg:
        await bg.admin.reschedule(IDS["delayed"], at=datetime.now(UTC))
        again = [IDS["failed"], IDS["cancelled"]]
        assert set(await bg.admin.retry(*again)) == set(again)
        ended = [await bg.wait_for(IDS[state]) for state in live]
        if version >= FIRST_WITH_RESULTS:
            assert await bg.result(IDS["succeeded"], worker=mail) == "sent"
    assert [job.state for job in ended] == ["succeeded"] * len(live)
    assert ran == set(live)


def test_stored_databases_and_their_migrations_never_change() -> None:
    """Add a version by `python -m tests.fixtures.write_schemas`."""
    stored = SUMS.read_text("utf-8")
    assert sums(ROOT / line.split()[1] for line in stored.splitlines()) == stored
    assert sums(file for version in VERSIONS for file in files_of(version)) == stored
