"""The connections of one open store, by what they are for."""

import logging
import os
import sqlite3
from contextlib import ExitStack
from typing import final, get_args

from attrs import frozen

from bgjobs._core.text import value_text, visible
from bgjobs.errors import ForkedStoreError, StoreError, StoreUnavailableError
from bgjobs.stores.sqlite.checkpoints import Checkpointer
from bgjobs.stores.sqlite.connection import (
    MEMORY,
    Connection,
    Synchronous,
    connect,
    run,
)
from bgjobs.stores.sqlite.file_lock import Presence
from bgjobs.stores.sqlite.files import create_private, fault_of_place, remarks
from bgjobs.stores.sqlite.identity import OpenedFiles
from bgjobs.stores.sqlite.log_length import LogLength
from bgjobs.stores.sqlite.versions import OLDEST

_log = logging.getLogger("bgjobs.stores.sqlite")


@frozen
class _Open:
    pid: int
    files: OpenedFiles | None
    resources: ExitStack
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
                f"synchronous: expected NORMAL, FULL or EXTRA, found {value_text(synchronous)}"
            )
        self.label: str = f"SQLite {path}"
        self.path = path
        self.busy_timeout = busy_timeout
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
                files, roles = None, [self._connect(undo, None)] * 3
            else:
                files, roles = self._open_file(undo)
            self._open = _Open(os.getpid(), files, undo.pop_all(), *roles)

    def another(self) -> Connection:
        """Open one more connection that only reads, which its user closes."""
        files = self._usable().files
        with ExitStack() as undo:
            connection = self._connect(undo, files)
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
        closing.resources.close()

    def _usable(self) -> _Open:
        if self._open is None:
            raise StoreError(f"{self.label}: is not open")
        if self._open.pid != os.getpid():
            raise ForkedStoreError(self.label, self._open.pid, os.getpid())
        return self._open

    def _open_file(self, undo: ExitStack) -> tuple[OpenedFiles, list[Connection]]:
        """Connect all roles to the file, if its processes agree on what that is."""
        presence = Presence(os.path.realpath(self.path), self.label, self.busy_timeout)
        undo.callback(presence.close)
        files = self._create()
        checkpointing = self._connect(undo, files)
        checkpointing.look(lambda raw: run(raw, "pragma schema_version", {}))  # makes the log
        files.add_log()
        presence.announce(files.inodes())
        try:
            length = LogLength(files.log)
        except OSError as error:
            raise StoreUnavailableError(f"{self.label}: {error.strerror}") from error
        undo.callback(length.close)
        checkpointer = Checkpointer(checkpointing, length)
        writer, reader, pulse = [self._connect(undo, files) for _ in range(3)]
        writer.after_commit = pulse.after_commit = checkpointer.after_commit
        return files, [writer, reader, pulse]

    def _connect(self, undo: ExitStack, files: OpenedFiles | None) -> Connection:
        connection = connect(
            self.path,
            self.label,
            files,
            busy_timeout=self.busy_timeout,
            synchronous=self._synchronous,
        )
        undo.callback(connection.close)
        return connection

    def _create(self) -> OpenedFiles:
        try:
            create_private(self.path)
            if fault := fault_of_place(self.path):
                raise StoreError(f"{self.label}: {fault}")
            for remark in remarks(self.path):
                _log.warning("%s: %s", visible(self.label), visible(remark))
        except OSError as error:
            raise StoreUnavailableError(f"{self.label}: {error.strerror}") from error
        return OpenedFiles(self.path, self.label)

    def _check_library(self) -> None:
        found = sqlite3.sqlite_version_info
        if found < OLDEST:
            raise StoreError(
                f"{self.label}: expected version {'.'.join(map(str, OLDEST))} or newer of the "
                f"SQLite library, found {sqlite3.sqlite_version}"
            )
