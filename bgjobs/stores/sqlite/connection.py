"""One connection to SQLite, used by one thread at a time."""

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any, Literal, TypeVar, final

from attrs import define, field

from bgjobs._core.arguments import check_text
from bgjobs.errors import StoreError
from bgjobs.stores.sqlite.closing import close_without_checkpoint
from bgjobs.stores.sqlite.errors import is_held_up, needs_another_connection, translated
from bgjobs.stores.sqlite.identity import OpenedFiles

Synchronous = Literal["NORMAL", "FULL", "EXTRA"]
Parameters = Mapping[str, str | int | bytes | None]
Row = tuple[Any, ...]
"""What the driver gives, hence Any; `rows` makes values of it."""

T = TypeVar("T")

MEMORY = ":memory:"
read_text: Callable[[bytes], str] = partial(str, encoding="utf-8", errors="surrogateescape")
"""Reads any text: SQLite keeps those that are no UTF-8, for which the driver would raise."""
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
_LONGEST_PATH = 500
"""Bytes; SQLite opens no path of 512, the endings of its own files included."""
_LONGEST_FILE_NAME = 247
"""Bytes; file systems have 255, and SQLite appends up to 8."""
_WAL_RETRY = 0.01  # seconds; the change to WAL does not wait by itself


@final
@define(eq=False)
class Connection:
    """A connection with the lock that makes its users take turns.

    The lock is reentrant, so that a verb called inside `complete` is refused by SQLite, with
    a transaction in a transaction, and does not hang.

    `after_commit` is called with the connection while no other thread uses it.

    A file's connection is replaced when it was spoilt by the function given to `complete`; in
    memory, the database would go with it.
    """

    label: str
    raw: sqlite3.Connection
    _files: OpenedFiles | None = None
    _connect_anew: Callable[[], sqlite3.Connection] | None = None
    after_commit: Callable[[sqlite3.Connection], None] | None = None
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
                raw = self._begin()
            try:
                if self._files is not None:
                    self._files.check()
                yield raw
                with translated(self.label):
                    raw.execute("commit")
                if self._files is not None:
                    self._files.check()  # what went to a file of the past is not acknowledged
            except BaseException as error:
                _roll_back(raw)
                if is_held_up(error) and self._connect_anew is not None:
                    raw.close()  # so that the next transaction has another one
                raise
            if self.after_commit is not None:
                self.after_commit(raw)

    def close(self) -> None:
        """Close when the verb that goes on has ended."""
        with self._lock, translated(self.label):
            self._connect_anew = None
            if self._files is not None and self._files.are_taken():
                close_without_checkpoint(self.raw)
            else:
                self.raw.close()

    def _begin(self) -> sqlite3.Connection:
        try:
            self.raw.execute("begin immediate")
        except sqlite3.Error as error:
            if self._connect_anew is None or not needs_another_connection(error):
                raise
            spoilt, self.raw = self.raw, self._connect_anew()
            spoilt.close()
            self.raw.execute("begin immediate")
        return self.raw


def run(raw: sqlite3.Connection, sql: str, parameters: Parameters) -> list[Row]:
    """Run one statement and give all its rows as tuples, whatever row factory is set."""
    cursor = sqlite3.Cursor(raw)
    try:
        return cursor.execute(sql, parameters).fetchall()
    finally:
        cursor.close()


def change(raw: sqlite3.Connection, sql: str, parameters: Parameters) -> int:
    """Run one statement that changes rows and say how many; what it returns is not fetched."""
    cursor = sqlite3.Cursor(raw)
    try:
        cursor.execute(sql, parameters)
    finally:
        cursor.close()
    count: int = run(raw, "select changes()", {})[0][0]
    return count


def _snapshot(
    raw: sqlite3.Connection, statements: Iterable[str], parameters: Parameters
) -> list[list[Row]]:
    first, *others = statements
    if not others:
        return [run(raw, first, parameters)]
    raw.execute("begin")
    try:
        found = [run(raw, statement, parameters) for statement in (first, *others)]
        raw.execute("commit")
    except BaseException:
        _roll_back(raw)
        raise
    return found


def _roll_back(raw: sqlite3.Connection) -> None:
    """End the transaction, if neither SQLite nor a stranger's code has ended it."""
    with suppress(sqlite3.Error):  # the error that led here says more
        if raw.in_transaction:
            raw.execute("rollback")


def connect(
    path: str,
    label: str,
    files: OpenedFiles | None,
    *,
    busy_timeout: float,
    synchronous: Synchronous,
) -> Connection:
    """Open a connection in the mode that every role needs; `files` is None for memory."""
    anew = partial(_connect, path, label, files, busy_timeout, synchronous)
    with translated(label):
        return Connection(label, anew(), files, None if files is None else anew)


def _connect(
    path: str,
    label: str,
    files: OpenedFiles | None,
    busy_timeout: float,
    synchronous: Synchronous,
) -> sqlite3.Connection:
    if files is not None:
        files.check()  # SQLite would make a file that is absent, as the umask has it
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
    """Return the path that stays right when the working directory changes.

    What SQLite elsewhere takes for something else than the name of a file is refused.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    check_text("path", text)
    if text == MEMORY:
        return text
    problem = _path_problem(text)
    if problem:
        raise ValueError(f"path: expected the name of a file or {MEMORY!r}, found {problem}")
    return str(Path(text).absolute())


def _length_problem(path: str) -> str:
    """Return what is too long for SQLite, or no name of a file."""
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        return "one with a lone surrogate"
    if len(encoded) > _LONGEST_PATH:
        return f"a path of {len(encoded):,} bytes; SQLite opens {_LONGEST_PATH}"
    longest = max(len(os.fsencode(part)) for part in Path(path).parts)
    if longest > _LONGEST_FILE_NAME:
        return f"a name of {longest:,} bytes; SQLite opens {_LONGEST_FILE_NAME}"
    return ""


def _path_problem(text: str) -> str:
    if not text.strip():
        return "an empty one"
    if text.lower().startswith("file:"):
        return f"the URI {text!r}; name the file, as in 'jobs.db'"
    if text.strip().startswith(":"):
        return f"{text!r}"
    if "\0" in text:
        return "one with a null character"
    if problem := _length_problem(str(Path(text).absolute())):
        return problem
    return f"the folder {text!r}" if text[-1] in _SEPARATORS or Path(text).is_dir() else ""
