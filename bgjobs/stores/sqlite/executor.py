"""The connections of a store by their role, and the named statements that run on them."""

import logging
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import final, get_args

from attrs import define, frozen

from bgjobs._core.text import value_text, visible
from bgjobs._core.timestamps import as_instant, to_microseconds
from bgjobs.errors import ForkedStoreError, StoreError, StoreUnavailableError
from bgjobs.stores.pages import Page
from bgjobs.stores.sql import Statements
from bgjobs.stores.sqlite.checkpoints import Checkpointer, LogLength
from bgjobs.stores.sqlite.connection import (
    Connection,
    Parameters,
    Row,
    Synchronous,
    change,
    connect,
    in_transaction,
    insert,
    run,
)
from bgjobs.stores.sqlite.counts import COUNTING, counts_of
from bgjobs.stores.sqlite.errors import translated
from bgjobs.stores.sqlite.file_lock import FileLock
from bgjobs.stores.sqlite.files import (
    MEMORY,
    OpenedFiles,
    create_private,
    location_problem,
    remarks,
)
from bgjobs.stores.types import Counts

Clock = Callable[[], datetime]

OLDEST_LIBRARY = (3, 37, 0)
"""The first version of SQLite with STRICT tables; RETURNING is older."""
_log = logging.getLogger("bgjobs.stores.sqlite")


def machine_clock() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


@frozen
class _Open:
    pid: int
    files: OpenedFiles | None
    resources: ExitStack
    writer: Connection
    reader: Connection
    heartbeat: Connection


@final
class RoleConnections:
    """A writer, a reader, and a connection for heartbeats, so that these wait for no verb.

    In memory all three are one, as each connection would have a database of its own.
    """

    def __init__(self, path: str, busy_timeout: float, synchronous: Synchronous) -> None:
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
        """For verbs that only read; a write transaction does not block them."""
        return self._usable().reader

    @property
    def heartbeat(self) -> Connection:
        """For heartbeats."""
        return self._usable().heartbeat

    def open(self) -> None:
        """Open a connection for each role."""
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
        """Open one more connection that only reads; the caller closes it."""
        files = self._usable().files
        with ExitStack() as undo:
            connection = self._connect(undo, files)
            connection.read(lambda raw: raw.execute("pragma query_only = on"))
            undo.pop_all()
            return connection

    def close(self) -> None:
        """Close what this process opened.

        A forked child closes nothing: SQLite would release the locks of the parent
        (https://sqlite.org/howtocorrupt.html, section 2.6).
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
        """Connect to the file, after checking that other processes have the same one open."""
        lock = FileLock(os.path.realpath(self.path), self.label, self.busy_timeout)
        undo.callback(lock.close)
        files = self._create()
        checkpointing = self._connect(undo, files)
        checkpointing.read(lambda raw: run(raw, "pragma schema_version", {}))  # creates the log
        files.add_log()
        lock.record(files.inodes())
        try:
            length = LogLength(files.log)
        except OSError as error:
            raise StoreUnavailableError(f"{self.label}: {error.strerror}") from error
        undo.callback(length.close)
        checkpointer = Checkpointer(checkpointing, length)
        writer, reader, heartbeat = [self._connect(undo, files) for _ in range(3)]
        writer.after_commit = heartbeat.after_commit = checkpointer.after_commit
        return files, [writer, reader, heartbeat]

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
            if problem := location_problem(self.path):
                raise StoreError(f"{self.label}: {problem}")
            for remark in remarks(self.path):
                _log.warning("%s: %s", visible(self.label), visible(remark))
        except OSError as error:
            raise StoreUnavailableError(f"{self.label}: {error.strerror}") from error
        return OpenedFiles(self.path, self.label)

    def _check_library(self) -> None:
        found = sqlite3.sqlite_version_info
        if found < OLDEST_LIBRARY:
            wanted = ".".join(map(str, OLDEST_LIBRARY))
            raise StoreError(
                f"{self.label}: expected version {wanted} or newer of the SQLite library, "
                f"found {sqlite3.sqlite_version}"
            )


@final
@define(eq=False)  # not frozen, which would make each one cost more
class Transaction:
    """A connection inside a transaction, and the statements of the store."""

    raw: sqlite3.Connection
    sql: Statements

    def run(self, name: str, parameters: Parameters) -> list[Row]:
        """Run a statement and return its rows."""
        return run(self.raw, self.sql[name][0], parameters)

    def insert(self, name: str, rows: Iterable[Sequence[str | int]]) -> int:
        """Run a statement without RETURNING for each row; return how many were inserted."""
        return insert(self.raw, self.sql[name][0], rows)

    def change(self, name: str, parameters: Parameters) -> int:
        """Run a statement and return how many rows it changed."""
        return change(self.raw, self.sql[name][0], parameters)


@final
@frozen(eq=False)
class Executor:
    """Runs the named statements of one store, by its clock."""

    connections: RoleConnections
    sql: Statements
    clock: Clock

    def microseconds(self, now: datetime | None) -> int:
        """Return the time that a verb was given, else that of the clock."""
        return to_microseconds(as_instant("now", self.clock() if now is None else now))

    def read(self, name: str, parameters: Parameters) -> list[Row]:
        """Return the rows of a statement that only reads."""
        return self.snapshot([name], parameters)[0]

    def snapshot(self, names: Sequence[str], parameters: Parameters) -> list[list[Row]]:
        """Return the rows of each of these statements, all of one state of the database."""
        statements = [self.sql[name][0] for name in names]
        return self.connections.reader.snapshot(statements, parameters)

    def counts(self, names: str | None, now: int, at_most: int | None) -> Counts:
        """Return the counts of `counts_of`, on one state of the database."""
        sql = {name: self.sql[name][0] for name in COUNTING}

        def count(raw: sqlite3.Connection) -> Counts:
            return in_transaction(raw, lambda: counts_of(raw, sql, names, now, at_most))

        return self.connections.reader.read(count)

    def page(
        self, name: str, wanted: Page, parameters: Parameters, *, one_more: bool = False
    ) -> list[Row]:
        """Return one page of a listing, or one row more, which shows that another follows."""
        last = wanted.after_id
        values: Parameters = {
            "after": None if last is None else str(last),
            "limit": wanted.limit + one_more,
            "skip": 0,
        }
        return self.read(name, {**values, **parameters})

    @contextmanager
    def writing(self) -> Generator[Transaction]:
        """Open a write transaction; the driver's errors in it are raised as `StoreError`."""
        with self.connections.writer.writing() as raw, translated(self.connections.label):
            yield Transaction(raw, self.sql)

    def insert_alone(self, name: str, row: Sequence[str | int]) -> bool:
        """Run a statement for one row as a transaction; see `Connection.insert_alone`."""
        return self.connections.writer.insert_alone(self.sql[name][0], row)

    def write(self, name: str, now: datetime | None, parameters: Parameters) -> list[Row]:
        """Run one statement in a transaction of its own and return its rows."""
        with self.writing() as transaction:
            # The clock is read after the wait for other writers: a lease may end meanwhile.
            return transaction.run(name, {**parameters, "now": self.microseconds(now)})
