"""Tables of queues, and of the owners that run them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import bgjobs
from bgjobs.cli.output.formats import relative_time, short_duration
from bgjobs.cli.output.layout import Grid
from bgjobs.cli.output.tables import COUNTED, FOR_CHILDREN, counts, table
from bgjobs.cli.snapshot import QueueRow


def queues(rows: Sequence[QueueRow]) -> Grid:
    """Draw the queues of an application, with a column of waits for children if any."""
    has_waits = any(row.waits for row in rows)
    numbers = [counts(row.counts, row.waits if has_waits else None) for row in rows]
    names = [name for name, _ in numbers[0]] if numbers else COUNTED
    return table(
        ("queue", "state", "owners", *names),
        [
            (row.name, state_of_queue(row), row.owners, *(text for _, text in found))
            for row, found in zip(rows, numbers, strict=True)
        ],
    )


def state_of_queue(row: QueueRow) -> str:
    """Return whether a queue is paused or active."""
    return "paused" if row.paused else "active"


def owners(
    found: Iterable[bgjobs.LiveOwner], now: datetime, ids: Mapping[UUID, str] | None = None
) -> Grid:
    """Draw the owners, which are the starts of queues; `ids` is as for `jobs`."""
    known, rows = ids or {}, [*found]
    has_waits = any(one.waiting for one in rows)
    return table(
        (
            *("owner", "queue", "node", "since", "lease left", "running"),
            *([FOR_CHILDREN] if has_waits else []),
        ),
        [
            (
                known.get(one.id, str(one.id)),
                one.name,
                one.node,
                relative_time(one.opened_at, now),
                short_duration(one.lease_left),
                one.running - one.waiting,
                *([one.waiting] if has_waits else []),
            )
            for one in rows
        ],
    )
