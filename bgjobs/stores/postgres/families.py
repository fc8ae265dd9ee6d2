"""Ends of jobs that have children, and of their descendants, inside a transaction.

The steps are separate statements. Under read committed each takes a snapshot of its own, so it
sees the children that other transactions stored or put back before the parent was locked. One
statement for everything would miss them, and they would stay live.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.jobs import Reservation
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.settlements import Settlement
from bgjobs.stores.nurseries import PARENT_ENDED
from bgjobs.stores.operations import Cancellation
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.arrays import unique_ids
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import Dialect

ENDED = Cancelled(PARENT_ENDED)


def lock_parents(
    sql: Dialect, connection: AnyConnection, settlements: Sequence[Settlement]
) -> set[Reservation]:
    """Lock the jobs among these that have children and still hold; return the reservations."""
    held = codec.fence_values([one.reservation for one in settlements])
    return {Reservation(*row) for row in sql.run(connection, sql["lock_parents"], held)}


def end_descendants(
    sql: Dialect,
    connection: AnyConnection,
    parents: Collection[UUID],
    now: datetime | None,
    cancelled: Cancelled = ENDED,
    only: Collection[UUID] | None = None,
) -> Cancellation:
    """End the descendants of parents that the transaction has locked or ended.

    `cancelled` is for the children. Their own children are cancelled because these have ended.
    With `only`, other children stay as they are.
    """
    ended, asked = list[UUID](), list[UUID]()
    level = parents
    while level:
        chosen = None if only is None else unique_ids(only)
        values = {**cancel_values(level, cancelled), "only": chosen, "now": now}
        waiting = sql.run(connection, sql["lock_children"], values)
        steps = [(sql["ask_children"], values)]
        if waiting:
            locked = {**values, "ids": unique_ids(one for one, _ in waiting)}
            steps += [(sql["mark_waiting"], locked), (sql["cancel_waiting"], locked)]
        running, *moved = sql.run_all(connection, steps)
        for rows, found in zip((asked, asked, ended), (running, *moved), strict=False):
            rows.extend(row[0] for row in found)
        level = [one for one, has_children in waiting if has_children]
        cancelled, only = ENDED, None
    return Cancellation(ended, asked)


def cancel_values(job_ids: Collection[UUID], cancelled: Cancelled) -> Mapping[str, Any]:
    """Return the parameters of the statements that cancel jobs, without the time."""
    return {
        "ids": unique_ids(job_ids),
        "reason": cancelled.reason,
        "author": cancelled.by,
        "owner": HOOK_OWNER,
    }
