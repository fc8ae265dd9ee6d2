"""Ends of the descendants of jobs, inside the one write transaction."""

from collections.abc import Collection
from uuid import UUID

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.outcomes import Cancelled
from bgjobs.stores.nurseries import PARENT_ENDED
from bgjobs.stores.operations import Cancellation
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters
from bgjobs.stores.sqlite.executor import Transaction

ENDED = Cancelled(PARENT_ENDED)
_END_WAITING = ("mark_waiting", "hold_waiting", "record_cancelled", "cancel_waiting")


def end_descendants(
    transaction: Transaction,
    parents: Collection[str],
    now: int,
    cancelled: Cancelled = ENDED,
    only: Collection[UUID] | None = None,
) -> Cancellation:
    """End the descendants of parents that have ended, level by level.

    `cancelled` is for the children. Their own children are cancelled because these have ended.
    With `only`, other children stay as they are, and so do those whose ids are not valid.
    """
    ended, asked = list[UUID](), list[UUID]()
    level: Collection[UUID] = codec.valid_ids(parents)
    while level:
        chosen = None if only is None else codec.uuids_json(only)
        values: Parameters = {
            **_cancel_values(level, cancelled),
            "only": chosen,
            "now": now,
        }
        found = transaction.run("lock_children", values)
        asked += codec.valid_ids(row[0] for row in transaction.run("ask_children", values))
        waiting = codec.valid_ids(row[0] for row in found)
        if waiting:
            moved = set(_end_waiting(transaction, waiting, now, cancelled))
            ended += moved
            asked += [one for one in waiting if one not in moved]
        level = codec.valid_ids(one for one, has_children in found if has_children)
        cancelled, only = ENDED, None
    return Cancellation(ended, asked)


def _end_waiting(
    transaction: Transaction, ids: Collection[UUID], now: int, cancelled: Cancelled
) -> list[UUID]:
    """End waiting jobs; return those whose end is not left to a function of the application."""
    values: Parameters = {**_cancel_values(ids, cancelled), "now": now}
    *_, moved = [transaction.run(name, values) for name in _END_WAITING]
    return [UUID(row[0]) for row in moved]


def _cancel_values(ids: Collection[UUID], cancelled: Cancelled) -> dict[str, str | None]:
    return {
        "ids": codec.uuids_json(ids),
        "reason": cancelled.reason,
        "by": cancelled.by,
        "owner": str(HOOK_OWNER),
    }
