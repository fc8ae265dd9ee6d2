"""The one place where errors of the driver become errors of bgjobs."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg_pool import PoolClosed

from bgjobs._core.exceptions import origin_of
from bgjobs.errors import (
    RowRefusedError,
    SchemaMismatchError,
    StoreError,
    StoreUnavailableError,
)
from bgjobs.stores.types import SCHEMA_VERSION

_READ_ONLY = "25006"
_PASSING = frozenset(
    {
        _READ_ONLY,  # this was the primary before a failover
        "25P03",  # the server ended an idle transaction, and the connection with it
        "25P04",  # the server ended a long transaction, and the connection with it
    }
)
"""Faults that pass though psycopg does not file them under `OperationalError`."""
_LOST_PREPARED = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
)
"""What was prepared is in another session: a pooler lends a client more than one."""
_LIMIT_EXCEEDED = "54"
"""The class of errors that psycopg does file there, such as a row too long for its index."""
_RAISED = "P0"
"""The class of errors that a function raises on purpose, such as one of a trigger."""
_ABSENT = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
_TAKEN_BACK = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
"""The server rolled back the whole transaction to let another one pass."""
_ENDED_MEANWHILE = psycopg.errors.DivisionByZero
"""Nothing of ours divides, but what enqueue.sql says where a job must not be stored again."""
_NOTHING_DONE = (*_TAKEN_BACK, _ENDED_MEANWHILE, *_LOST_PREPARED)
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
    """Return the error of bgjobs that stands for `error`."""
    if isinstance(error, _ABSENT):
        return SchemaMismatchError(label, 0, SCHEMA_VERSION)
    if isinstance(error, _ENDED_MEANWHILE):
        return StoreUnavailableError(f"{label}: a job ended while it was stored once more")
    return _kind(error)(f"{label}: {_headline(error)}")


def _kind(error: Exception) -> type[StoreError]:
    if _may_pass(error):
        return StoreUnavailableError
    return RowRefusedError if _is_of_a_row(error) else StoreError


def _is_of_a_row(error: Exception) -> bool:
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError | UnicodeEncodeError):
        return True
    state = getattr(error, "sqlstate", None) or ""
    return state[:2] in (_LIMIT_EXCEEDED, _RAISED)


def _may_pass(error: Exception) -> bool:
    if not isinstance(error, psycopg.Error) or isinstance(error, PoolClosed):
        return False  # a pool that was closed stays so
    state = error.sqlstate or ""
    if state in _PASSING or isinstance(error, _LOST_PREPARED):
        return True
    return isinstance(error, psycopg.OperationalError) and state[:2] != _LIMIT_EXCEEDED


def _headline(error: BaseException) -> str:
    # Details and context of an error may quote a row, and with it a payload.
    diagnosis = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    text = diagnosis or str(error) or type(error).__name__
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return f"{text.splitlines()[0]} ({state or type(error).__name__})"


def is_read_only(error: StoreError) -> bool:
    """Say whether the server takes no writes in this session."""
    return getattr(error.__cause__, "sqlstate", None) == _READ_ONLY


def lost_prepared(error: StoreError) -> bool:
    """Whether a prepared statement was not where it was made; then nothing has run."""
    return isinstance(error.__cause__, _LOST_PREPARED)


@contextmanager
def weather_told(label: str, connection: psycopg.Connection[Any]) -> Generator[None]:
    """Let the errors of a stranger's code pass, but tell those that are none of its own.

    When the connection was lost or the server took the transaction back, running it again
    helps: `StoreUnavailableError`.
    """
    try:
        yield
    except Exception as error:
        cause = origin_of(error)  # `enqueue_in` may be part of that code
        is_ours = cause is not error and isinstance(cause, _LOST_PREPARED)
        if connection.broken or isinstance(cause, _TAKEN_BACK) or is_ours:
            raise StoreUnavailableError(f"{label}: {_headline(cause)}") from cause
        raise


@contextmanager
def read_only_explained(label: str) -> Generator[None]:
    """Raise what work has done as `StoreError` where it lets ours fail: it never passes.

    For a transaction that has written before: no failover takes that away.
    """
    try:
        yield
    except StoreUnavailableError as error:
        if not is_read_only(error):
            raise
        raise StoreError(
            f"{label}: the function given to complete_with has made the transaction "
            "read-only, so the job cannot be completed in it; the job has not succeeded. Leave "
            "'set transaction read only' out, or read on a connection of your own"
        ) from error


def run_again(work: Callable[[], T]) -> T:
    """Run `work`, and again when the server took back its transaction as a whole."""
    for _ in range(_TRIES - 1):
        try:
            return work()
        except StoreError as error:
            if not isinstance(error.__cause__, _NOTHING_DONE):
                raise
    return work()
