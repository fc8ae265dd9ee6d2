"""Rows that cannot be read: set apart, listed, put back."""

import sqlite3
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import LARGEST_COUNT, UnreadableJob
from bgjobs._core.timestamps import from_microseconds
from bgjobs.stores.decoder import LONGEST_SHOWN, TABLES, first_of_each_job
from bgjobs.stores.pages import Page
from bgjobs.stores.sqlite import codec, writes
from bgjobs.stores.sqlite.calls import Calls
from bgjobs.stores.sqlite.connection import Parameters, change, run
from bgjobs.stores.sqlite.errors import translated


def set_apart(
    calls: Calls, found: Collection[UnreadableJob], now: datetime | None
) -> list[UnreadableJob]:
    """Move rows to the table of unreadable ones, and return those moved."""
    with calls.roles.writer.writing() as raw, translated(calls.roles.label):
        moment = calls.microseconds(now)
        moved = [one for job in found if (one := _moved(calls, raw, job, moment))]
        writes.index_failures(raw, calls.sql)
    return moved


def _moved(
    calls: Calls, raw: sqlite3.Connection, job: UnreadableJob, moment: int
) -> UnreadableJob | None:
    """Move one row, if it is as it was read."""
    part = 2 * TABLES.index(job.table)
    copy, remove = calls.sql["set_apart"][part : part + 2]
    key, owner, number = job.key
    row: Parameters = {"key": _bytes(key), "owner": _bytes(owner), "number": number}
    new: Parameters = {
        "id": str(job.id),
        "other_id": str(new_id()),
        "reason": job.reason,
        "now": moment,
    }
    stored = run(raw, copy, {**row, **new})
    if not stored:
        return None
    change(raw, remove, row)
    return evolve(job, id=UUID(stored[0][0]), found_at=from_microseconds(moment))


def _bytes(found: str | UUID | None) -> bytes | None:
    # A text that is no UTF-8 was read with surrogates in the place of its bytes.
    return None if found is None else str(found).encode("utf-8", "surrogateescape")


def get(calls: Calls, page: Page, longest: int) -> list[UnreadableJob]:
    """Return a page of what was set apart."""
    values: Parameters = {"longest": longest}
    found = calls.page("get_unreadable", page, values, part=0)
    if any(codec.id_or_none(row[0]) is None for row in found):
        calls.write("rename_unreadable", None, {})
        found = calls.page("get_unreadable", page, values, part=0)
    return [codec.DECODER.set_apart(row, longest) for row in found]


def find(calls: Calls, job_id: UUID) -> UnreadableJob | None:
    """Return what was set apart under an id, or None."""
    values: Parameters = {"id": str(job_id), "longest": LONGEST_SHOWN}
    found = calls.read("get_unreadable", values, part=1)
    return codec.DECODER.set_apart(found[0]) if found else None


def count(calls: Calls, at_most: int | None) -> int:
    """Count what was set apart."""
    values: Parameters = {"at_most": -1 if at_most is None else at_most}
    found: int = calls.read("count_unreadable", values)[0][0]
    return found


def put_back(calls: Calls, job_ids: Collection[UUID], now: datetime | None) -> list[UUID]:
    """Store what can be read by now, in one transaction."""
    look, live, succeeded, forget = calls.sql["put_back"]
    with calls.roles.writer.writing() as raw, translated(calls.roles.label):
        found = run(raw, look, {"ids": codec.uuids_json(job_ids)})
        fit = (row for row in found if codec.DECODER.may_be_put_back(row))
        ids = codec.to_json(first_of_each_job(fit))
        values: Parameters = {"ids": ids, "now": calls.microseconds(now)}
        stored = [row[0] for part in (live, succeeded) for row in run(raw, part, values)]
        gone = run(raw, forget, {"ids": ids, "stored": codec.to_json(stored)})
    return [UUID(row[0]) for row in gone]


def refused(calls: Calls, names: Collection[str]) -> list[UnreadableJob]:
    """Return waiting rows of which the database refuses that they are reserved."""
    values: Parameters = {"names": codec.names_json(names), "most": LARGEST_COUNT}
    return [codec.DECODER.unreadable("jobs", row) for row in calls.read("find_refused", values)]
