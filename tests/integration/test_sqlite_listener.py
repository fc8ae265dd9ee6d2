"""Commits of other processes are found, and none is missed."""

import os
import select
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NoReturn

import pytest

import tests.fixtures.sqlite_programs as program
from bgjobs.stores.sqlite import SQLiteStore, listener
from bgjobs.stores.sqlite.listener import FileNotifier, SQLiteChangeSource
from bgjobs.stores.types import ANY_CHANGE, Notice
from bgjobs.testing.contract.steps import put_one
from tests.fixtures.sqlite import fresh_sqlite_store
from tests.fixtures.sqlite_changes import (
    PATIENCE,
    QUIET,
    descriptors,
    finds_change,
    rest,
    watching,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is a part of Linux")

STEPS = 300


@contextmanager
def another_process(path: Path, synchronous: str) -> Generator[Callable[..., None]]:
    """Yield a function that makes it write, after each of some pauses."""
    command = [sys.executable, program.__file__, "write_on_request", str(path), synchronous]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def write(*pauses: float) -> None:
            stdin.writelines(f"{pause}\n" for pause in pauses)
            stdin.flush()

        yield write
        stdin.close()
        stdout.read()
    assert process.returncode == 0


class Busy:
    def execute(self, _: str) -> NoReturn:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
        raise error


@contextmanager
def busy(source: SQLiteChangeSource) -> Generator[None]:
    """Make SQLite refuse every look."""
    connection = source._connection
    raw, connection.raw = connection.raw, Busy()  # type: ignore[assignment]  # only `execute` is called
    yield
    connection.raw = raw


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
def test_no_commit_of_another_process_is_missed(
    sqlite_path: Path, sqlite_store: SQLiteStore, synchronous: str
) -> None:
    """Each step waits for all its commits, so that none is found only by the next one."""
    random = Random(1)
    stored = 0
    with (
        watching(sqlite_store) as source,
        another_process(sqlite_path, synchronous) as write,
    ):
        assert source.interval is None
        for step in range(STEPS):
            pauses = [random.choice((0, 0.001, random.uniform(0, 0.01)))]
            pauses += [0] * random.choice((0, 0, 0, 1, 2))
            write(*pauses)
            stored += len(pauses)
            while sqlite_store.count().waiting < stored:
                assert finds_change(source), step


def test_without_commits_the_descriptor_is_not_readable(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HORIZON", QUIET)
    with watching(sqlite_store) as source:
        put_one(sqlite_store)
        assert finds_change(source)
        rest(source)
        assert source.poll() == Notice(), "it may be asked all the same"
        put_one(sqlite_store)
        assert finds_change(source)


def test_a_commit_during_a_look_is_not_taken_for_a_lost_report(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HORIZON", QUIET)
    with watching(sqlite_store) as source:
        rest(source)
        look = source._has_changed

        def write_and_look() -> bool | None:
            put_one(sqlite_store)
            return look()

        monkeypatch.setattr(source, "_has_changed", write_and_look)
        assert source.poll() == ANY_CHANGE


def test_the_log_is_not_deleted_while_it_is_watched(sqlite_path: Path) -> None:
    """The last process that closes the file deletes it, and the source has it open."""
    with fresh_sqlite_store(sqlite_path) as store:
        source = store.watch()
        assert isinstance(source, SQLiteChangeSource)
    for _ in range(3):
        with fresh_sqlite_store(sqlite_path) as other:
            put_one(other)
        assert finds_change(source)
    source.close()
    assert not sqlite_path.with_name("jobs.db-wal").exists()


def test_commits_to_a_log_that_was_emptied_are_found(sqlite_path: Path) -> None:
    with fresh_sqlite_store(sqlite_path) as store, watching(store) as source:
        put_one(store)
        assert finds_change(source)
        with sqlite3.connect(sqlite_path) as raw:
            raw.execute("pragma wal_checkpoint(truncate)")
        raw.close()
        assert sqlite_path.with_name("jobs.db-wal").stat().st_size == 0
        put_one(store)
        assert finds_change(source)


def test_a_log_whose_mode_was_changed_is_still_watched(
    sqlite_path: Path, sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself sets its owner, when a process of root opens it; that is no write."""
    monkeypatch.setattr(listener, "HORIZON", QUIET)
    with watching(sqlite_store) as source:
        rest(source)
        sqlite_path.with_name("jobs.db-wal").chmod(0o640)
        assert not finds_change(source, QUIET)
        assert source.resting
        put_one(sqlite_store)
        assert finds_change(source)


def test_the_log_is_found_through_links_and_odd_names(tmp_path: Path) -> None:
    real, link = tmp_path / os.fsdecode(b"\xff ' % \xc3\xa9.db"), tmp_path / "link.db"
    link.symlink_to(real)
    with fresh_sqlite_store(link) as store, watching(store) as source:
        assert source.interval is None
        put_one(store)
        assert finds_change(source)


def test_a_look_that_is_refused_is_repeated(sqlite_store: SQLiteStore) -> None:
    with watching(sqlite_store) as source:
        put_one(sqlite_store)
        with busy(source):
            assert not finds_change(source, QUIET)
        assert finds_change(source)


def test_a_write_reported_at_a_refused_look_is_followed_beyond_the_next_commit(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may belong to one that comes behind it."""
    monkeypatch.setattr(listener, "HORIZON", QUIET)
    with watching(sqlite_store) as source:
        rest(source)
        put_one(sqlite_store)
        with busy(source):
            assert source.poll() == Notice()
        assert source.poll() == ANY_CHANGE
        assert not source.resting


def test_a_commit_during_the_opening_is_no_change(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller looks for jobs after the opening; a change would hide the next one."""

    def write_and_hang_up(path: Path) -> FileNotifier:
        put_one(sqlite_store)
        return FileNotifier(path)

    monkeypatch.setattr(listener, "FileNotifier", write_and_hang_up)
    with watching(sqlite_store) as source:
        assert source.poll() == Notice()


def test_what_was_written_before_the_opening_is_followed(sqlite_store: SQLiteStore) -> None:
    """Its commit may end only now."""
    with watching(sqlite_store) as source:
        assert not source.resting
        assert select.select([source], [], [], PATIENCE)[0]
        assert source.poll() == Notice()


def test_polling_does_not_wait_for_locks(sqlite_store: SQLiteStore) -> None:
    with watching(sqlite_store) as source:
        timeout = source._connection.raw.execute("pragma busy_timeout").fetchone()
    assert timeout == (0,)


def test_closing_closes_the_descriptors(sqlite_store: SQLiteStore) -> None:
    before = descriptors()
    with watching(sqlite_store):
        assert descriptors() == before + 3
    assert descriptors() == before
