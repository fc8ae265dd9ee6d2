"""Reads of one job, and of how many there are."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from bgjobs._core.jobs import AnyJob
from bgjobs.stores.decoder import Table
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.arrays import unique_names
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.types import Counts
from bgjobs.stores.values import single

_FIND: dict[Table, str] = {
    "jobs_succeeded": "find_succeeded",
    "jobs_failed": "find_failed",
    "jobs_cancelled": "find_cancelled",
}
"""The tables of ended jobs; they are read after that of live jobs, as a job moves."""


def count(
    database: PostgresDatabase,
    names: Collection[str] | None,
    at_most: int | None,
    now: datetime | None,
) -> Counts:
    """Count the jobs of these workers, or of all with None."""
    asked = None if names is None else unique_names(names)
    [found] = database.rows("count", {"names": asked, "at_most": at_most, "now": now})
    return Counts(*found)


def find(database: PostgresDatabase, job_id: UUID, now: datetime | None) -> AnyJob | None:
    """Return the job with this id, live or ended, or None."""
    values = {"id": job_id, "now": now}
    if found := database.rows("find_live", values):
        return single(codec.with_state(found[0]))
    for table, statement in _FIND.items():
        if found := database.rows(statement, values):
            return codec.DECODER.single(table, found[0])
    return None
