"""The one place where errors of the driver become errors of bgjobs."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import psycopg

from bgjobs.errors import SchemaMismatchError, StoreError, StoreUnavailableError
from bgjobs.stores.abc import SCHEMA_VERSION

_PASSING = frozenset(
    {
        "25006",  # read-only: this was the primary before a failover
        "25P03",  # the server ended an idle transaction, and the connection with it
        "25P04",  # the server ended a long transaction, and the connection with it
    }
)
"""Faults that pass though psycopg does not file them under `OperationalError`."""
_LIMIT_EXCEEDED = "54"
"""The class of errors that psycopg does file there, such as a row too long for its index."""
_ABSENT = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
_TAKEN_BACK = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
"""The server rolled back the whole transaction to let another one pass."""
_TRIES = 3
"""How often a verb is run that the server takes back; then the runtime waits and retries."""
T = TypeVar("T")


@contextmanager
def translated(label: str) -> Generator[None]:
    """Raise the driver's errors as `StoreError`; `label` says which store it was."""
    try:
        yield
    except (psycopg.Error, UnicodeEncodeError) as error:
        raise as_store_error(label, error) from error


def as_store_error(label: str, error: Exception) -> StoreError:
    """Give the error of bgjobs that stands for `error`."""
    if isinstance(error, _ABSENT):
        return SchemaMismatchError(label, 0, SCHEMA_VERSION)
    kind = StoreUnavailableError if _may_pass(error) else StoreError
    return kind(f"{label}: {_headline(error)}")


def _may_pass(error: Exception) -> bool:
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate or ""
    if state in _PASSING:
        return True
    return isinstance(error, psycopg.OperationalError) and state[:2] != _LIMIT_EXCEEDED


def _headline(error: Exception) -> str:
    # Details and context of an error may quote a row, and with it a payload.
    diagnosis = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    text = diagnosis or str(error) or type(error).__name__
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return f"{text.splitlines()[0]} ({state or type(error).__name__})"


def run_again(work: Callable[[], T]) -> T:
    """Run `work`, and again when the server took back its transaction as a whole."""
    for _ in range(_TRIES - 1):
        try:
            return work()
        except StoreError as error:
            if not isinstance(error.__cause__, _TAKEN_BACK):
                raise
    return work()
