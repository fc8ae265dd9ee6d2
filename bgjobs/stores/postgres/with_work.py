"""Ends of jobs that are written together with what the application writes."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from math import inf
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.jobs import AnyJob, UnreadableJob
from bgjobs._core.settlements import Cancel, Fail, Report, Succeed
from bgjobs.errors import RowRefusedError, StoreError, StoreUnavailableError
from bgjobs.stores.hooked import ENDED, BrokenTransactionError, do_nothing
from bgjobs.stores.postgres import codec, families, writes
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.postgres.errors import read_only_explained, work_errors
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import Dialect
from bgjobs.stores.types import HookedEnd, NewJob
from bgjobs.stores.values import by_verb, single

_TRANSACTION = b"select pg_catalog.pg_current_xact_id_if_assigned()::text"
_SAVEPOINT = b"savepoint bgjobs_work"
_ROLL_BACK = b"rollback to savepoint bgjobs_work"
_RELEASE = b"release savepoint bgjobs_work"
_CHECK_CONSTRAINTS = b"set constraints all immediate"
"""Raises now what deferred constraints would raise at the commit, which would lose the end."""


def complete(
    database: PostgresDatabase,
    succeed: Succeed,
    work: Callable[[psycopg.Connection[Any]], object],
    new: Sequence[NewJob],
    now: datetime | None,
) -> bool:
    """Run `work` and let the job succeed in one transaction: see `PostgresStore.complete`.

    Our own statements have a time limit, `work` has none. The job becomes a succeeded one after
    `work`, since PostgreSQL cannot forbid a connection to commit.
    """
    sql, live = database.sql, database.live
    settled = codec.settle_values([succeed], now)
    with live.transaction(extra=inf) as connection:
        with live.limited(connection):
            held = sql.run(connection, sql["lock_reserved"], settled)
            if not held:  # a job that ended before is deleted
                lost = {"succeed": [succeed]}
                if not writes.settle(sql, connection, lost, now).written:
                    writes.settle_parents(sql, connection, lost, now)
                return False
            [[transaction, unique_key, has_children]] = held
            if unique_key is not None:
                sql.execute(connection, sql["free_unique_key"], settled)
        with work_errors(sql.label, connection):
            work(connection)
        live.check_uncommitted(connection)
        with live.limited(connection), read_only_explained(sql.label):
            kept = {"unique_key": unique_key, "result": succeed.result}
            locked = (sql["succeed_locked"], {**settled, **kept})
            [[found]], ended = sql.run_all(connection, [(_TRANSACTION, {}), locked])
            # The driver only knows that a transaction is open, not that it is the same one.
            if found != transaction or not ended:
                raise StoreError(
                    f"{sql.label}: do not end the transaction yourself, not even to begin "
                    "another one; the job has not succeeded. complete_with commits your writes "
                    "together with the job: remove commits and rollbacks, and use a savepoint "
                    "(connection.transaction()) to undo a part"
                )
            if has_children:
                families.end_descendants(sql, connection, [succeed.reservation.job_id], now)
            writes.enqueue(sql, connection, new, now, [succeed.reservation])
    return True


def end_with(
    database: PostgresDatabase,
    settlement: Fail | Cancel,
    work: Callable[[Any, Any], object],
    new: Sequence[NewJob],
    progress: Report | None,
    now: datetime | None,
) -> HookedEnd:
    """End a job and call `work(connection, job)`: see `PostgresStore.end_with`.

    As in `complete`, our own statements have a time limit, and `work` has none.
    """
    live = database.live
    try:
        with live.transaction(extra=inf) as connection:
            with live.limited(connection):
                ended = _end(database, connection, settlement, new, progress, now)
            if ended is None:
                return HookedEnd(kept=False)
            job, asked = ended
            return HookedEnd(True, _call_taken_back(database, connection, work, job), asked)
    except BrokenTransactionError as broken:
        again = end_with(database, settlement, do_nothing, new, progress, now)
        kept = again.kept or _has_ended(database, settlement)
        return HookedEnd(kept, broken.error, again.commands)


def _end(
    database: PostgresDatabase,
    connection: AnyConnection,
    settlement: Fail | Cancel,
    new: Sequence[NewJob],
    progress: Report | None,
    now: datetime | None,
) -> tuple[AnyJob | UnreadableJob, bool] | None:
    """End a job and store those that follow it; None if the reservation was lost.

    Return the job, and whether owners of its descendants were asked to cancel them.
    """
    sql, held = database.sql, settlement.reservation
    reports = () if progress is None else (progress,)
    verbs = by_verb([settlement])
    ends = writes.settle(sql, connection, verbs, now, reports)
    if left := ends.left(verbs):
        ends.add(writes.settle_parents(sql, connection, left, now))
    if not ends.written:
        return None
    writes.enqueue(sql, connection, new, now, ends.written)
    if held.owner == HOOK_OWNER:
        sql.execute(connection, sql["unmark"], {"id": held.job_id})
    table, statement = ENDED[type(settlement)]
    [row] = sql.run(connection, sql[statement], {"id": held.job_id})
    return codec.DECODER.of(table)(row), bool(ends.asked)


def _call_taken_back(
    database: PostgresDatabase,
    connection: AnyConnection,
    work: Callable[[Any, Any], object],
    job: AnyJob | UnreadableJob,
) -> Exception | None:
    """Call `work(connection, job)`; if it raises, take back what it wrote and return its error.

    Raise `BrokenTransactionError` if that is impossible because `work` has ended the
    transaction, and `StoreUnavailableError` if the connection was lost.
    """
    sql, live = database.sql, database.live
    with live.limited(connection):
        [[begun]], _ = sql.run_all(connection, [(_TRANSACTION, {}), (_SAVEPOINT, {})])
    error = _error_of(sql.label, connection, partial(work, connection), job)
    try:
        with live.limited(connection):
            if error is None:
                error = _broken_constraint(sql, connection)
            if error is not None:
                sql.execute(connection, _ROLL_BACK)
            sql.execute(connection, _RELEASE)
            [[found]] = sql.run(connection, _TRANSACTION, {})
    except StoreError as lost:
        if connection.broken:
            raise
        raise BrokenTransactionError(error or _refused(sql.label)) from lost
    if found != begun:
        raise BrokenTransactionError(_refused(sql.label))
    return error


def _error_of(
    label: str,
    connection: AnyConnection,
    work: Callable[[Any], object],
    job: AnyJob | UnreadableJob,
) -> Exception | None:
    """Call `work(job)`, and return what it raised, or how it broke its contract."""
    error: Exception | None = None
    try:
        with work_errors(label, connection):
            work(single(job))
    except StoreUnavailableError:
        raise
    except Exception as raised:  # noqa: BLE001 - the caller reports whatever work raises
        error = raised
    if connection.broken:
        raise StoreUnavailableError(f"{label}: connection lost")
    if error is None and connection.info.transaction_status != TransactionStatus.INTRANS:
        return _refused(label)
    return error


def _broken_constraint(sql: Dialect, connection: AnyConnection) -> StoreError | None:
    """Return the error of a deferred constraint that `work` has violated."""
    try:
        sql.execute(connection, _CHECK_CONSTRAINTS)
    except RowRefusedError as error:
        return error
    return None


def _refused(label: str) -> StoreError:
    return StoreError(
        f"{label}: the function given to on_failure has ended the transaction, closed the "
        "connection or caught an error of a statement; the job has ended. The store commits "
        "what the function writes together with the end: leave commits and rollbacks out, and "
        "use a savepoint (connection.transaction()) around a statement whose error you catch"
    )


def _has_ended(database: PostgresDatabase, settlement: Fail | Cancel) -> bool:
    """Whether `work` has committed the end itself."""
    _, statement = ENDED[type(settlement)]
    return bool(database.rows(statement, {"id": settlement.reservation.job_id}))
