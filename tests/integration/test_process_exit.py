"""A process that is ended from outside has the right exit code, and keeps nothing reserved."""

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
"""Seconds, on a busy machine; a process that hangs has no other end."""
pytestmark = pytest.mark.slow
both_loops = pytest.mark.parametrize("loop", ["trio", "asyncio"])


@contextmanager
def running(how: str, loop: str, database: Database) -> Generator["subprocess.Popen[str]"]:
    """Start the program, and wait until its handlers run."""
    if isinstance(database, PostgresSchema):
        place = ["postgres", database.dsn, database.schema]
    else:
        assert isinstance(database, SQLiteFile)
        place = ["sqlite", str(database.path), "-"]
    command = [sys.executable, "-m", "tests.fixtures.exiting_application", how, loop, *place]
    # Not a pipe: the traceback of all tasks is longer than what one takes unread.
    with (
        TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, text=True
        ) as process,
    ):
        try:
            read_until(process, "ready")
            yield process
        except BaseException as error:
            complaints.seek(0)
            error.add_note(complaints.read())
            raise
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", line: str, times: int = 1) -> None:
    assert process.stdout is not None
    for read in process.stdout:
        times -= read == f"{line}\n"
        if times == 0:
            return
    raise AssertionError(f"it ended before it said {line!r}")


def assert_given_back(database: Database, name: str) -> None:
    """Nothing is reserved, and no attempt was spent."""
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
    assert_given_back(database, "forever")


def test_exit_in_another_task_of_asyncio_ends_the_process_with_its_code(
    database: Database,
) -> None:
    with running("in_another_task", "asyncio", database) as process:
        assert process.wait(DEADLINE) == 9
    assert_given_back(database, "forever")


def test_exit_in_another_task_of_asyncio_while_the_application_stops(
    database: Database,
) -> None:
    with running("in_another_task_after_the_block", "asyncio", database) as process:
        assert process.wait(DEADLINE) == 9
    assert_given_back(database, "stubborn")


@both_loops
def test_exit_in_a_task_of_the_same_group_ends_the_process(
    loop: str, database: Database
) -> None:
    with running("in_a_nursery", loop, database) as process:
        # A task group of Trio puts a group around it, which Python ends with 1.
        assert process.wait(DEADLINE) == (9 if loop == "asyncio" else 1)
    assert_given_back(database, "forever")


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
    assert_given_back(database, "stubborn")
