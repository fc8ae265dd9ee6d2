"""How errors of the driver become errors of bgjobs.

By SQLSTATE: see https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

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
"""Temporary errors that psycopg does not class as `OperationalError`."""
_LOST_PREPARED = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
)
"""The statement was prepared in another session: a pooler may use several for one client."""
_LIMIT_EXCEEDED = "54"
"""Permanent errors that psycopg does class so, such as a row too long for its index."""
_RAISED = "P0"
"""The class of errors that functions raise, such as those of triggers."""
_ABSENT = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
_ROLLED_BACK = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
"""The server rolled back the whole transaction in favour of another one."""
_ENDED_MEANWHILE = psycopg.errors.DivisionByZero
"""Raised by the statement `refuse_ended`, the only one that divides."""
_NOTHING_DONE = (*_ROLLED_BACK, _ENDED_MEANWHILE, *_LOST_PREPARED)
_TRIES = 3
"""How often a transaction is run that the server rolls back; then the runtime waits."""
T = TypeVar("T")


@contextmanager
def translated(label: str) -> Generator[None]:
    """Raise the driver's errors as `StoreError`; `label` names the store."""
    try:
        yield
    except (psycopg.Error, UnicodeEncodeError) as error:
        raise as_store_error(label, error) from error


def as_store_error(label: str, error: Exception) -> StoreError:
    """Return the error of bgjobs for an error of the driver."""
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
        return False  # a closed pool stays closed
    state = error.sqlstate or ""
    if state in _PASSING or isinstance(error, _LOST_PREPARED):
        return True
    return isinstance(error, psycopg.OperationalError) and state[:2] != _LIMIT_EXCEEDED


def _headline(error: BaseException) -> str:
    # Details and context of an error may quote a row, and so a payload.
    diagnosis = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    text = diagnosis or str(error) or type(error).__name__
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return f"{text.splitlines()[0]} ({state or type(error).__name__})"


def is_read_only(error: StoreError) -> bool:
    """Whether the server refused a write because it is read-only."""
    return getattr(error.__cause__, "sqlstate", None) == _READ_ONLY


def lost_prepared(error: StoreError) -> bool:
    """Whether a prepared statement was missing; then nothing has run."""
    return isinstance(error.__cause__, _LOST_PREPARED)


@contextmanager
def work_errors(label: str, connection: psycopg.Connection[Any]) -> Generator[None]:
    """Pass on the errors of the application's work, except for temporary ones of the database.

    If the connection was lost or the server rolled the transaction back, running the work again
    helps: raise `StoreUnavailableError`.
    """
    try:
        yield
    except Exception as error:
        cause = origin_of(error)  # the work may call `enqueue_in`
        is_ours = cause is not error and isinstance(cause, _LOST_PREPARED)
        if connection.broken or isinstance(cause, _ROLLED_BACK) or is_ours:
            raise StoreUnavailableError(f"{label}: {_headline(cause)}") from cause
        raise


@contextmanager
def read_only_explained(label: str) -> Generator[None]:
    """Raise `StoreError` if the application's work has made the transaction read-only.

    For a transaction that has written before, so that a failover cannot be the reason. Such an
    error is permanent.
    """
    try:
        yield
    except StoreUnavailableError as error:
        if not is_read_only(error):
            raise
        raise StoreError(
            f"{label}: the function given to complete_with has made the transaction "
            "read-only, so the job cannot be completed in it; the job has not succeeded. "
            "Remove 'set transaction read only', or read on a connection of your own"
        ) from error


def retry_rolled_back(work: Callable[[], T]) -> T:
    """Run `work`, and again if the server rolled back its whole transaction."""
    for _ in range(_TRIES - 1):
        try:
            return work()
        except StoreError as error:
            if not isinstance(error.__cause__, _NOTHING_DONE):
                raise
    return work()
