"""Which transaction a caller's connection is in, and which one to begin when it is in none."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress

_LEGACY = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, which Python 3.11 does not have


def as_sqlite3(connection: object) -> sqlite3.Connection:
    """Give the caller's connection if it is of the right kind."""
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError(f"expected a sqlite3.Connection, found {type(connection).__name__}")
    return connection


@contextmanager
def transaction_of(connection: sqlite3.Connection) -> Generator[None]:
    """Write inside the caller's transaction.

    Where none is open, one is begun: with an autocommitting connection it ends here, so that
    all or nothing is stored; else the caller's own commit or rollback ends it.
    """
    if connection.in_transaction:
        yield
        return
    run = sqlite3.Cursor(connection).execute
    run("begin immediate")
    try:
        yield
        if _autocommits(connection):
            run("commit")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the error that led here says more
                run("rollback")
        raise


@contextmanager
def plain_text(connection: sqlite3.Connection) -> Generator[None]:
    """Read text as `str` for a while, whatever text factory the caller has set."""
    factory = connection.text_factory
    connection.text_factory = str
    try:
        yield
    finally:
        connection.text_factory = factory


def _autocommits(connection: sqlite3.Connection) -> bool:
    mode: bool | int = getattr(connection, "autocommit", _LEGACY)
    return connection.isolation_level is None if mode == _LEGACY else bool(mode)
