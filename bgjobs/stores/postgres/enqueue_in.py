"""Storing jobs on a connection of the application's, inside its transaction."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import TransactionStatus

from bgjobs._core.arguments import as_requests
from bgjobs._core.ids import new_ids
from bgjobs._core.jobs import Job
from bgjobs._core.requests import JobRequest
from bgjobs.stores.enqueue_in import no_transaction, wrong_connection
from bgjobs.stores.postgres.errors import translated
from bgjobs.stores.postgres.sessions import AnyPsycopg, check_encodings, identify, is_direct
from bgjobs.stores.postgres.statements import (
    CLOCK,
    JIT_OFF,
    JIT_ON,
    SHOW_JIT,
    Dialect,
    Step,
)
from bgjobs.stores.postgres.writes import (
    EnqueueSteps,
    enqueue_steps,
    refuses_duplicates,
    run_steps,
)
from bgjobs.stores.types import NewJob, Notice

_MANY = 1_000
"""Jobs from which on the server may compile the statement (JIT), which takes longer than it."""
_BEGIN: Step = (CLOCK, {"now": None})
"""Makes the driver begin the caller's transaction, in which a block is a savepoint."""


@final
class TransactionalEnqueuer:
    """Stores jobs on connections of the application's.

    Their `prepare_threshold` applies if the server itself answers: behind a pooler, a prepared
    statement may be missing the next time. The server is asked when a connection is used for
    the second time; the first time, no statement would be prepared anyway.
    """

    def __init__(self, sql: Dialect, *, prepared: bool | None) -> None:
        self._sql = sql
        self._unprepared = sql.unprepared()
        self._prepared = prepared
        self._direct: WeakKeyDictionary[AnyPsycopg, bool | None] = WeakKeyDictionary()

    def enqueue_in(
        self,
        connection: psycopg.Connection[Any],
        requests: Sequence[JobRequest],
        now: datetime | None,
    ) -> list[Job]:
        """Store jobs: see `PostgresStore.enqueue_in`."""
        _check_type("enqueue_in", connection, psycopg.Connection)
        requests = as_requests("enqueue_in", requests)
        self._check_transaction("enqueue_in", connection)
        if not requests:
            return []
        check_encodings(self._sql.label, connection)
        if self._is_used_again(connection):
            step = identify(connection, ours=False)
            self._direct[connection] = is_direct(self._unprepared.run(connection, *step))
        sql = self._dialect(connection)
        refuses = refuses_duplicates(requests)
        if refuses and _is_idle(connection):
            sql.run(connection, *_BEGIN)
        block = connection.transaction() if refuses else nullcontext()
        with translated(sql.label), block:
            return run_steps(sql, connection, _steps(sql, requests, now))

    async def enqueue_in_async(
        self,
        connection: psycopg.AsyncConnection[Any],
        requests: Sequence[JobRequest],
        now: datetime | None,
    ) -> list[Job]:
        """Store jobs on an async connection."""
        _check_type("enqueue_in_async", connection, psycopg.AsyncConnection)
        requests = as_requests("enqueue_in_async", requests)
        self._check_transaction("enqueue_in_async", connection)
        if not requests:
            return []
        check_encodings(self._sql.label, connection)
        if self._is_used_again(connection):
            step = identify(connection, ours=False)
            found = await self._unprepared.run_async(connection, *step)
            self._direct[connection] = is_direct(found)
        sql = self._dialect(connection)
        refuses = refuses_duplicates(requests)
        if refuses and _is_idle(connection):
            await sql.run_async(connection, *_BEGIN)
        block = connection.transaction() if refuses else nullcontext()
        with translated(sql.label):
            async with block:
                return await _run_steps_async(sql, connection, _steps(sql, requests, now))

    def _check_transaction(self, verb: str, connection: AnyPsycopg) -> None:
        """Raise `StoreError` if each statement would be committed by itself."""
        if connection.autocommit and _is_idle(connection):
            block = "async with" if isinstance(connection, psycopg.AsyncConnection) else "with"
            begin = f"'{block} connection.transaction():'"
            raise no_transaction(self._sql.label, verb, begin)

    def _is_used_again(self, connection: AnyPsycopg) -> bool:
        """Whether this is its second use, so that the server has to be asked."""
        if self._prepared is not None or connection.prepare_threshold is None:
            return False
        if connection in self._direct:
            return self._direct[connection] is None
        self._direct[connection] = None
        return False

    def _dialect(self, connection: AnyPsycopg) -> Dialect:
        may_prepare = self._direct.get(connection) if self._prepared is None else True
        return self._sql if may_prepare else self._unprepared


def _steps(sql: Dialect, requests: Sequence[JobRequest], now: datetime | None) -> EnqueueSteps:
    """Store requests and notify the listeners, all in the caller's transaction.

    JIT is switched off for many jobs, and restored for the rest of the transaction.
    """
    jit = "off"
    if len(requests) >= _MANY:
        [[[jit]]] = yield [SHOW_JIT]
    if jit == "on":
        yield [JIT_OFF]
    ids = new_ids(len(requests))
    new = [NewJob(one, request) for one, request in zip(ids, requests, strict=True)]
    jobs = yield from enqueue_steps(sql, new, now)
    yield [sql.notification(Notice(frozenset(job.name for job in jobs)))]
    if jit == "on":
        yield [JIT_ON]
    return jobs


async def _run_steps_async(
    sql: Dialect, connection: psycopg.AsyncConnection[Any], steps: EnqueueSteps
) -> list[Job]:
    try:
        asked = next(steps)
        while True:
            asked = steps.send([await sql.run_async(connection, *one) for one in asked])
    except StopIteration as end:
        jobs: list[Job] = end.value
        return jobs


def _is_idle(connection: AnyPsycopg) -> bool:
    """Whether no transaction is open."""
    return connection.info.transaction_status == TransactionStatus.IDLE


def _check_type(verb: str, found: object, wanted: type) -> None:
    if not isinstance(found, wanted):
        raise wrong_connection(verb, f"psycopg.{wanted.__name__}", found)
