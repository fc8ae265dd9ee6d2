"""The connections of one open store, by what they are for."""

import logging
import os
import sqlite3
from contextlib import ExitStack
from functools import cache
from typing import final, get_args

from attrs import frozen

from bgjobs.errors import ForkedStoreError, StoreError, StoreUnavailableError
from bgjobs.stores.sqlite.connection import (
    MEMORY,
    Connection,
    Synchronous,
    connect,
)
from bgjobs.stores.sqlite.files import create_private, remarks
from bgjobs.stores.sqlite.identity import OpenedFile
from bgjobs.stores.sqlite.versions import OLDEST, SAFE_VERSIONS, has_wal_reset_bug

_log = logging.getLogger("bgjobs.stores.sqlite")


@frozen
class _Open:
    pid: int
    file: OpenedFile | None
    writer: Connection
    reader: Connection
    pulse: Connection


@final
class Roles:
    """A writer, a reader, and a connection for heartbeats, so that these wait for no verb.

    In memory all three are one, as each connection would have a database of its own.
    """

    def __init__(self, path: str, *, busy_timeout: float, synchronous: Synchronous) -> None:
        if synchronous not in get_args(Synchronous):
            raise ValueError(
                f"synchronous: expected NORMAL, FULL or EXTRA, found {synchronous!r}"
            )
        self.label: str = f"SQLite {path}"
        self.path = path
        self._busy_timeout = busy_timeout
        self._synchronous: Synchronous = synchronous
        self._open: _Open | None = None

    @property
    def writer(self) -> Connection:
        """For write transactions; SQLite has one at a time."""
        return self._usable().writer

    @property
    def reader(self) -> Connection:
        """For everything that only reads; a write that goes on does not block it."""
        return self._usable().reader

    @property
    def pulse(self) -> Connection:
        """For heartbeats."""
        return self._usable().pulse

    def open(self) -> None:
        """Connect all roles."""
        if self._open is not None:
            self._usable()
            raise StoreError(f"{self.label}: is open already")
        self._check_library()
        with ExitStack() as undo:
            if self.path == MEMORY:
                shared = self._connect(undo, None)
                self._open = _Open(os.getpid(), None, shared, shared, shared)
            else:
                file = self._create()
                roles = [self._connect(undo, file) for _ in range(3)]
                self._open = _Open(os.getpid(), file, *roles)
            undo.pop_all()

    def another(self) -> Connection:
        """Open one more connection that only reads, which its user closes."""
        file = self._usable().file
        with ExitStack() as undo:
            connection = self._connect(undo, file)
            connection.look(lambda raw: raw.execute("pragma query_only = on"))
            undo.pop_all()
            return connection

    def close(self) -> None:
        """Close what this process opened.

        In a forked child nothing is closed: SQLite would think that the locks of the parent
        are its own.
        """
        if self._open is None or self._open.pid != os.getpid():
            return
        closing, self._open = self._open, None
        with ExitStack() as stack:
            for connection in (closing.writer, closing.reader, closing.pulse):
                stack.callback(connection.close)

    def _usable(self) -> _Open:
        if self._open is None:
            raise StoreError(f"{self.label}: is not open")
        if self._open.pid != os.getpid():
            raise ForkedStoreError(self.label, self._open.pid, os.getpid())
        return self._open

    def _connect(self, undo: ExitStack, file: OpenedFile | None) -> Connection:
        connection = connect(
            self.path,
            self.label,
            file,
            busy_timeout=self._busy_timeout,
            synchronous=self._synchronous,
        )
        undo.callback(connection.close)
        return connection

    def _create(self) -> OpenedFile:
        try:
            create_private(self.path)
            for remark in remarks(self.path):
                _log.warning("%s: %s", self.label, remark)
        except OSError as error:
            raise StoreUnavailableError(f"{self.label}: {error.strerror}") from error
        return OpenedFile(self.path, self.label)

    def _check_library(self) -> None:
        found = sqlite3.sqlite_version_info
        if found < OLDEST:
            raise StoreError(
                f"{self.label}: expected version {'.'.join(map(str, OLDEST))} or newer of the "
                f"SQLite library, found {sqlite3.sqlite_version}"
            )
        if self.path != MEMORY and has_wal_reset_bug(found):
            _warn_of_library(sqlite3.sqlite_version)


@cache  # once for a process is enough to know it
def _warn_of_library(version: str) -> None:
    _log.warning(
        "SQLite %s may corrupt a database in WAL mode when two connections checkpoint at the "
        "same moment; safe are %s",
        version,
        SAFE_VERSIONS,
    )
