"""Storing jobs on a connection of the application's, inside its transaction."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import TransactionStatus

from bgjobs._core.arguments import as_requests
from bgjobs._core.jobs import Job, JobRequest
from bgjobs.stores.enqueue_in import no_transaction, wrong_connection
from bgjobs.stores.postgres import writes
from bgjobs.stores.postgres.errors import translated
from bgjobs.stores.postgres.sessions import AnyPsycopg, check_encodings, is_direct, looking
from bgjobs.stores.postgres.statements import (
    CLOCK,
    JIT_OFF,
    JIT_ON,
    SHOW_JIT,
    Dialect,
    Step,
)

_MANY = 1_000
"""Jobs; so many may cost more than what the server compiles (JIT), which takes it longer."""


@final
class Callers:
    """Stores jobs on connections of the application's.

    Their `prepare_threshold` holds where the server itself answers: behind a pooler, what was
    prepared may be missing the next time. That is asked when a connection comes again; before,
    nothing would be prepared.
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
        """See `PostgresStore.enqueue_in`."""
        _check_type("enqueue_in", connection, psycopg.Connection)
        requests = as_requests("enqueue_in", requests)
        self._check_transaction("enqueue_in", connection)
        if not requests:
            return []
        check_encodings(self._sql.label, connection)
        if self._comes_again(connection):
            step = looking(connection, ours=False)
            self._direct[connection] = is_direct(self._unprepared.run(connection, *step))
        sql = self._dialect(connection)
        refuses = writes.refuses_duplicates(requests)
        if refuses and _will_begin_one(connection):
            sql.run(connection, *_NOTHING)
        block = connection.transaction() if refuses else nullcontext()
        with translated(sql.label), block:
            return writes.driven(sql, connection, _storing(sql, requests, now))

    async def enqueue_in_async(
        self,
        connection: psycopg.AsyncConnection[Any],
        requests: Sequence[JobRequest],
        now: datetime | None,
    ) -> list[Job]:
        """Do the same on an async connection."""
        _check_type("enqueue_in_async", connection, psycopg.AsyncConnection)
        requests = as_requests("enqueue_in_async", requests)
        self._check_transaction("enqueue_in_async", connection)
        if not requests:
            return []
        check_encodings(self._sql.label, connection)
        if self._comes_again(connection):
            step = looking(connection, ours=False)
            found = await self._unprepared.run_async(connection, *step)
            self._direct[connection] = is_direct(found)
        sql = self._dialect(connection)
        refuses = writes.refuses_duplicates(requests)
        if refuses and _will_begin_one(connection):
            await sql.run_async(connection, *_NOTHING)
        block = connection.transaction() if refuses else nullcontext()
        with translated(sql.label):
            async with block:
                steps = _storing(sql, requests, now)
                return await writes.driven_async(sql, connection, steps)

    def _check_transaction(self, verb: str, connection: AnyPsycopg) -> None:
        """Raise `StoreError` where each statement would be committed by itself."""
        if connection.autocommit and _will_begin_one(connection):
            block = "async with" if isinstance(connection, psycopg.AsyncConnection) else "with"
            begin = f"'{block} connection.transaction():'"
            raise no_transaction(self._sql.label, verb, begin)

    def _comes_again(self, connection: AnyPsycopg) -> bool:
        """Whether it was used before, and what is behind it is not known yet."""
        if self._prepared is not None or connection.prepare_threshold is None:
            return False
        if connection in self._direct:
            return self._direct[connection] is None
        self._direct[connection] = None
        return False

    def _dialect(self, connection: AnyPsycopg) -> Dialect:
        may_prepare = self._direct.get(connection) if self._prepared is None else True
        return self._sql if may_prepare else self._unprepared


_NOTHING: Step = (CLOCK, {"now": None})
"""Begins the caller's transaction where none is open: in it, a block is only a savepoint."""


def _storing(
    sql: Dialect, requests: Sequence[JobRequest], now: datetime | None
) -> writes.Enqueueing:
    """Store them; the server compiles nothing of it, and the rest of what the caller does."""
    if len(requests) < _MANY:
        return (yield from writes.enqueueing_in(sql, requests, now))
    [[[jit]]] = yield [SHOW_JIT]
    if jit == "on":
        yield [JIT_OFF]
    jobs = yield from writes.enqueueing_in(sql, requests, now)
    if jit == "on":
        yield [JIT_ON]
    return jobs


def _will_begin_one(connection: AnyPsycopg) -> bool:
    """Whether the first statement begins a transaction that the caller ends."""
    return connection.info.transaction_status == TransactionStatus.IDLE


def _check_type(verb: str, found: object, wanted: type) -> None:
    if not isinstance(found, wanted):
        raise wrong_connection(verb, f"psycopg.{wanted.__name__}", found)
