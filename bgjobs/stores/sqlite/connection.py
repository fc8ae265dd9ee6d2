"""One connection to SQLite, used by one thread at a time."""

import sqlite3
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from threading import RLock
from typing import Any, Literal, TypeVar, final

from attrs import define, field

from bgjobs.errors import StoreError
from bgjobs.stores.sqlite.errors import is_held_up, needs_another_connection, translated
from bgjobs.stores.sqlite.files import OpenedFiles

Synchronous = Literal["NORMAL", "FULL", "EXTRA"]
Parameters = Mapping[str, str | int | bytes | None]
Row = tuple[Any, ...]
"""What the driver returns, hence Any; `codec` makes values of it."""

T = TypeVar("T")

read_text: Callable[[bytes], str] = partial(str, encoding="utf-8", errors="surrogateescape")
"""Reads any text. SQLite stores text that is not UTF-8, for which the driver would raise."""
_WAL_RETRY = 0.01  # seconds; the busy timeout does not apply to the change to WAL


@final
@define(eq=False)
class Connection:
    """A connection with a lock, so that its users take turns.

    The lock is reentrant: a verb called inside `complete` does not hang, but is refused by
    SQLite, as a transaction inside a transaction.

    `after_commit` is called with the connection while no other thread uses it.

    A connection to a file is replaced when the function given to `complete` has made it
    unusable. A database in memory would be lost with its connection.
    """

    label: str
    raw: sqlite3.Connection
    _files: OpenedFiles | None = None
    _reconnect: Callable[[], sqlite3.Connection] | None = None
    after_commit: Callable[[sqlite3.Connection], None] | None = None
    _lock: RLock = field(factory=RLock, repr=False)
    _is_clean: bool = True
    """Whether no transaction is open, and the last one was committed."""

    def snapshot(self, statements: Iterable[str], parameters: Parameters) -> list[list[Row]]:
        """Run statements that only read, all on the same state of the database."""
        return self.read(lambda raw: _snapshot(raw, statements, parameters))

    def read(self, reading: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function that only reads."""
        with self._lock, translated(self.label):
            return reading(self.raw)

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """Open a write transaction. An exception rolls it back and is raised unchanged.

        It begins as a writer. A transaction that reads before it writes fails at once when
        another process has written in between, whatever the busy timeout:
        https://sqlite.org/rescode.html#busy_snapshot.
        """
        with self._lock:
            with translated(self.label):
                self._first("begin immediate")
            raw, self._is_clean = self.raw, False
            try:
                self._check_files()
                yield raw
                with translated(self.label):
                    raw.execute("commit")
                self._is_clean = True
                self._check_files()  # a commit to a replaced file is not acknowledged
            except BaseException as error:
                _roll_back(raw)
                if is_held_up(error) and self._reconnect is not None:
                    raw.close()  # so that the next transaction gets another connection
                raise
            if self.after_commit is not None:
                self.after_commit(raw)

    def insert_alone(self, sql: str, row: Sequence[str | int]) -> bool:
        """Insert a row by a statement that is the whole transaction, instead of by three.

        Return False if it was not inserted. That is so while this thread is in a transaction,
        and after one that was rolled back: a statement of it that writes may be unfinished, and
        SQLite would commit the row only when that ends.
        https://sqlite.org/lang_transaction.html#implicit_versus_explicit_transactions
        """
        with self._lock:
            if not self._is_clean:
                return False
            self._check_files()
            with translated(self.label):
                inserted = self._first(sql, row).rowcount == 1
            self._check_files()  # a commit to a replaced file is not acknowledged
            if self.after_commit is not None:
                self.after_commit(self.raw)
        return inserted

    def close(self) -> None:
        """Close once the verb that is running has ended."""
        with self._lock, translated(self.label):
            self._reconnect = None
            if self._files is not None and self._files.are_taken():
                _close_without_checkpoint(self.raw)
            else:
                self.raw.close()

    def _first(self, sql: str, row: Sequence[str | int] = ()) -> sqlite3.Cursor:
        """Run the first statement of a transaction, on a new connection if it has to be one."""
        try:
            return self.raw.execute(sql, row)
        except sqlite3.Error as error:
            if self._reconnect is None or not needs_another_connection(error):
                raise
            spoilt, self.raw = self.raw, self._reconnect()
            spoilt.close()
            return self.raw.execute(sql, row)

    def _check_files(self) -> None:
        if self._files is not None:
            self._files.check()


def run(raw: sqlite3.Connection, sql: str, parameters: Parameters) -> list[Row]:
    """Run one statement and return all its rows as tuples, whatever row factory is set."""
    cursor = sqlite3.Cursor(raw)
    try:
        return cursor.execute(sql, parameters).fetchall()
    finally:
        cursor.close()


def change(raw: sqlite3.Connection, sql: str, parameters: Parameters) -> int:
    """Run one statement and return how many rows it changed; the rows are not fetched."""
    cursor = sqlite3.Cursor(raw)
    try:
        cursor.execute(sql, parameters)
    finally:
        cursor.close()
    count: int = run(raw, "select changes()", {})[0][0]
    return count


def insert(raw: sqlite3.Connection, sql: str, rows: Iterable[Sequence[str | int]]) -> int:
    """Run a statement without RETURNING for each row; return how many rows it inserted."""
    cursor = sqlite3.Cursor(raw)
    try:
        return cursor.executemany(sql, rows).rowcount
    finally:
        cursor.close()


def _snapshot(
    raw: sqlite3.Connection, statements: Iterable[str], parameters: Parameters
) -> list[list[Row]]:
    first, *others = statements
    if not others:
        return [run(raw, first, parameters)]
    return in_transaction(
        raw, lambda: [run(raw, statement, parameters) for statement in (first, *others)]
    )


def in_transaction(raw: sqlite3.Connection, reading: Callable[[], T]) -> T:
    """Run a function that only reads, on one state of the database."""
    raw.execute("begin")
    try:
        found = reading()
        raw.execute("commit")
    except BaseException:
        _roll_back(raw)
        raise
    return found


def _roll_back(raw: sqlite3.Connection) -> None:
    """Roll back, unless SQLite or the function given to `complete` has done so already."""
    with suppress(sqlite3.Error):  # the error that led here says more
        if raw.in_transaction:
            raw.execute("rollback")


if sys.version_info >= (3, 12):

    def _close_without_checkpoint(raw: sqlite3.Connection) -> None:
        """Close, and leave the log as it is.

        The last connection to be closed copies its log into the database and deletes the file
        at the path of the log. Here that file is the log of other processes.
        """
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
        raw.close()

else:

    def _close_without_checkpoint(raw: sqlite3.Connection) -> None:
        """Leave it open until the process ends: Python 3.11 cannot turn off the checkpoint.

        The last connection to be closed copies its log into the database and deletes the file
        at the path of the log. Here that file is the log of other processes.
        """
        from ctypes import py_object, pythonapi  # noqa: PLC0415 - Python may lack it

        pythonapi.Py_IncRef(py_object(raw))


def connect(
    path: str,
    label: str,
    files: OpenedFiles | None,
    *,
    busy_timeout: float,
    synchronous: Synchronous,
) -> Connection:
    """Open a connection with the settings that every role needs; `files` is None for memory."""
    again = partial(_connect, path, label, files, busy_timeout, synchronous)
    with translated(label):
        return Connection(label, again(), files, None if files is None else again)


def _connect(
    path: str,
    label: str,
    files: OpenedFiles | None,
    busy_timeout: float,
    synchronous: Synchronous,
) -> sqlite3.Connection:
    if files is not None:
        files.check()  # SQLite would create an absent file with the permissions of the umask
    raw = sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False
    )
    try:
        raw.text_factory = read_text
        raw.execute("pragma trusted_schema = off")
        raw.execute(f"pragma synchronous = {synchronous}")
        if files is not None:
            raw.execute("pragma wal_autocheckpoint = 0")  # see `checkpoints`
            _use_wal(raw, label, busy_timeout)
    except BaseException:
        raw.close()
        raise
    return raw


def _use_wal(raw: sqlite3.Connection, label: str, patience: float) -> None:
    """Change to WAL (https://sqlite.org/wal.html); the setting stays in the file."""
    deadline = time.monotonic() + patience
    while True:
        try:
            mode = _wal_mode(raw)
        except sqlite3.OperationalError:
            # Another process is making the same change, for which SQLite does not wait.
            if time.monotonic() >= deadline:
                raise
            time.sleep(_WAL_RETRY)  # in a store thread; SQLite has no call that waits for this
        else:
            break
    if mode != "wal":
        raise StoreError(f"{label}: expected journal mode 'wal', found {mode!r}")


def _wal_mode(raw: sqlite3.Connection) -> str:
    found: str = raw.execute("pragma journal_mode").fetchone()[0]
    if found != "wal":
        found = raw.execute("pragma journal_mode = wal").fetchone()[0]
    return found
