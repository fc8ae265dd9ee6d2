"""The one place where errors of the driver become errors of bgjobs."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from bgjobs._core.exceptions import origin_of
from bgjobs.errors import RowRefusedError, StoreError, StoreUnavailableError

_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Locks, a full or absent disk, and lost races for the lock of the -shm file."""
_OF_A_ROW = frozenset(
    {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}
)
"""What a constraint, a type, a limit or a trigger says of one row."""
_OF_THE_DISK = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""What can befall any statement; a lock met in a stranger's code may be of its own making."""
_PRIMARY = 0xFF  # an extended code, such as SQLITE_BUSY_SNAPSHOT, has its kind in the low byte


@contextmanager
def translated(label: str) -> Generator[None]:
    """Raise the driver's errors as `StoreError`; `label` says which store it was."""
    try:
        yield
    except (sqlite3.Error, UnicodeEncodeError) as error:
        raise as_store_error(label, error) from error


@contextmanager
def weather_told(label: str) -> Generator[None]:
    """Let the errors of a stranger's code pass, but tell those of the disk as an outage."""
    try:
        yield
    except Exception as error:
        cause = origin_of(error)  # `enqueue_in` may be part of that code
        if isinstance(cause, sqlite3.Error) and _code(cause) & _PRIMARY in _OF_THE_DISK:
            raise as_store_error(label, cause) from cause
        raise


def needs_another_connection(error: sqlite3.Error) -> bool:
    """Say whether no transaction can begin on this one, ever.

    It was closed, or it is kept in the past by a cursor that was not read to its end.
    """
    return isinstance(error, sqlite3.ProgrammingError) or is_of_the_past(error)


def is_held_up(error: BaseException) -> bool:
    """Say whether a transaction could not end: a statement that writes is not finished."""
    return _code(error.__cause__) == sqlite3.SQLITE_BUSY


def is_of_the_past(error: sqlite3.Error) -> bool:
    """Say whether others have written since the transaction first read."""
    return _code(error) == sqlite3.SQLITE_BUSY_SNAPSHOT


def as_store_error(label: str, error: Exception) -> StoreError:
    """Return the error of bgjobs that stands for `error`."""
    name: str = getattr(error, "sqlite_errorname", type(error).__name__)
    message = f"{label}: {error} ({name})"
    if _code(error) & _PRIMARY in _PASSING:
        return StoreUnavailableError(message)
    is_of_a_row = _code(error) & _PRIMARY in _OF_A_ROW or isinstance(error, UnicodeEncodeError)
    return RowRefusedError(message) if is_of_a_row else StoreError(message)


def _code(error: BaseException | None) -> int:
    # Errors that the driver itself raises, such as for a closed connection, carry none.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
