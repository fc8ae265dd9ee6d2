"""The one place where errors of the driver become errors of bgjobs."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from bgjobs.errors import StoreError, StoreUnavailableError

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
_PRIMARY = 0xFF  # an extended code, such as SQLITE_BUSY_SNAPSHOT, has its kind in the low byte


@contextmanager
def translated(label: str) -> Generator[None]:
    """Raise the driver's errors as `StoreError`; `label` says which store it was."""
    try:
        yield
    except sqlite3.Error as error:
        raise as_store_error(label, error) from error


def as_store_error(label: str, error: sqlite3.Error) -> StoreError:
    """Give the error of bgjobs that stands for `error`."""
    # Errors that the driver itself raises, such as for a closed connection, carry no code.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    name: str = getattr(error, "sqlite_errorname", type(error).__name__)
    message = f"{label}: {error} ({name})"
    if code is not None and code & _PRIMARY in _PASSING:
        return StoreUnavailableError(message)
    return StoreError(message)
