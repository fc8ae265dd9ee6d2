"""A process that exits while jobs run has the right exit code, and releases its jobs."""

import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from tempfile import TemporaryFile

import pytest

from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile
from tests.fixtures.exiting_application import JOBS

DEADLINE = 60.0
"""Seconds within which a process has to end, on a busy machine."""
pytestmark = pytest.mark.slow
both_loops = pytest.mark.parametrize("loop", ["trio", "asyncio"])


@contextmanager
def running(how: str, loop: str, database: Database) -> Generator["subprocess.Popen[str]"]:
    """Start the program, and wait until its handlers run."""
    if isinstance(database, PostgresSchema):
        target = ["postgres", database.dsn, database.schema]
    else:
        assert isinstance(database, SQLiteFile)
        target = ["sqlite", str(database.path), "-"]
    command = [sys.executable, "-m", "tests.fixtures.exiting_application", how, loop, *target]
    # Not a pipe, since the traceback of all tasks is longer than its buffer.
    with (
        TemporaryFile("w+") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
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
    store = database.store()
    store.open()
    try:
        assert [job.name for job in store.get_running()] == []
        slow = [job for job in store.get_enqueued() if job.name == name]
        assert [(job.attempts, job.crashes) for job in slow] == [(0, 0)] * JOBS
        assert [job.name for job in store.get_failed()] == []
    finally:
        store.close()


@both_loops
def test_exit_in_the_block_ends_the_process_with_its_code(
    loop: str, database: Database
) -> None:
    with running("in_the_block", loop, database) as process:
        assert process.wait(DEADLINE) == 4
    assert_released(database, "forever")


def test_exit_in_another_task_of_asyncio_ends_the_process_with_its_code(
    database: Database,
) -> None:
    with running("in_another_task", "asyncio", database) as process:
        assert process.wait(DEADLINE) == 9
    assert_released(database, "forever")


def test_exit_in_another_task_of_asyncio_while_the_application_stops(
    database: Database,
) -> None:
    with running("in_another_task_after_the_block", "asyncio", database) as process:
        assert process.wait(DEADLINE) == 9
    assert_released(database, "stubborn")


@both_loops
def test_exit_in_a_task_of_the_same_group_ends_the_process(
    loop: str, database: Database
) -> None:
    with running("in_a_nursery", loop, database) as process:
        # A task group of Trio raises an exception group, for which Python exits with 1.
        assert process.wait(DEADLINE) == (9 if loop == "asyncio" else 1)
    assert_released(database, "forever")


@both_loops
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_handlers_clean_up_ends_the_process(
    loop: str, times: int, database: Database
) -> None:
    with running("by_signals", loop, database) as process:
        process.send_signal(signal.SIGINT)
        read_until(process, "cleaning up", JOBS)
        if times == 2:
            process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == -signal.SIGINT
    assert_released(database, "stubborn")
