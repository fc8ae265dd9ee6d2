"""A user's work inside the transaction that completes a job."""

from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf
from typing import Any

import psycopg

from bgjobs.errors import StoreError
from bgjobs.jobs import Reservation
from bgjobs.settlements import Succeed
from bgjobs.stores.abc import NewJob
from bgjobs.stores.postgres import rows, writing
from bgjobs.stores.postgres.connections import Connections
from bgjobs.stores.postgres.faults import weather_told
from bgjobs.stores.postgres.statements import Dialect, Step

_SAVEPOINT: Step = (b"savepoint bgjobs_complete", {})
_RELEASE = b"release savepoint bgjobs_complete"


def complete(
    sql: Dialect,
    live: Connections,
    reservation: Reservation,
    work: Callable[[psycopg.Connection[Any]], object],
    enqueue: Sequence[NewJob],
    now: datetime | None,
) -> bool:
    """See `Store.complete`. What is ours has a deadline; `work` has none."""
    with live.transaction(extra=inf) as connection:
        with live.limited(connection):
            settled = (sql["succeed"], rows.settled([Succeed(reservation)], now))
            found, _ = sql.run_all(connection, [settled, _SAVEPOINT])
            if not found:
                return False
            # Before a stranger's code, which may leave the transaction.
            writing.enqueue(sql, connection, enqueue, now, [reservation])
        with weather_told(sql.label, connection):
            work(connection)
        live.check_uncommitted(connection)
        with live.limited(connection):
            _check_same_transaction(sql, connection)
    return True


def _check_same_transaction(sql: Dialect, connection: psycopg.Connection[Any]) -> None:
    # The driver knows only that a transaction is open, not that it is the one we began.
    try:
        sql.execute(connection, _RELEASE)
    except StoreError as error:
        if not isinstance(error.__cause__, psycopg.errors.InvalidSavepointSpecification):
            raise
        raise StoreError(
            f"{sql.label}: do not end the transaction yourself, not even to begin another one"
        ) from error
