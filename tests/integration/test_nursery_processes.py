"""Nurseries whose jobs run in several processes, each with one slot."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import anyio
import pytest

import bgjobs
from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile
from tests.fixtures.family_application import WORKERS, fibonacci, hold

PROCESSES = 4
LONGEST = 120.0
"""Seconds that a test may wait for what takes a few."""

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@contextmanager
def started(loop: str, database: Database) -> Generator[subprocess.Popen[str]]:
    """Start the application, and end it after the block; it must exit without an error."""
    if isinstance(database, PostgresSchema):
        address = ["postgres", database.dsn, database.schema]
    else:
        assert isinstance(database, SQLiteFile)
        address = ["sqlite", str(database.path), "-"]
    command = [sys.executable, "-m", "tests.fixtures.family_application", loop, *address]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
            _, errors = process.communicate(timeout=LONGEST)
            assert (process.returncode, errors) == (0, "")
        finally:
            process.kill()


@contextmanager
def running(loop: str, database: Database, processes: int) -> Generator[bgjobs.Config]:
    """Run applications during the block; yield the configuration of one that only enqueues."""
    with ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(started(loop, database))
        yield bgjobs.Config(store=database.store(), enqueue_only=WORKERS)


async def test_fibonacci_of_12_ends_in_four_processes_with_one_slot_each(
    database: Database, anyio_backend: str
) -> None:
    with running(anyio_backend, database, PROCESSES) as config:
        async with bgjobs.connect(config) as client:
            with anyio.fail_after(LONGEST):
                job = await client.enqueue(fibonacci.request(12))
                assert await client.result(job) == 144
            counts = await client.count()
    assert (counts.succeeded, counts.waiting, counts.running) == (465, 0, 0)


async def test_a_cancellation_from_another_process_reaches_all_descendants(
    database: Database, anyio_backend: str
) -> None:
    with running(anyio_backend, database, PROCESSES) as config:
        async with bgjobs.connect(config) as client:
            with anyio.fail_after(LONGEST):
                job = await client.enqueue(hold.request(1000))
                while (counts := await client.count()).running < 1 + PROCESSES:
                    assert counts.waiting + counts.running <= 1001
                    await anyio.sleep(0.01)
                await client.admin.cancel(job.id, reason="not wanted")
                while (counts := await client.count()).waiting or counts.running:
                    await anyio.sleep(0.01)
            found = await client.list(bgjobs.JobFilter("cancelled", name=hold.name))
    assert counts.cancelled == 1001
    assert [one.reason for one in found] == ["not wanted"]
