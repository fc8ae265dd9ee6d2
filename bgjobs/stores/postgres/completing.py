"""A user's work inside the transaction that completes a job."""

from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf
from typing import Any

import psycopg

from bgjobs._core.jobs import Reservation
from bgjobs._core.settlements import Succeed
from bgjobs.errors import StoreError
from bgjobs.stores.port import NewJob
from bgjobs.stores.postgres import codec, writes
from bgjobs.stores.postgres.connections import Connections
from bgjobs.stores.postgres.errors import read_only_explained, weather_told
from bgjobs.stores.postgres.statements import Dialect

_TRANSACTION = b"select pg_catalog.pg_current_xact_id_if_assigned()::text"
_HOLD, _FREE_KEY, _COMPLETE = 1, 2, 3
"""The parts of succeed.sql, behind the one for jobs that end without any work."""


def complete(
    sql: Dialect,
    live: Connections,
    reservation: Reservation,
    work: Callable[[psycopg.Connection[Any]], object],
    enqueue: Sequence[NewJob],
    now: datetime | None,
) -> bool:
    """See `Store.complete`. What is ours has a deadline; `work` has none.

    The job succeeds after `work`: PostgreSQL cannot forbid a connection to commit, and what is
    committed by `work` itself must not make the job a succeeded one.
    """
    settled = codec.settled([Succeed(reservation)], now)
    with live.transaction(extra=inf) as connection:
        with live.limited(connection):
            held = sql.run(connection, sql.part("succeed", _HOLD), settled)
            if not held:
                sql.run(connection, sql["succeed"], settled)  # one that has ended before goes
                return False
            [[transaction, unique_key]] = held
            if unique_key is not None:
                sql.execute(connection, sql.part("succeed", _FREE_KEY), settled)
        with weather_told(sql.label, connection):
            work(connection)
        live.check_uncommitted(connection)
        with live.limited(connection), read_only_explained(sql.label):
            complete = (sql.part("succeed", _COMPLETE), {**settled, "unique_key": unique_key})
            [[found]], ended = sql.run_all(connection, [(_TRANSACTION, {}), complete])
            # The driver knows only that a transaction is open, not that it is ours.
            if found != transaction or not ended:
                raise StoreError(
                    f"{sql.label}: do not end the transaction yourself, not even to begin "
                    "another one; the job has not succeeded. What complete_with is given is "
                    "committed together with the job: leave commits and rollbacks out, and "
                    "use a savepoint (connection.transaction()) to take a part back"
                )
            writes.enqueue(sql, connection, enqueue, now, [reservation])
    return True
