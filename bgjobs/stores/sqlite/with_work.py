"""Ends of jobs that are written together with what the application writes."""

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, final

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.jobs import AnyJob, UnreadableJob
from bgjobs._core.settlements import Cancel, Fail, Report, Succeed
from bgjobs.errors import StoreError
from bgjobs.stores.hooked import ENDED, BrokenTransactionError, do_nothing
from bgjobs.stores.sqlite import codec, writes
from bgjobs.stores.sqlite.connection import Parameters
from bgjobs.stores.sqlite.errors import disk_errors_translated, is_held_up, translated
from bgjobs.stores.sqlite.executor import Executor, Transaction
from bgjobs.stores.types import HookedEnd, NewJob
from bgjobs.stores.values import single

_ADVICE = (
    "leave commits and rollbacks out ('executescript' commits, too), and use a savepoint to "
    "take a part back"
)
_COMPLETING = (
    "the function given to complete_with must neither commit nor roll back, nor close the "
    "connection; the job has not succeeded. The store commits what it writes together with the "
    f"job: {_ADVICE}"
)
_FAILING = (
    "the function given to on_failure must neither commit nor roll back, nor close the "
    f"connection; the job has ended, and nothing that it wrote was stored: {_ADVICE}"
)
_LEGACY = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, which Python 3.11 does not have


def complete(
    executor: Executor,
    success: Succeed,
    work: Callable[[Any], object],
    enqueue: Sequence[NewJob],
    now: datetime | None,
) -> bool:
    """Settle a job as succeeded and call `work(connection)`: see `SQLiteStore.complete`."""
    label = executor.connections.label
    with executor.connections.writer.writing() as raw:
        transaction = Transaction(raw, executor.sql)
        with translated(label):
            moment = executor.microseconds(now)
            written = writes.settle(transaction, [success], moment).written
            if not written:
                return False
            writes.enqueue(transaction, enqueue, moment, written)
        _call_inside(raw, work, label, _COMPLETING)
    return True


def end_with(
    executor: Executor,
    settlement: Fail | Cancel,
    work: Callable[[Any, Any], object],
    enqueue: Sequence[NewJob],
    progress: Report | None,
    now: datetime | None,
) -> HookedEnd:
    """End a job and call `work(connection, job)`: see `SQLiteStore.end_with`."""
    label, error = executor.connections.label, None
    try:
        with executor.connections.writer.writing() as raw:
            ended = _end(executor, raw, settlement, enqueue, progress, now)
            if ended is None:
                return HookedEnd(kept=False)
            job, asked = ended
            error = _call_taken_back(raw, work, job, label)
    except BrokenTransactionError as broken:
        again = end_with(executor, settlement, do_nothing, enqueue, progress, now)
        return HookedEnd(again.kept, broken.error, again.commands)
    return HookedEnd(True, error, asked)


def _end(
    executor: Executor,
    raw: sqlite3.Connection,
    settlement: Fail | Cancel,
    enqueue: Sequence[NewJob],
    progress: Report | None,
    now: datetime | None,
) -> tuple[AnyJob | UnreadableJob, bool] | None:
    """End a job and store those that follow it; None if the reservation was lost.

    Return the job, and whether owners of its descendants were asked to cancel them.
    """
    transaction = Transaction(raw, executor.sql)
    with translated(executor.connections.label):
        moment = executor.microseconds(now)
        reports = () if progress is None else (progress,)
        ends = writes.settle(transaction, [settlement], moment, reports)
        if not ends.written:
            return None
        writes.enqueue(transaction, enqueue, moment, ends.written)
        held = settlement.reservation
        asked: Parameters = {"id": str(held.job_id)}
        if held.owner == HOOK_OWNER:
            for name in ("restore_failed_owner", "restore_cancelled_owner", "unmark"):
                transaction.change(name, asked)
        table, statement = ENDED[type(settlement)]
        job = codec.DECODER.of(table)(transaction.run(statement, asked)[0])
        return job, bool(ends.asked)


def _call_taken_back(
    raw: sqlite3.Connection,
    work: Callable[[Any, Any], object],
    job: AnyJob | UnreadableJob,
    label: str,
) -> Exception | None:
    """Call `work(raw, job)`; if it raises, take back what it wrote and return its error."""
    try:
        _call_inside(raw, lambda given: work(given, single(job)), label, _FAILING)
    except Exception as error:  # noqa: BLE001 - the caller reports whatever work raises
        if is_held_up(error):  # and so would be the commit
            raise BrokenTransactionError(error) from error.__cause__
        try:
            raw.execute("rollback to bgjobs_work")
        except sqlite3.Error:
            raise BrokenTransactionError(error) from error
        return error
    return None


def _call_inside(
    raw: sqlite3.Connection, work: Callable[[Any], object], label: str, refused: str
) -> None:
    """Call `work(raw)` in a savepoint, inside the transaction that ends a job.

    Raise `StoreError` with the text `refused` when it tries to end the transaction, closes the
    connection, or leaves a statement that writes unfinished.
    """
    with translated(label):
        raw.execute("savepoint bgjobs_work")
    guard = _TransactionGuard(raw)
    try:
        with _settings_kept(raw, guard), disk_errors_translated(label):
            work(raw)
    except sqlite3.Error as error:
        if guard.denied:
            raise StoreError(f"{label}: {refused}: {error}") from error
        raise
    if guard.denied:  # and work has caught the error
        raise StoreError(f"{label}: {refused}")
    try:
        raw.execute("release bgjobs_work")
    except sqlite3.Error as error:
        raise StoreError(f"{label}: {refused}: {error}") from error


@final
class _TransactionGuard:
    """Denies statements that would end the transaction, when SQLite prepares them.

    It is an authorizer: https://sqlite.org/c3ref/set_authorizer.html. If the transaction has
    ended all the same, it denies everything: each later write would commit by itself.
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


@contextmanager
def _settings_kept(raw: sqlite3.Connection, guard: _TransactionGuard) -> Generator[None]:
    row_factory, text_factory = raw.row_factory, raw.text_factory
    raw.set_authorizer(guard)
    # When the transaction has ended, the driver begins another one before it writes, which the
    # guard denies. SQLite does not ask the guard about statements that were prepared before.
    raw.isolation_level = "DEFERRED"
    try:
        yield
    finally:
        denied = guard.denied
        raw.row_factory, raw.text_factory = row_factory, text_factory
        with suppress(sqlite3.Error):  # a closed connection is reported later
            raw.set_authorizer(guard)  # work may have set another one
            _reset_transaction_control(raw)
        guard.denied = denied
        with suppress(sqlite3.Error):
            raw.set_authorizer(None)
            raw.set_progress_handler(None, 0)
            raw.execute("pragma query_only = off")


def _reset_transaction_control(raw: sqlite3.Connection) -> None:
    """Undo what `work` has set. The driver commits as it does so, which the guard denies."""
    if getattr(raw, "autocommit", _LEGACY) != _LEGACY:
        any_version: Any = raw  # Python 3.11 does not have it
        any_version.autocommit = _LEGACY
    if raw.isolation_level is not None:
        raw.isolation_level = None
