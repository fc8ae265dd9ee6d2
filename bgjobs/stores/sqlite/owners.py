"""Leases of owners: how they are renewed, and how they end."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from bgjobs._core.timestamps import from_microseconds
from bgjobs.errors import RowRefusedError
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters
from bgjobs.stores.sqlite.errors import translated
from bgjobs.stores.sqlite.executor import Executor, Transaction
from bgjobs.stores.sqlite.families import end_descendants
from bgjobs.stores.types import Renewal

_CLOSE = ("record_past_owners", "close_owners", "forget_cancellations", "forget_waits")


def heartbeat(
    executor: Executor, owners: Collection[UUID], lease: timedelta, now: datetime | None
) -> Renewal:
    """Renew these owners' leases on the connection of the heartbeat."""
    connections = executor.connections
    with connections.heartbeat.writing() as raw, translated(connections.label):
        transaction = Transaction(raw, executor.sql)
        moment = executor.microseconds(now)
        values: Parameters = {
            "owners": codec.uuids_json(owners),
            "lease": codec.microseconds(lease),
            "now": moment,
        }
        renewed = transaction.run("heartbeat", values)
    return Renewal([UUID(row[0]) for row in renewed], from_microseconds(moment))


def close_owners(executor: Executor, owners: Collection[UUID], now: datetime | None) -> None:
    """End these leases, and with them the children of the owners that are closed."""
    try:
        _close(executor, owners, now, with_children=True)
    except RowRefusedError:
        _close(executor, owners, now, with_children=False)


def _close(
    executor: Executor, owners: Collection[UUID], now: datetime | None, *, with_children: bool
) -> None:
    with executor.writing() as transaction:
        moment = executor.microseconds(now)
        values: Parameters = {"owners": codec.uuids_json(owners), "now": moment}
        transaction.change("end_leases", values)
        if with_children:
            parents = [row[0] for row in transaction.run("find_closing", values)]
            end_descendants(transaction, parents, moment)
        for name in _CLOSE:
            transaction.change(name, values)
