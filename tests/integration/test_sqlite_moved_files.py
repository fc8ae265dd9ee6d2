"""A file that is moved, deleted or replaced while a store has it open."""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.sqlite import SQLiteStore, files
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


def _become_a_link(path: Path) -> None:
    """Lead to the same file, where who opens it anew puts the log beside another name."""
    _move(path)
    path.symlink_to(path.with_name("old.db"))


def _lose_the_log(path: Path) -> None:
    Path(f"{path}-wal").unlink()


def _lose_the_index(path: Path) -> None:
    Path(f"{path}-shm").unlink()


def _replace_the_index(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"")
    other.replace(f"{path}-shm")


_LOSSES = [
    _move,
    _delete,
    _replace,
    _lead_elsewhere,
    _become_a_link,
    _lose_the_log,
    _lose_the_index,
    _replace_the_index,
]


@pytest.mark.parametrize("loss", _LOSSES)
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
        with pytest.raises(
            StoreError, match=r"jobs\.db.* was re.* while it was open"
        ) as caught:
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


def test_a_path_that_cannot_be_followed_now_is_an_outage(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    folder = sqlite_path.parent
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder)
    with pytest.raises(StoreUnavailableError, match="symbolic links"):
        put_one(sqlite_store)
    folder.unlink()
    folder.with_name("elsewhere").rename(folder)
    put_one(sqlite_store)


@pytest.mark.parametrize("loss", _LOSSES)
def test_what_is_lost_during_a_commit_is_not_acknowledged(
    loss: Callable[[Path], None], sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    with pytest.raises(StoreError, match=r" was re.* while it was open"):
        sqlite_store.complete(hold(sqlite_store).reservation, lambda _: loss(sqlite_path))


@pytest.mark.parametrize("loss", _LOSSES)
def test_a_folder_that_was_still_for_long_is_looked_at_as_well(
    loss: Callable[[Path], None],
    sqlite_path: Path,
    sqlite_store: SQLiteStore,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Then one look at it does for all that is in it, until anything in it changes."""
    monkeypatch.setattr(files, "_SETTLED", 0)
    _wait_for_another_time(sqlite_path.parent, tmp_path_factory.mktemp("other"))
    put_one(sqlite_store)
    loss(sqlite_path)
    with pytest.raises(StoreError, match=r" was re.* while it was open"):
        put_one(sqlite_store)


def _wait_for_another_time(folder: Path, other: Path) -> None:
    """Changes that come soon one after the other get the same time from the file system."""
    deadline = time.monotonic() + 30
    while other.stat().st_ctime_ns <= folder.stat().st_ctime_ns:
        assert time.monotonic() < deadline
        os.utime(other)


def test_a_file_with_several_names_is_refused(sqlite_path: Path) -> None:
    """Each name would have a log of its own."""
    with fresh_sqlite_store(sqlite_path):
        other = sqlite_path.with_name("other.db")
        other.hardlink_to(sqlite_path)
        with pytest.raises(StoreError, match=r"other\.db has 2 names.*; remove the other hard"):
            SQLiteStore(other).open()
        other.unlink()
        with fresh_sqlite_store(sqlite_path):
            pass  # it opens now


def test_a_file_that_is_mounted_without_its_folder_is_refused(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sqlite_path.with_name("a job.db")
    listed = sqlite_path.with_name("mounts")
    listed.write_text(f"/dev/vda {path} ext4 rw 0 0\n".replace("a job", "a\\040job"))
    monkeypatch.setattr(files, "_MOUNTS", listed)
    with pytest.raises(StoreError, match=r"a job\.db is mounted without its folder.*; mount"):
        SQLiteStore(path).open()


def test_no_connection_makes_a_file_where_one_was(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    def work(raw: sqlite3.Connection) -> None:
        with closing(raw):
            _move(sqlite_path)

    with pytest.raises(StoreError, match="nor close the connection"):
        sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)
    for verb in (lambda: put_one(sqlite_store), sqlite_store.watch):
        with pytest.raises(StoreError, match=r"jobs\.db was removed"):
            verb()
    assert not sqlite_path.exists()
