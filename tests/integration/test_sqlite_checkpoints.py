"""When a store checkpoints, and that no process commits meanwhile."""

import sqlite3
import subprocess
import sys
from bisect import bisect
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import tests.fixtures.sqlite_programs as program
from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.sqlite.checkpoints import AGAIN, LONG
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import LEASE, NOW, put_one, start
from tests.fixtures.sqlite import fresh_sqlite_store

_FRAME = 24 + 4096
_MARGIN = 300
"""Frames that the last transaction before a checkpoint may add."""
_PAYLOAD = '"' + "x" * 3000 + '"'


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _frames(path: Path) -> int:
    """Return the most frames that the log ever had, as its file does not shrink."""
    return _log(path).stat().st_size // _FRAME


def _generation(path: Path) -> int:
    """Return how often the log was restarted."""
    return int.from_bytes(_log(path).read_bytes()[12:16])


def _many(count: int) -> list[NewJob]:
    return [NewJob(new_id(), JobRequest("mail", _PAYLOAD)) for _ in range(count)]


def _connections(store: SQLiteStore) -> Iterator[sqlite3.Connection]:
    roles: Any = store._executor.connections
    for one in (roles.writer, roles.reader, roles.heartbeat):
        yield one.raw
    yield _checkpointing(store)


def _checkpointing(store: SQLiteStore) -> sqlite3.Connection:
    after_commit: Any = store._executor.connections.writer.after_commit
    raw: sqlite3.Connection = after_commit.__self__._connection.raw
    return raw


@contextmanager
def _traced_checkpoints(store: SQLiteStore) -> Generator[list[str]]:
    traced: list[str] = []
    _checkpointing(store).set_trace_callback(traced.append)
    yield traced
    _checkpointing(store).set_trace_callback(None)


def test_no_connection_checkpoints_by_itself(sqlite_store: SQLiteStore) -> None:
    another = sqlite_store._executor.connections.another()
    for raw in (*_connections(sqlite_store), another.raw):
        assert raw.execute("pragma wal_autocheckpoint").fetchone() == (0,)
    another.close()


def test_the_log_stays_short_while_many_jobs_are_stored_and_drained(
    sqlite_path: Path,
) -> None:
    with fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as store:
        owner = start(store)
        before = _generation(sqlite_path)
        for _ in range(40):
            store.write(_many(100), now=NOW)
        while held := store.reserve(owner, ["mail"], 100, now=NOW):
            store.write(settle=[Succeed(job.reservation) for job in held], now=NOW)
        assert _frames(sqlite_path) < LONG + _MARGIN
        assert _generation(sqlite_path) > before + 3


def test_a_checkpoint_that_a_reader_holds_up_is_not_repeated_at_each_commit(
    sqlite_path: Path,
) -> None:
    with (
        fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as store,
        closing(sqlite3.connect(sqlite_path, isolation_level=None)) as reader,
        _traced_checkpoints(store) as traced,
    ):
        put_one(store)
        reader.execute("begin")
        reader.execute("select count(*) from bgjobs_jobs").fetchone()
        for _ in range(400):
            store.write(_many(5), now=NOW)
        most = _frames(sqlite_path)
        assert most > LONG + AGAIN + _MARGIN, "the reader needs what was there when it began"
        assert 1 < len(traced) <= 1 + (most - LONG) // AGAIN
        reader.execute("commit")
        before = _generation(sqlite_path)
        for _ in range(400):
            store.write(_many(5), now=NOW)
        assert _frames(sqlite_path) < most + AGAIN + _MARGIN
        assert _generation(sqlite_path) > before


def test_processes_that_store_one_job_each_keep_the_log_short(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    """Each reads the length of the log, not what it added; none is the last to close."""
    for _ in range(300):
        with fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as another:
            another.write(_many(4), now=NOW)
    assert _frames(sqlite_path) < LONG + _MARGIN
    assert _generation(sqlite_path) > 0


def test_heartbeats_alone_keep_the_log_short(sqlite_path: Path) -> None:
    with fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as store:
        owner = start(store)
        before = _generation(sqlite_path)
        for _ in range(2 * LONG):
            store.heartbeat([owner], LEASE)
        assert _frames(sqlite_path) < LONG + _MARGIN
        assert _generation(sqlite_path) > before


def test_a_checkpoint_that_fails_leaves_the_commit_as_it_is(sqlite_path: Path) -> None:
    with fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as store:
        _checkpointing(store).close()
        for _ in range(30):
            store.write(_many(100), now=NOW)
        assert _frames(sqlite_path) > LONG + _MARGIN
        assert store.count(now=NOW).waiting == 3000


def test_no_process_commits_while_another_one_checkpoints(sqlite_path: Path) -> None:
    """This damages the file with the WAL-reset bug of SQLite; the write lock prevents it."""
    command = [sys.executable, program.__file__, "record_checkpoints", str(sqlite_path), "250"]
    with fresh_sqlite_store(sqlite_path) as store:
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)
        ]
        told = [process.communicate(timeout=100)[0].splitlines() for process in running]
        assert [process.returncode for process in running] == [0] * 4
        assert store.count().succeeded == 4 * 250
    lines = [line.split() for lines in told for line in lines]
    commits = sorted(int(line[1]) for line in lines if line[0] == "commit")
    checkpoints = [(int(line[1]), int(line[2])) for line in lines if line[0] == "checkpoint"]
    assert sum("checkpoint" in "".join(lines) for lines in told) > 1, "by several processes"
    for began, ended in checkpoints:
        assert bisect(commits, began) == bisect(commits, ended)
    with closing(sqlite3.connect(sqlite_path)) as raw:
        assert raw.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL", "EXTRA"])
def test_a_checkpoint_is_as_durable_as_the_store(synchronous: str, sqlite_path: Path) -> None:
    with fresh_sqlite_store(sqlite_path, synchronous=synchronous) as store:
        settings = {raw.execute("pragma synchronous").fetchone() for raw in _connections(store)}
    assert settings == {({"NORMAL": 1, "FULL": 2, "EXTRA": 3}[synchronous],)}
