"""Copying the write-ahead log into the database, while no connection can commit.

Versions of the SQLite library before 3.51.3 may lose pages when one connection begins a
checkpoint of a log that is in the database already, while another one commits and so restarts
the log: https://sqlite.org/wal.html#walresetbug. SQLite runs one checkpoint at a time, but that
does not help; the commit has to be kept away. So no connection of bgjobs checkpoints by itself,
and the one that does runs while another one holds the write lock.

The checkpoint at the closing of the last connection needs no such care: SQLite makes sure that
it is the only one.
"""

import os
import sqlite3
from threading import Lock
from typing import final

from bgjobs.errors import StoreError
from bgjobs.stores.sqlite.connection import Connection, run

SAFE_VERSIONS = "3.44.6 and later 3.44, 3.50.7 and later 3.50, or 3.51.3 and newer"
"""The versions of SQLite without the WAL-reset bug, for messages."""
LONG = 1000
"""Frames, one for each page that was written: the default of `pragma wal_autocheckpoint`."""
AGAIN = 250
"""More frames to wait for after a checkpoint that a reader blocked."""
_FEW = 8
"""Changed rows after which the length of the log is not read, as that takes two reads."""

_HEADER = 32  # https://sqlite.org/fileformat2.html#walformat
_FRAME_HEADER = 24
_PAGE_SIZE = slice(8, 12)
_SALTS = slice(16, 24)
_SALTS_OF_FRAME = 8
_NOTHING = b"", 0


def has_wal_reset_bug(version_info: tuple[int, int, int]) -> bool:
    """Whether this version may lose pages when a connection commits during a checkpoint.

    The bug is in 3.7.0 to 3.51.2, except in two backports.
    """
    minor = version_info[:2]
    if minor == (3, 44):
        return version_info < (3, 44, 6)
    if minor == (3, 50):
        return version_info < (3, 50, 7)
    return (3, 7, 0) <= version_info < (3, 51, 3)


@final
class LogLength:
    """Whether the log is long enough for a checkpoint.

    The log file never shrinks: when all of it is in the database, SQLite overwrites it from
    the start, with new salts. So a frame counts only if it has the salts of the header.

    SQLite holds no locks on the log, so closing a descriptor of it releases none.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._due = _NOTHING  # the salts, and their place in the frame that is waited for

    def is_long(self) -> bool:
        """Whether the log has as many frames as are waited for."""
        header = os.pread(self._descriptor, _HEADER, 0)
        salts, place = self._due
        if header[_SALTS] != salts:
            salts, place = self._wait_for(header, LONG)
        return place > 0 and os.pread(self._descriptor, len(salts), place) == salts

    def checkpointed(self, frames: int) -> None:
        """Wait for more than these frames, until SQLite restarts the log."""
        self._wait_for(os.pread(self._descriptor, _HEADER, 0), max(LONG, frames + AGAIN))

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

    def _wait_for(self, header: bytes, frames: int) -> tuple[bytes, int]:
        if len(header) == _HEADER:
            frame_size = _FRAME_HEADER + int.from_bytes(header[_PAGE_SIZE])
            place = _HEADER + (frames - 1) * frame_size + _SALTS_OF_FRAME
            self._due = header[_SALTS], place
        else:
            self._due = _NOTHING  # nothing was ever written to it
        return self._due


@final
class Checkpointer:
    """Checkpoints for the connections of one store, after a commit has made the log long."""

    def __init__(self, connection: Connection, length: LogLength) -> None:
        self._connection = connection
        self._length = length
        self._turn = Lock()
        self._checked_at = -_FEW

    def after_commit(self, writer: sqlite3.Connection) -> None:
        """Checkpoint if the log is long. `writer` is in no transaction and gets the write lock.

        Errors are left to the next commit: what was committed before is safe in the log.
        """
        changed = writer.total_changes
        if (
            abs(changed - self._checked_at) < _FEW
        ):  # the counts of two connections are far apart
            return
        self._checked_at = changed
        try:
            if self._length.is_long() and self._turn.acquire(blocking=False):
                try:
                    self._checkpoint(writer)
                finally:
                    self._turn.release()
        except (sqlite3.Error, OSError, StoreError):
            return

    def _checkpoint(self, writer: sqlite3.Connection) -> None:
        writer.execute("begin immediate")
        try:
            # A passive checkpoint waits for no reader; it leaves what a reader still needs.
            [(_, frames, _)] = self._connection.read(
                lambda raw: run(raw, "pragma wal_checkpoint(passive)", {})
            )
        finally:
            writer.execute("rollback")
        self._length.checkpointed(frames)
