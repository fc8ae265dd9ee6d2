"""A long transaction of a caller: other jobs run, and the jobs that it stored wait for it.

Minutes are many leases, sweeps, heartbeats and vacuums; that many are awaited, not the minutes.
"""

from collections.abc import Generator
from contextlib import contextmanager

import anyio
import psycopg
import pytest
from anyio.to_thread import run_sync

import bgjobs
from bgjobs.events import ChildCrashed, ReservationLost
from bgjobs.testing import Recorder
from tests.field.applications import check_work, effect, effects, make_table, running
from tests.fixtures.postgres import new_database

pytestmark = pytest.mark.anyio

LEASE = 1.0
ROUNDS = 6
"""The number of rounds of work, each longer than a lease."""
THEIRS = 1000
"""The number of the job that the open transaction has stored."""


@pytest.fixture
def database(debian_dsn: str) -> Generator[str]:
    with new_database(debian_dsn) as dsn:
        make_table(dsn)
        yield dsn


@contextmanager
def open_transaction(dsn: str) -> Generator[psycopg.Connection]:
    """Begin a transaction with a snapshot and its own rows, and commit it at the end."""
    with psycopg.connect(dsn) as connection:
        connection.execute("set transaction isolation level repeatable read")
        connection.execute("create table theirs (number int)")
        yield connection


def store_in(connection: psycopg.Connection, dsn: str, days: int = 0) -> bgjobs.Job:
    """Store a job from an application without queues."""
    request = effect.request(THEIRS).unique("theirs").available_in(days=days)
    [job] = bgjobs.PostgresStore(dsn).enqueue_in(connection, [request])
    return job


def vacuum(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum bgjobs.jobs")


async def test_other_jobs_run_and_the_stored_ones_run_once_after_the_commit(
    database: str,
) -> None:
    recorder = Recorder()
    async with running(database, recorder, lease=LEASE) as bg:
        with open_transaction(database) as connection:
            theirs = await run_sync(store_in, connection, database)
            for number in range(ROUNDS):
                await check_work(bg, database, first=5 * number)
                await anyio.sleep(LEASE)
                await run_sync(vacuum, database)
            assert await bg.find(theirs.id) is None
        assert isinstance(await bg.wait_for(theirs), bgjobs.SucceededJob)
    assert effects(database) == [*range(5 * ROUNDS), THEIRS]
    assert recorder.of(ChildCrashed) == []
    assert recorder.of(ReservationLost) == []


async def test_a_job_with_the_same_key_waits_for_the_transaction_and_others_do_not(
    database: str,
) -> None:
    recorder, answers = Recorder(), list[bgjobs.Job]()
    async with running(database, recorder) as bg, anyio.create_task_group() as group:

        async def enqueue() -> None:
            answers.append(await bg.enqueue(effect.request(0).unique("theirs")))

        with open_transaction(database) as connection:
            # The job must not have run yet, or its key would be free again.
            theirs = await run_sync(store_in, connection, database, 1)
            group.start_soon(enqueue)
            await check_work(bg, database)
            assert answers == []
    assert [job.id for job in answers] == [theirs.id]
    assert effects(database) == [*range(5)]
