"""The caller's own connection: whether it reaches the store, and its transaction."""

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache

from bgjobs._core.text import visible
from bgjobs.errors import StoreError
from bgjobs.stores.enqueue_in import no_transaction, wrong_connection
from bgjobs.stores.sqlite.checkpoints import SAFE_VERSIONS, has_wal_reset_bug
from bgjobs.stores.sqlite.connection import read_text, run
from bgjobs.stores.sqlite.errors import is_stale_snapshot
from bgjobs.stores.sqlite.file_lock import check_file_lock
from bgjobs.stores.sqlite.files import MEMORY, leads_to

_log = logging.getLogger("bgjobs.stores.sqlite")
_LEGACY = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, which Python 3.11 does not have


def as_sqlite3(connection: object) -> sqlite3.Connection:
    """Return the caller's connection, or raise `TypeError` if it is of another kind."""
    if not isinstance(connection, sqlite3.Connection):
        raise wrong_connection("enqueue_in", "sqlite3.Connection", connection)
    return connection


def check_reaches(
    connection: sqlite3.Connection, path: str, label: str, patience: float
) -> None:
    """Raise `StoreError` unless the connection is to this file, or has attached it.

    Also if running processes have another file, log or index open than is at the paths by now.
    A store in memory cannot be reached; there the jobs go to the caller's own database.
    """
    if path == MEMORY:
        return
    files: list[str] = [row[2] for row in run(connection, "pragma database_list", {})]
    reached = next((file for file in files if leads_to(path, file)), None)
    if reached is None:
        found = ", ".join(repr(file) for file in files)
        raise StoreError(f"{label}: expected a connection to this file, found one to {found}")
    check_file_lock(reached, label, patience)
    _warn_if_checkpointing(connection, label)


def _warn_if_checkpointing(connection: sqlite3.Connection, label: str) -> None:
    """Warn of a connection that checkpoints by itself, where the library has a bug with it.

    The connections of the store do not; see `checkpoints`.
    """
    if has_wal_reset_bug(sqlite3.sqlite_version_info):
        [[pages]] = run(connection, "pragma wal_autocheckpoint", {})
        if pages > 0:
            _warn_of_checkpoints(label, sqlite3.sqlite_version)


@cache  # so that each process warns once for each file
def _warn_of_checkpoints(label: str, version: str) -> None:
    _log.warning(
        "%s: SQLite %s may damage the file when a connection checkpoints while another one "
        "commits, and the connection given to enqueue_in checkpoints by itself: run 'pragma "
        "wal_autocheckpoint = 0' on it, as bgjobs checkpoints for all; or use SQLite %s",
        visible(label),
        version,
        SAFE_VERSIONS,
    )


@contextmanager
def transaction_of(connection: sqlite3.Connection, label: str) -> Generator[None]:
    """Write inside the caller's transaction.

    When none is open, one is begun, and the caller's own commit or rollback ends it. A
    connection in autocommit mode is refused with `StoreError`.
    """
    execute = sqlite3.Cursor(connection).execute
    if connection.in_transaction:
        with _stale_snapshot_explained(label), _savepoint(connection):
            yield
        return
    if _autocommits(connection):
        raise no_transaction(label, "enqueue_in", "'begin immediate'")
    execute("begin immediate")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the error that led here says more
                execute("rollback")
        raise


@contextmanager
def _savepoint(connection: sqlite3.Connection) -> Generator[None]:
    """Undo what was done when it raises, and leave the transaction as it was."""
    execute = sqlite3.Cursor(connection).execute
    execute("savepoint bgjobs_enqueue_in")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the error that led here says more
                execute("rollback to bgjobs_enqueue_in")
                execute("release bgjobs_enqueue_in")
        raise
    execute("release bgjobs_enqueue_in")


@contextmanager
def _stale_snapshot_explained(label: str) -> Generator[None]:
    """Explain SQLITE_BUSY_SNAPSHOT (https://sqlite.org/rescode.html#busy_snapshot)."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if not is_stale_snapshot(error):
            raise
        raise StoreError(
            f"{label}: others have written since this transaction first read, so it cannot "
            "write any more: roll back, and then write first or use 'begin immediate'"
        ) from error


@contextmanager
def plain_text(connection: sqlite3.Connection) -> Generator[None]:
    """Read text as the store does meanwhile, whatever text factory the caller has set."""
    factory = connection.text_factory
    connection.text_factory = read_text
    try:
        yield
    finally:
        connection.text_factory = factory


def _autocommits(connection: sqlite3.Connection) -> bool:
    mode: bool | int = getattr(connection, "autocommit", _LEGACY)
    return connection.isolation_level is None if mode == _LEGACY else bool(mode)
