"""Running a user's function inside the transaction that completes a job."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, final

from bgjobs.errors import StoreError
from bgjobs.stores.sqlite.errors import translated, weather_told

_REFUSED = (
    "the function given to complete_with must neither commit nor roll back, nor close the "
    "connection; the job has not succeeded. The store commits what it writes together with the "
    "job: leave commits and rollbacks out ('executescript' commits, too), and use a savepoint "
    "to take a part back"
)
_LEGACY = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, which Python 3.11 does not have


@final
class _Guard:
    """Denies statements that would end the transaction, as SQLite prepares them.

    Where the transaction has ended all the same, it denies everything: what is written behind
    that would be committed by itself.
    """

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self.denied: bool = False

    def __call__(self, action: int, operation: str | None, *_: object) -> int:
        ends = action == sqlite3.SQLITE_TRANSACTION and operation != "BEGIN"
        if ends or not self._raw.in_transaction:
            self.denied = True
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


def call_inside(raw: sqlite3.Connection, work: Callable[[Any], object], label: str) -> None:
    """Call `work`; `StoreError` when it wants to end the transaction, or has ended it.

    Or when it has closed the connection, or left a statement that writes unfinished.
    """
    with translated(label):
        raw.execute("savepoint bgjobs_complete")
    guard = _Guard(raw)
    try:
        with _settings_kept(raw, guard), weather_told(label):
            work(raw)
    except sqlite3.Error as error:
        if guard.denied:
            raise StoreError(f"{label}: {_REFUSED}: {error}") from error
        raise
    if guard.denied:  # and work has caught the error
        raise StoreError(f"{label}: {_REFUSED}")
    try:
        raw.execute("release bgjobs_complete")
    except sqlite3.Error as error:
        raise StoreError(f"{label}: {_REFUSED}: {error}") from error


@contextmanager
def _settings_kept(raw: sqlite3.Connection, guard: _Guard) -> Generator[None]:
    row_factory, text_factory = raw.row_factory, raw.text_factory
    raw.set_authorizer(guard)
    # Where the transaction has ended, the driver begins another one before it writes, which the
    # guard denies. It is not asked about a statement that the driver has prepared before.
    raw.isolation_level = "DEFERRED"
    try:
        yield
    finally:
        denied = guard.denied
        raw.row_factory, raw.text_factory = row_factory, text_factory
        with suppress(sqlite3.Error):  # it was closed, which is told later
            raw.set_authorizer(guard)  # work may have set another one
            _manual_transactions(raw)
        guard.denied = denied
        with suppress(sqlite3.Error):
            raw.set_authorizer(None)
            raw.set_progress_handler(None, 0)
            raw.execute("pragma query_only = off")


def _manual_transactions(raw: sqlite3.Connection) -> None:
    """Take back what `work` has set about transactions; the guard denies the commit in it."""
    if getattr(raw, "autocommit", _LEGACY) != _LEGACY:
        any_version: Any = raw  # Python 3.11 does not have it
        any_version.autocommit = _LEGACY
    if raw.isolation_level is not None:
        raw.isolation_level = None
