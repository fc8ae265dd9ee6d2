"""One connection to SQLite, used by one thread at a time."""

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, Literal, TypeVar, final

from attrs import field, frozen

from bgjobs.errors import StoreError
from bgjobs.stores.sqlite.faults import translated

Synchronous = Literal["NORMAL", "FULL", "EXTRA"]
Parameters = Mapping[str, str | int | None]
Row = tuple[Any, ...]
"""What the driver gives, hence Any; `rows` makes values of it."""

T = TypeVar("T")

MEMORY = ":memory:"
_PRIVATE = 0o600
_WAL_RETRY = 0.01  # seconds; the change to WAL does not wait by itself


@final
@frozen
class Connection:
    """A connection with the lock that makes its users take turns.

    The lock is reentrant, so that a verb called inside `complete` is refused by SQLite, with
    a transaction in a transaction, and does not hang.
    """

    label: str
    raw: sqlite3.Connection
    _lock: RLock = field(factory=RLock, repr=False)

    def snapshot(self, statements: Iterable[str], parameters: Parameters) -> list[list[Row]]:
        """Run statements that only read, all on the same state of the database."""
        return self.look(lambda raw: _snapshot(raw, statements, parameters))

    def look(self, reading: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function that only reads."""
        with self._lock, translated(self.label):
            return reading(self.raw)

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """Hold one write transaction; an exception rolls it back, and goes on as it is.

        It begins as a writer: a reader that becomes one fails at once when another process
        has written in between, whatever the busy timeout.
        """
        with self._lock:
            with translated(self.label):
                self.raw.execute("begin immediate")
            try:
                yield self.raw
                with translated(self.label):
                    self.raw.execute("commit")
            except BaseException:
                self.roll_back()
                raise

    def roll_back(self) -> None:
        """End the transaction, if SQLite has not ended it by itself."""
        if self.raw.in_transaction:
            with suppress(sqlite3.Error):  # the error that led here says more
                self.raw.execute("rollback")

    def close(self) -> None:
        """Close when the verb that goes on has ended."""
        with self._lock, translated(self.label):
            self.raw.close()


def run(raw: sqlite3.Connection, sql: str, parameters: Parameters) -> list[Row]:
    """Run one statement and give all its rows as tuples, whatever row factory is set."""
    cursor = sqlite3.Cursor(raw)
    try:
        return cursor.execute(sql, parameters).fetchall()
    finally:
        cursor.close()


def _snapshot(
    raw: sqlite3.Connection, statements: Iterable[str], parameters: Parameters
) -> list[list[Row]]:
    first, *others = statements
    if not others:
        return [run(raw, first, parameters)]
    raw.execute("begin")
    try:
        return [run(raw, statement, parameters) for statement in (first, *others)]
    finally:
        raw.execute("commit")


def connect(
    path: str, label: str, *, busy_timeout: float, synchronous: Synchronous
) -> Connection:
    """Open a connection in the mode that every role needs."""
    with translated(label):
        raw = sqlite3.connect(
            path, timeout=busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            raw.execute("pragma trusted_schema = off")
            raw.execute(f"pragma synchronous = {synchronous}")
            if path != MEMORY:
                _use_wal(raw, label, busy_timeout)
        except BaseException:
            raw.close()
            raise
    return Connection(label, raw)


def create_private(path: str) -> None:
    """Make an absent file, readable by its owner only; -wal and -shm get the same mode.

    A file that exists is never opened here: closing it would drop the locks that this
    process holds on it through SQLite.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))


def _use_wal(raw: sqlite3.Connection, label: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            mode = _wal_mode(raw)
        except sqlite3.OperationalError:
            # Another process is making the same change, for which SQLite does not wait.
            if time.monotonic() >= deadline:
                raise
            time.sleep(_WAL_RETRY)
        else:
            break
    if mode != "wal":
        raise StoreError(f"{label}: expected journal mode 'wal', found {mode!r}")


def _wal_mode(raw: sqlite3.Connection) -> str:
    found: str = raw.execute("pragma journal_mode").fetchone()[0]
    if found != "wal":
        found = raw.execute("pragma journal_mode = wal").fetchone()[0]
    return found


def absolute(path: str | os.PathLike[str]) -> str:
    """Give the path that stays right when the working directory changes."""
    text = os.fspath(path)
    return text if text == MEMORY else str(Path(text).absolute())
