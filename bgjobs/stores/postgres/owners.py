"""Leases of owners: how they begin, are renewed, and end."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from bgjobs._core.jobs import Owner
from bgjobs.errors import RowRefusedError
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.arrays import unique_ids
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.postgres.families import end_descendants
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import CLOCK
from bgjobs.stores.types import Renewal


def open_owner(
    database: PostgresDatabase, owner: Owner, lease: timedelta, now: datetime | None
) -> None:
    """Record a new owner."""
    values = {
        "id": owner.id,
        "name": owner.name,
        "node": owner.node,
        "lease": codec.microseconds(lease),
        "now": now,
    }
    database.execute("open_owner", values)


def heartbeat(
    database: PostgresDatabase,
    owners: Collection[UUID],
    lease: timedelta,
    now: datetime | None,
) -> Renewal:
    """Renew these owners' leases on the connection of the heartbeat."""
    values = {"owners": unique_ids(owners), "lease": codec.microseconds(lease), "now": now}
    with database.live.heartbeat(lease.total_seconds() / 4) as connection:
        if not owners:  # the role may have no right to write to the table
            [[found]] = database.sql.run(connection, CLOCK, {"now": now})
            return Renewal(frozenset(), codec.timestamp(found))
        step = database.sql["heartbeat"], values
        [[[found, alive]]] = database.run_all(connection, [step])
    return Renewal(frozenset(alive), codec.timestamp(found))


def close_owners(
    database: PostgresDatabase, owners: Collection[UUID], now: datetime | None
) -> None:
    """End these leases, and with them the children of the owners that are closed."""
    values = {"owners": unique_ids(owners), "now": now}

    def close(connection: AnyConnection) -> list[UUID]:
        [closed] = database.run_all(connection, [(database.sql["close_owners"], values)])
        return [one for [one] in closed]

    def close_with_children(connection: AnyConnection) -> None:
        end_descendants(database.sql, connection, close(connection), now)

    try:
        database.together(close_with_children)
    except RowRefusedError:
        database.together(close)
    database.execute("forget_cancellations", {})
    database.execute("forget_waits", {})
