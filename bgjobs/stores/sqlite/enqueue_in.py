"""Which transaction a caller's connection is in, and which one to begin when it is in none."""

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache

from bgjobs._core.text import visible
from bgjobs.errors import StoreError
from bgjobs.stores.enqueue_in import no_transaction, wrong_connection
from bgjobs.stores.sqlite.connection import MEMORY, read_text, run
from bgjobs.stores.sqlite.errors import is_of_the_past
from bgjobs.stores.sqlite.file_lock import check_present
from bgjobs.stores.sqlite.identity import leads_to
from bgjobs.stores.sqlite.versions import SAFE_VERSIONS, has_wal_reset_bug

_log = logging.getLogger("bgjobs.stores.sqlite")
_LEGACY = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, which Python 3.11 does not have


def as_sqlite3(connection: object) -> sqlite3.Connection:
    """Give the caller's connection if it is of the right kind."""
    if not isinstance(connection, sqlite3.Connection):
        raise wrong_connection("enqueue_in", "sqlite3.Connection", connection)
    return connection


def check_reaches(
    connection: sqlite3.Connection, path: str, label: str, patience: float
) -> None:
    """Raise `StoreError` unless the connection is to this file, or has attached it.

    Or if running processes have another file, log or index than is there by now. A store in
    memory is out of reach; there the caller's own database is taken.
    """
    if path == MEMORY:
        return
    files: list[str] = [row[2] for row in run(connection, "pragma database_list", {})]
    reached = next((file for file in files if leads_to(path, file)), None)
    if reached is None:
        found = ", ".join(repr(file) for file in files)
        raise StoreError(f"{label}: expected a connection to this file, found one to {found}")
    check_present(reached, label, patience)
    _remark_checkpoints(connection, label)


def _remark_checkpoints(connection: sqlite3.Connection, label: str) -> None:
    """Warn of a connection that checkpoints by itself, where the library has a bug with it.

    Those of the store do not; see `checkpoints`.
    """
    if has_wal_reset_bug(sqlite3.sqlite_version_info):
        [[pages]] = run(connection, "pragma wal_autocheckpoint", {})
        if pages > 0:
            _warn_of_checkpoints(label, sqlite3.sqlite_version)


@cache  # once for a file and a process is enough to know it
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

    Where none is open, one is begun, which the caller's own commit or rollback ends; a
    connection that commits by itself is refused.
    """
    run = sqlite3.Cursor(connection).execute
    if connection.in_transaction:
        with _past_explained(label), _savepoint(connection):
            yield
        return
    if _autocommits(connection):
        raise no_transaction(label, "enqueue_in", "'begin immediate'")
    run("begin immediate")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the error that led here says more
                run("rollback")
        raise


@contextmanager
def _savepoint(connection: sqlite3.Connection) -> Generator[None]:
    """Take back what was done where it raises, and leave the transaction as it was."""
    run = sqlite3.Cursor(connection).execute
    run("savepoint bgjobs_enqueue_in")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the error that led here says more
                run("rollback to bgjobs_enqueue_in")
                run("release bgjobs_enqueue_in")
        raise
    run("release bgjobs_enqueue_in")


@contextmanager
def _past_explained(label: str) -> Generator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if not is_of_the_past(error):
            raise
        raise StoreError(
            f"{label}: others have written since this transaction first read, so it cannot "
            "write any more: roll back, and then write first or use 'begin immediate'"
        ) from error


@contextmanager
def plain_text(connection: sqlite3.Connection) -> Generator[None]:
    """Read text as the store does for a while, whatever text factory the caller has set."""
    factory = connection.text_factory
    connection.text_factory = read_text
    try:
        yield
    finally:
        connection.text_factory = factory


def _autocommits(connection: sqlite3.Connection) -> bool:
    mode: bool | int = getattr(connection, "autocommit", _LEGACY)
    return connection.isolation_level is None if mode == _LEGACY else bool(mode)
