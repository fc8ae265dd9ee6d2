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
from bgjobs.stores.postgres.statements import Dialect


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
    block = connection.transaction() if _needs_transaction(connection) else nullcontext()
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
    block = connection.transaction() if _needs_transaction(connection) else nullcontext()
    with translated(sql.label):
        async with block:
            return await writing.driven_async(sql, connection, steps)


def _needs_transaction(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any],
) -> bool:
    """Say whether each statement would be committed by itself."""
    idle = connection.info.transaction_status == TransactionStatus.IDLE
    return connection.autocommit and idle


def _check_type(verb: str, found: object, wanted: type) -> None:
    if not isinstance(found, wanted):
        raise TypeError(
            f"{verb}: expected a psycopg.{wanted.__name__}, found {type(found).__qualname__}"
        )
