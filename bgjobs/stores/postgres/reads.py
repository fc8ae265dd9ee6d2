"""Reads of one job, and of the time until the next one is due."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bgjobs._core.jobs import AnyJob
from bgjobs._core.limits import Cap
from bgjobs.stores.decoder import Table
from bgjobs.stores.limits import earliest
from bgjobs.stores.postgres import codec, writes
from bgjobs.stores.postgres.arrays import unique_names
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.values import single

_FIND: dict[Table, str] = {
    "jobs_succeeded": "find_succeeded",
    "jobs_failed": "find_failed",
    "jobs_cancelled": "find_cancelled",
}
"""The tables of ended jobs; they are read after that of live jobs, as a job moves."""


def find(database: PostgresDatabase, job_id: UUID, now: datetime | None) -> AnyJob | None:
    """Return the job with this id, live or ended, or None."""
    values = {"id": job_id, "now": now}
    if found := database.rows("find_live", values):
        return single(codec.with_state(found[0]))
    for table, statement in _FIND.items():
        if found := database.rows(statement, values):
            return codec.DECODER.single(table, found[0])
    return None


def next_due(
    database: PostgresDatabase,
    names: Collection[str],
    *,
    planned: bool,
    caps: Sequence[Cap],
    now: datetime | None,
) -> timedelta | None:
    """Return how long until the first waiting job is due; None when there is none."""
    if caps:
        room = writes.openings_of(database, caps, now)
        first = next_due(database, room.names(names), planned=planned, caps=(), now=now)
        return earliest(first, room.reopens_in)
    values = {"names": unique_names(names), "planned": planned, "now": now}
    [[wait]] = database.rows("next_due", values)
    due: timedelta | None = wait
    return due
