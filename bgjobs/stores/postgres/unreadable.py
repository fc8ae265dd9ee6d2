"""Rows that cannot be read: set apart, listed, put back; and the bounds that keep them out."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from attrs import evolve

from bgjobs._core.jobs import LARGEST_COUNT, UnreadableJob
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.decoder import LONGEST_SHOWN, TABLES, first_of_each_job
from bgjobs.stores.pages import Page
from bgjobs.stores.postgres import arrays, codec, timestamps
from bgjobs.stores.postgres.calls import Calls, paged
from bgjobs.stores.postgres.pool import AnyConnection

_CONSTRAINTS = tuple(
    f"{table}_limits"
    for table in (*TABLES, "owners", "cancellations", "paused_queues", "starts")
)
"""In the order of the statements of validate.sql."""


def set_apart(
    calls: Calls, found: Collection[UnreadableJob], now: datetime | None
) -> list[UnreadableJob]:
    """Move rows to the table of unreadable ones, and return those moved."""
    steps = [
        (calls.sql.part("set_apart", part), _read(here, now))
        for part, table in enumerate(TABLES)
        if (here := [one for one in found if one.table == table])
    ]
    moved = {row[:3]: row[3:] for answer in calls.all_rows(steps) for row in answer}
    return [
        evolve(one, id=key, found_at=timestamps.instant(at))
        for one in found
        if one.key in moved
        for key, at in [moved[one.key]]
    ]


def _read(found: Sequence[UnreadableJob], now: datetime | None) -> codec.Parameters:
    keys = [one.key for one in found]
    return {
        "ids": arrays.uuids([raw for raw, _, _ in keys]),
        "owners": arrays.texts([None if owner is None else str(owner) for _, owner, _ in keys]),
        "numbers": arrays.integers([number for _, _, number in keys]),
        "reasons": arrays.texts([one.reason for one in found]),
        "now": now,
    }


def get(calls: Calls, page: Page, longest: int) -> list[UnreadableJob]:
    """Return a page of what was set apart."""
    found = calls.rows("get_unreadable", {**paged(page), "longest": longest})
    return [codec.DECODER.set_apart(row, longest) for row in found]


def find(calls: Calls, job_id: UUID) -> UnreadableJob | None:
    """Return what was set apart under an id, or None."""
    values = {"id": job_id, "longest": LONGEST_SHOWN}
    found = calls.rows("get_unreadable", values, part=1)
    return codec.DECODER.set_apart(found[0]) if found else None


def count(calls: Calls, at_most: int | None) -> int:
    """Count what was set apart."""
    [[number]] = calls.rows("count_unreadable", {"at_most": at_most})
    found: int = number
    return found


def put_back(calls: Calls, job_ids: Collection[UUID], now: datetime | None) -> list[UUID]:
    """Store what can be read by now, in one transaction."""
    sql = calls.sql
    look, live, succeeded, forget = (sql.part("put_back", part) for part in range(4))

    def work(connection: AnyConnection) -> list[UUID]:
        found = sql.run(connection, look, {"ids": codec.unique_ids(job_ids)})
        fit = first_of_each_job(row for row in found if codec.DECODER.may_be_put_back(row))
        values = {"ids": codec.unique_ids(fit), "now": now}
        stored = [
            one for part in (live, succeeded) for [one] in sql.run(connection, part, values)
        ]
        values = {"ids": codec.unique_ids(fit), "stored": codec.unique_ids(stored)}
        return [one for [one] in sql.run(connection, forget, values)]

    return calls.together(work)


def refused(calls: Calls, names: Collection[str]) -> list[UnreadableJob]:
    """Return waiting rows of which the database refuses that they are reserved."""
    values = {"names": codec.unique_names(names), "most": LARGEST_COUNT}
    return [codec.DECODER.unreadable("jobs", row) for row in calls.rows("find_refused", values)]


def unvalidated(calls: Calls) -> list[str]:
    """Return the constraints that older rows may break."""
    found = calls.rows("get_unvalidated", {"schema": calls.sql.schema})
    return [name for [name] in found if name in _CONSTRAINTS]


def validate(calls: Calls, constraint: str, now: datetime | None) -> int:
    """Set apart what a constraint refuses, some rows at a time, and validate it."""
    if constraint not in unvalidated(calls):
        return 0
    part = _CONSTRAINTS.index(constraint)
    apart = _set_all_apart(calls, part, now) if part < len(TABLES) else 0
    statement = calls.sql.part("validate", part)
    calls.alone(lambda connection: calls.sql.execute(connection, statement))
    return apart


def _set_all_apart(calls: Calls, part: int, now: datetime | None) -> int:
    apart = 0
    while found := calls.rows("find_beyond", {}, part):
        beyond = [codec.DECODER.unreadable(TABLES[part], row) for row in found]
        moved = set_apart(calls, beyond, now)
        if not moved:  # others change them at this moment
            raise StoreUnavailableError(f"{calls.source.label}: {TABLES[part]} is in use")
        apart += len(moved)
    return apart
