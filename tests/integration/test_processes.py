"""Applications in several processes: one is killed, and some exit while jobs run."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import enqueued, listed
from tests.fixtures.application import JOBS as HELD_JOBS
from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile
from tests.fixtures.hostile_rows import HostileRows
from tests.fixtures.stores import migrated, opened

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


@pytest.fixture
def stored(database: Database) -> Iterator[bgjobs.Store]:
    """A store with jobs, and the table of their effects."""
    with migrated(database.store()) as store:
        HostileRows(database).run(f"create table {effects_table(database)} (number integer)")
        store.write([NewJob(new_id(), effect.request(number)) for number in range(JOBS)])
        yield store


def start(how: str, loop: str, database: Database, stderr: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.fixtures.application", how, loop]
    command += arguments(database)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)


@pytest.mark.slow
def test_eight_applications_run_every_job_once_though_one_is_killed(
    database: Database, stored: bgjobs.Store
) -> None:
    processes = [start("drain", "trio", database, subprocess.PIPE) for _ in range(PROCESSES)]
    victim = processes[0]
    assert victim.stdout is not None
    assert victim.stdout.readline() == "started\n"
    victim.kill()
    errors = [process.communicate(timeout=100)[1] for process in processes]
    for process, error in zip(processes[1:], errors[1:], strict=True):
        assert process.returncode == 0, error
        assert "locked" not in error
    rows = HostileRows(database).run(f"select number from {effects_table(database)}")
    assert Counter(number for (number,) in rows) == Counter(range(JOBS))
    counts = stored.count()
    assert (counts.waiting, counts.delayed, counts.running) == (0, 0, 0)
    assert (counts.succeeded, counts.failed) == (JOBS, 0)


DEADLINE = 60.0
"""Seconds within which a process has to end, on a busy machine."""
both_loops = pytest.mark.parametrize("loop", ["trio", "asyncio"])


@contextmanager
def running(how: str, loop: str, database: Database) -> Generator["subprocess.Popen[str]"]:
    """Start the program, and wait until its handlers run."""
    # Not a pipe, since the traceback of all tasks is longer than its buffer.
    with (
        TemporaryFile("w+") as stderr,
        start(how, loop, database, stderr) as process,
    ):
        try:
            read_until(process, "ready")
            yield process
        except BaseException as error:
            stderr.seek(0)
            error.add_note(stderr.read())
            raise
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", line: str, times: int = 1) -> None:
    assert process.stdout is not None
    for read in process.stdout:
        times -= read == f"{line}\n"
        if times == 0:
            return
    raise AssertionError(f"the process ended before it wrote {line!r}")


def assert_released(database: Database, name: str) -> None:
    """Check that no job is reserved, and that no attempt or crash was counted."""
    with opened(database.store()) as store:
        assert [job.name for job in listed(store, "running")] == []
        slow = [job for job in enqueued(store) if job.name == name]
        assert [(job.attempts, job.crashes) for job in slow] == [(0, 0)] * HELD_JOBS
        assert [job.name for job in listed(store, "failed")] == []


@pytest.mark.slow
@both_loops
def test_exit_in_the_block_ends_the_process_with_its_code(
    loop: str, database: Database
) -> None:
    with running("in_the_block", loop, database) as process:
        assert process.wait(DEADLINE) == 4
    assert_released(database, "forever")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "worker"),
    [("in_another_task", "forever"), ("in_another_task_after_the_block", "stubborn")],
    ids=["while it runs", "while it stops"],
)
def test_exit_in_another_task_of_asyncio_ends_the_process_with_its_code(
    how: str, worker: str, database: Database
) -> None:
    with running(how, "asyncio", database) as process:
        assert process.wait(DEADLINE) == 9
    assert_released(database, worker)


@pytest.mark.slow
@both_loops
def test_exit_in_a_task_of_the_same_group_ends_the_process(
    loop: str, database: Database
) -> None:
    with running("in_a_nursery", loop, database) as process:
        # A task group of Trio raises an exception group, for which Python exits with 1.
        assert process.wait(DEADLINE) == (9 if loop == "asyncio" else 1)
    assert_released(database, "forever")


@pytest.mark.slow
@both_loops
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_handlers_clean_up_ends_the_process(
    loop: str, times: int, database: Database
) -> None:
    with running("by_signals", loop, database) as process:
        process.send_signal(signal.SIGINT)
        read_until(process, "cleaning up", HELD_JOBS)
        if times == 2:
            process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == -signal.SIGINT
    assert_released(database, "stubborn")
