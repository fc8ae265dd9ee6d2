"""A file that is moved, deleted or replaced while a store has it open."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.steps import LEASE, NOW, hold, put_one, start, take
from tests.fixtures.sqlite import fresh_sqlite_store


def _move(path: Path) -> None:
    path.rename(path.with_name("old.db"))


def _delete(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    backup = path.with_name("backup.db")
    with fresh_sqlite_store(backup):
        pass
    backup.replace(path)


def _lead_elsewhere(path: Path) -> None:
    _move(path)
    elsewhere = path.with_name("elsewhere.db")
    elsewhere.touch()
    path.symlink_to(elsewhere)


@pytest.mark.parametrize("loss", [_move, _delete, _replace, _lead_elsewhere])
def test_nothing_is_acknowledged_that_would_be_lost(
    loss: Callable[[Path], None], sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    held, owner = hold(sqlite_store), start(sqlite_store)
    loss(sqlite_path)
    called: list[object] = []
    verbs: Sequence[Callable[[], object]] = [
        lambda: put_one(sqlite_store),
        lambda: take(sqlite_store, owner),
        lambda: sqlite_store.heartbeat([owner], LEASE, now=NOW),
        lambda: sqlite_store.complete(held.reservation, called.append, now=NOW),
        sqlite_store.migrate,
    ]
    for verb in verbs:
        with pytest.raises(StoreError, match=r"jobs\.db: the file was re.* open") as caught:
            verb()
        assert not isinstance(caught.value, StoreUnavailableError)
    assert not called
    assert sqlite_store.find(held.id) == held, "reading goes on"


def test_a_file_that_was_moved_back_is_written_again(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    _move(sqlite_path)
    with pytest.raises(StoreError):
        put_one(sqlite_store)
    sqlite_path.with_name("old.db").rename(sqlite_path)
    job = put_one(sqlite_store)
    with fresh_sqlite_store(sqlite_path) as other:
        assert other.find(job.id) == job


def test_a_store_that_is_opened_again_takes_the_file_that_is_there(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    _replace(sqlite_path)
    sqlite_store.close()
    for end in ("-wal", "-shm"):
        sqlite_path.with_name(sqlite_path.name + end).unlink(missing_ok=True)
    sqlite_store.open()
    job = put_one(sqlite_store)
    with fresh_sqlite_store(sqlite_path) as other:
        assert other.find(job.id) == job


def test_another_name_of_the_same_file_may_take_its_place(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    _move(sqlite_path)
    sqlite_path.symlink_to(sqlite_path.with_name("old.db"))
    put_one(sqlite_store)


def test_a_path_that_cannot_be_followed_now_is_an_outage(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    _move(sqlite_path)
    sqlite_path.symlink_to(sqlite_path)
    with pytest.raises(StoreUnavailableError, match="symbolic links"):
        put_one(sqlite_store)


def test_no_connection_makes_a_file_where_one_was(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    def work(raw: sqlite3.Connection) -> None:
        with closing(raw):
            _move(sqlite_path)

    with pytest.raises(StoreError, match="nor close the connection"):
        sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)
    for verb in (lambda: put_one(sqlite_store), sqlite_store.watch):
        with pytest.raises(StoreError, match="the file was removed"):
            verb()
    assert not sqlite_path.exists()
