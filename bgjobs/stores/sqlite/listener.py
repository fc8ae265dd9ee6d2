"""Seeing that a file was changed, by SQLite's own change counter."""

import os
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, final

from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.sqlite.bell import Bell
from bgjobs.stores.sqlite.connection import Connection
from bgjobs.stores.sqlite.errors import as_store_error

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NOTHING: Final[Collection[str]] = frozenset()
_FILE = "select cast(file as blob) from pragma_database_list where name = 'main'"


@final
class FileWatcher:
    """A `Watcher` that asks for the data version; every commit of others changes it.

    Commits of this process count too, as they come from other connections. It asks when the
    system tells that the log was written; where none does, every `interval` seconds.
    """

    def __init__(self, connection: Connection, interval: float) -> None:
        self._connection = connection
        self._interval = interval
        self._seen: int | None = None
        self._bell: Bell | None = None
        try:
            self._ask("pragma busy_timeout = 0")  # `poll` never blocks
            self._look()  # makes the log, if there was none
            self._bell = self._hang_up()
            self._look()  # what came before the bell is no news
        except BaseException:
            self.close()
            raise

    @property
    def interval(self) -> float | None:
        """Seconds between two looks; None when a descriptor says when to look."""
        return self._interval if self._bell is None else None

    def fileno(self) -> int:
        """Give the descriptor that says when to look."""
        if self._bell is None:
            raise NotImplementedError("this file is looked at every interval")
        return self._bell.fileno()

    def poll(self) -> Collection[str] | None:
        """Give None when anything was committed since the last look, else nothing."""
        found = self._look() if self._bell is None else self._look_by(self._bell)
        return None if found else _NOTHING

    def close(self) -> None:
        """Give back the connection, and the descriptor."""
        if self._bell is not None:
            self._bell.close()
        self._connection.close()

    def _hang_up(self) -> Bell | None:
        """Give a bell at the log, where each commit is written first."""
        file: bytes = self._ask(_FILE)
        try:
            return Bell(Path(os.fsdecode(file) + "-wal"))
        except OSError:  # another system than Linux, or too many watches
            return None

    def _look_by(self, bell: Bell) -> bool | None:
        """Look, and set the bell for the next look."""
        label = self._connection.label
        try:
            bell.listen()
            found = self._look()
            if found and bell.is_deaf():
                raise StoreUnavailableError(f"{label}: the watcher is deaf")
            bell.wait(news=found)
        except OSError as error:
            fault = f"{label}: its log was lost: {error.strerror}"
            raise StoreUnavailableError(fault) from error
        return found

    def _look(self) -> bool | None:
        """Say whether the version has changed; None when it cannot be read at the moment."""
        version: int | None = self._ask("pragma data_version")
        if version is None:
            return None
        before, self._seen = self._seen, version
        return version != before

    def _ask(self, sql: str) -> Any:
        """Give the only value, or None when SQLite is busy."""
        try:
            return self._connection.raw.execute(sql).fetchone()[0]
        except sqlite3.Error as error:
            code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
            if code & 0xFF in _BUSY:
                return None
            fault = as_store_error(self._connection.label, error)
            raise StoreUnavailableError(str(fault)) from error
