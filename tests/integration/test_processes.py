"""Applications in several processes on one database, of which one is killed."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import bgjobs
from bgjobs._core.ids import new_ids
from bgjobs.stores.types import NewJob
from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile

JOBS = 400
PROCESSES = 8


@bgjobs.worker(name="effect")
async def effect(number: int) -> None:
    """Do nothing: the processes have a worker of this name, which writes a row."""


def arguments(database: Database) -> list[str]:
    if isinstance(database, PostgresSchema):
        return ["postgres", database.dsn, database.schema]
    assert isinstance(database, SQLiteFile)
    return ["sqlite", str(database.path), "-"]


def effects_table(database: Database) -> str:
    return f"{database.schema}.effects" if isinstance(database, PostgresSchema) else "effects"


def execute(database: Database, statement: str) -> list[Any]:
    connection = database.connect()
    try:
        with connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def stored(database: Database) -> Iterator[bgjobs.Store]:
    """A store with jobs, and the table of their effects."""
    store = database.store()
    store.open()
    store.migrate()
    execute(database, f"create table {effects_table(database)} (number integer)")
    requests = [effect.request(number) for number in range(JOBS)]
    ids = new_ids(JOBS)
    store.write([NewJob(one, request) for one, request in zip(ids, requests, strict=True)])
    yield store
    store.close()


def start(database: Database) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.fixtures.application", *arguments(database)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_eight_applications_run_every_job_once_though_one_is_killed(
    database: Database, stored: bgjobs.Store
) -> None:
    processes = [start(database) for _ in range(PROCESSES)]
    victim = processes[0]
    assert victim.stdout is not None
    assert victim.stdout.readline() == "started\n"
    victim.kill()
    errors = [process.communicate(timeout=100)[1] for process in processes]
    for process, error in zip(processes[1:], errors[1:], strict=True):
        assert process.returncode == 0, error
        assert "locked" not in error
    rows = execute(database, f"select number from {effects_table(database)}")
    assert Counter(number for (number,) in rows) == Counter(range(JOBS))
    counts = stored.count()
    assert (counts.waiting, counts.delayed, counts.running) == (0, 0, 0)
    assert (counts.succeeded, counts.failed) == (JOBS, 0)
