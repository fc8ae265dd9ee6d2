"""Seeing that a file was changed, by SQLite's own change counter."""

import sqlite3
from collections.abc import Collection
from typing import final

from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.sqlite.connection import Connection
from bgjobs.stores.sqlite.faults import as_store_error

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@final
class FileWatcher:
    """A `Watcher` that asks for the data version; every commit of others changes it.

    Commits of this process count too, as they come from other connections.
    """

    def __init__(self, connection: Connection, interval: float) -> None:
        self._connection = connection
        self._interval = interval
        self._seen = self._data_version()

    @property
    def interval(self) -> float:
        """Seconds between two looks."""
        return self._interval

    def fileno(self) -> int:
        """Never to be called: a file has no descriptor that tells of changes."""
        raise NotImplementedError("a file is looked at every interval")

    def poll(self) -> Collection[str] | None:
        """Give None when anything was committed since the last look, else nothing."""
        version = self._data_version()
        if version == self._seen:
            return ()
        self._seen = version
        return None

    def close(self) -> None:
        """Give back the connection."""
        self._connection.close()

    def _data_version(self) -> int | None:
        try:
            return int(self._connection.raw.execute("pragma data_version").fetchone()[0])
        except sqlite3.Error as error:
            code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
            if code & 0xFF in _BUSY:
                return getattr(self, "_seen", None)
            fault = as_store_error(self._connection.label, error)
            raise StoreUnavailableError(str(fault)) from error
