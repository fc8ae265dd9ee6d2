"""Copying the write-ahead log into the database, while no connection can commit.

A version of the SQLite library before 3.51.3 loses pages when one connection begins a
checkpoint of a log that is in the database already, and another one commits at that moment
and so begins the log anew: https://sqlite.org/wal.html#walresetbug. That SQLite runs one
checkpoint at a time does not help; that no commit runs beside one does. So no connection of
ours checkpoints by itself, and the one that does is held by another one's write lock.

The checkpoint of the last connection that is closed needs no such care: SQLite makes sure
that it is the only one.
"""

import sqlite3
from threading import Lock
from typing import final

from bgjobs.errors import StoreError
from bgjobs.stores.sqlite.connection import Connection, run
from bgjobs.stores.sqlite.log_length import LogLength

_FEW = 8
"""Rows that are changed without a look at the length of the log, which takes two reads."""


@final
class Checkpointer:
    """Checkpoints for the connections of one store, when one of them has made the log long."""

    def __init__(self, connection: Connection, length: LogLength) -> None:
        self._connection = connection
        self._length = length
        self._turn = Lock()
        self._looked_at = -_FEW

    def after_commit(self, writer: sqlite3.Connection) -> None:
        """Checkpoint if the log is long; `writer` is in no transaction, and lends its lock.

        What fails is left to the next commit: what was committed before is safe in the log.
        """
        changed = writer.total_changes
        if abs(changed - self._looked_at) < _FEW:  # of another connection they are far away
            return
        self._looked_at = changed
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
            # Passive waits for no reader; what one still needs is left for another time.
            [(_, frames, _)] = self._connection.look(
                lambda raw: run(raw, "pragma wal_checkpoint(passive)", {})
            )
        finally:
            writer.execute("rollback")
        self._length.checkpointed(frames)
