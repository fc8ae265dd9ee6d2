"""When the log is long enough for a checkpoint, and which versions of SQLite have the bug."""

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from bgjobs.stores.sqlite.checkpoints import AGAIN, LONG, LogLength, has_wal_reset_bug


@pytest.fixture(params=[512, 4096, 65536])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as connection:
        connection.execute(f"pragma page_size = {request.param}")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma wal_autocheckpoint = 0")
        connection.execute("pragma synchronous = off")
        connection.execute("create table t (x)")
        checkpoint(connection)
        yield connection


@pytest.fixture
def length(raw: sqlite3.Connection, tmp_path: Path) -> Generator[LogLength]:
    found = LogLength(str(tmp_path / "x.db-wal"))
    yield found
    found.close()


def checkpoint(raw: sqlite3.Connection) -> int:
    frames: int = raw.execute("pragma wal_checkpoint").fetchone()[1]
    return frames


def write(raw: sqlite3.Connection, frames: int) -> None:
    """Write so many pages, one at a time."""
    for n in range(frames):
        raw.execute(f"pragma user_version = {n}")


def test_a_log_is_long_from_so_many_frames_on(
    raw: sqlite3.Connection, length: LogLength
) -> None:
    write(raw, LONG - 1)
    assert not length.is_long()
    write(raw, 1)
    assert length.is_long()
    write(raw, 1)
    assert length.is_long()


def test_a_log_that_restarts_is_short_again(raw: sqlite3.Connection, length: LogLength) -> None:
    """Although the file still has the earlier frames."""
    for _ in range(2):
        write(raw, LONG)
        assert length.is_long()
        assert checkpoint(raw) == LONG
        write(raw, 1)
        assert not length.is_long()
        write(raw, LONG - 2)
        assert not length.is_long()
        write(raw, 1)
        assert length.is_long()
        assert checkpoint(raw) == LONG


def test_after_a_checkpoint_some_more_frames_are_waited_for(
    raw: sqlite3.Connection, length: LogLength, tmp_path: Path
) -> None:
    """A checkpoint that a reader blocks is not repeated at each commit."""
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as reader:
        write(raw, 1)
        reader.execute("begin")
        reader.execute("select count(*) from t").fetchone()
        write(raw, LONG - 1)
        assert length.is_long()
        length.checkpointed(checkpoint(raw))
        assert not length.is_long()
        write(raw, AGAIN - 1)
        assert not length.is_long()
        write(raw, 1)
        assert length.is_long()
        reader.execute("commit")
    length.checkpointed(checkpoint(raw))
    write(raw, 1)
    assert not length.is_long()
    write(raw, LONG - 1)
    assert length.is_long()


def test_an_empty_log_is_not_long(tmp_path: Path) -> None:
    (tmp_path / "x.db-wal").touch()
    length = LogLength(str(tmp_path / "x.db-wal"))
    assert not length.is_long()
    length.checkpointed(0)
    assert not length.is_long()
    length.close()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 37, 2), True),
        ((3, 40, 1), True),
        ((3, 43, 2), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 44, 9), False),
        ((3, 45, 0), True),
        ((3, 49, 2), True),
        ((3, 50, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_versions_with_the_bug(version: tuple[int, int, int], expected: bool) -> None:
    assert has_wal_reset_bug(version) is expected
