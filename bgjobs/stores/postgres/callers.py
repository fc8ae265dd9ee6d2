"""Storing jobs on a connection of the application's, inside its transaction."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from bgjobs.jobs import Job, JobRequest
from bgjobs.stores.postgres import writing
from bgjobs.stores.postgres.faults import translated
from bgjobs.stores.postgres.statements import CLOCK, Dialect, Step


def enqueue_in(
    sql: Dialect,
    connection: psycopg.Connection[Any],
    requests: Sequence[JobRequest],
    now: datetime | None,
) -> list[Job]:
    """See `PostgresStore.enqueue_in`."""
    _check_type("enqueue_in", connection, psycopg.Connection)
    if not requests:
        return []
    steps = writing.enqueueing_in(sql, requests, now)
    refuses = writing.refuses_duplicates(requests)
    if refuses and _will_begin_one(connection):
        sql.run(connection, *_NOTHING)
    needs_block = refuses or _needs_transaction(connection)
    block = connection.transaction() if needs_block else nullcontext()
    with translated(sql.label), block:
        return writing.driven(sql, connection, steps)


async def enqueue_in_async(
    sql: Dialect,
    connection: psycopg.AsyncConnection[Any],
    requests: Sequence[JobRequest],
    now: datetime | None,
) -> list[Job]:
    """Do the same on an async connection."""
    _check_type("enqueue_in_async", connection, psycopg.AsyncConnection)
    if not requests:
        return []
    steps = writing.enqueueing_in(sql, requests, now)
    refuses = writing.refuses_duplicates(requests)
    if refuses and _will_begin_one(connection):
        await sql.run_async(connection, *_NOTHING)
    needs_block = refuses or _needs_transaction(connection)
    block = connection.transaction() if needs_block else nullcontext()
    with translated(sql.label):
        async with block:
            return await writing.driven_async(sql, connection, steps)


_AnyConnection = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]
_NOTHING: Step = (CLOCK, {"now": None})
"""Begins the caller's transaction where none is open: in it, a block is only a savepoint."""


def _will_begin_one(connection: _AnyConnection) -> bool:
    """Say whether the first statement begins a transaction that the caller ends."""
    idle = connection.info.transaction_status == TransactionStatus.IDLE
    return idle and not connection.autocommit


def _needs_transaction(connection: _AnyConnection) -> bool:
    """Say whether each statement would be committed by itself."""
    idle = connection.info.transaction_status == TransactionStatus.IDLE
    return connection.autocommit and idle


def _check_type(verb: str, found: object, wanted: type) -> None:
    if not isinstance(found, wanted):
        raise TypeError(
            f"{verb}: expected a psycopg.{wanted.__name__}, found {type(found).__qualname__}"
        )
