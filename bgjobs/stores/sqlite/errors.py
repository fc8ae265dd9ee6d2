"""Translation of the driver's errors into those of bgjobs."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import final

from attrs import frozen

from bgjobs._core.exceptions import origin_of
from bgjobs.errors import RowRefusedError, StoreError, StoreUnavailableError

_TEMPORARY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Locks, a full or absent disk, and lost races for the lock of the -shm file.

See https://sqlite.org/rescode.html.
"""
_OF_A_ROW = frozenset(
    {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}
)
"""A constraint, a type, a limit or a trigger has refused one row."""
_OF_THE_DISK = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""Errors that no statement can cause. A lock that user code meets may be of its own making."""
_PRIMARY = 0xFF  # the low byte of an extended code, such as SQLITE_BUSY_SNAPSHOT


@final
@frozen
class translated:  # noqa: N801 - used as a function; each statement enters one, so it is no generator
    """Raise the driver's errors as `StoreError`; the message begins with the store's label."""

    label: str

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise the error of bgjobs instead of one of the driver."""
        if isinstance(error, sqlite3.Error | UnicodeEncodeError):
            raise as_store_error(self.label, error) from error


@contextmanager
def disk_errors_translated(label: str) -> Generator[None]:
    """Raise disk errors in user code as an outage; all other errors pass unchanged."""
    try:
        yield
    except Exception as error:
        cause = origin_of(error)  # user code may call `enqueue_in`
        if isinstance(cause, sqlite3.Error) and _code(cause) & _PRIMARY in _OF_THE_DISK:
            raise as_store_error(label, cause) from cause
        raise


def needs_another_connection(error: sqlite3.Error) -> bool:
    """Whether no transaction can ever begin on this connection.

    It was closed, or a cursor that was not read to its end keeps it on an old snapshot.
    """
    return isinstance(error, sqlite3.ProgrammingError) or is_stale_snapshot(error)


def is_held_up(error: BaseException) -> bool:
    """Whether a transaction could not end because a statement that writes is not finished."""
    return _code(error.__cause__) == sqlite3.SQLITE_BUSY


def is_stale_snapshot(error: sqlite3.Error) -> bool:
    """Whether other connections have written since the transaction first read."""
    return _code(error) == sqlite3.SQLITE_BUSY_SNAPSHOT


def as_store_error(label: str, error: Exception) -> StoreError:
    """Return the error of bgjobs for an error of the driver."""
    name: str = getattr(error, "sqlite_errorname", type(error).__name__)
    message = f"{label}: {error} ({name})"
    if _code(error) & _PRIMARY in _TEMPORARY:
        return StoreUnavailableError(message)
    is_of_a_row = _code(error) & _PRIMARY in _OF_A_ROW or isinstance(error, UnicodeEncodeError)
    return RowRefusedError(message) if is_of_a_row else StoreError(message)


def _code(error: BaseException | None) -> int:
    # Errors that the driver itself raises, such as for a closed connection, have no code.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
