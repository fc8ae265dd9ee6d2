"""Reads of one job and of the next due one; what rows of commands, limits and refusals mean."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from bgjobs._core.jobs import LARGEST_COUNT, AnyJob, UnreadableJob
from bgjobs._core.limits import Cap
from bgjobs.stores.decoder import TABLES
from bgjobs.stores.limits import Openings, Use, earliest, openings
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters, Row
from bgjobs.stores.sqlite.executor import Executor
from bgjobs.stores.types import Commands
from bgjobs.stores.values import commands_of


def as_commands(found: Sequence[Row], marked: Sequence[Row]) -> Commands:
    """Return the commands in rows of the statements `commands` and `marked_names`."""
    parsed = (
        (one, None if one is None else codec.id_or_none(one), text, by)
        for one, text, by in found
    )
    return commands_of(
        ((job, text, by) for one, job, text, by in parsed if (one is None) is (job is None)),
        (name for [name] in marked),
    )


def as_openings(found: Sequence[Row], caps: Sequence[Cap]) -> Openings:
    """Return what the caps leave room for, from rows of the statement `use`."""
    uses = {
        name: Use(running, started, None if oldest is None else timedelta(microseconds=oldest))
        for name, running, started, oldest in found
    }
    return openings(caps, uses)


def find(executor: Executor, job_id: UUID) -> AnyJob | None:
    """Return the job of this id, live or ended, or None."""
    names = ("find_live", "find_succeeded", "find_failed", "find_cancelled")
    found = executor.snapshot(names, {"id": str(job_id)})
    for table, rows in zip(TABLES, found, strict=True):
        if rows:
            return codec.DECODER.single(table, rows[0])
    return None


def next_due(
    executor: Executor, names: Collection[str], *, planned: bool, caps: Sequence[Cap], now: int
) -> timedelta | None:
    """Return how long until the first unreserved job is due; None when there is none."""
    if caps:
        used = executor.read("use", {"caps": codec.caps_json(caps), "now": now})
        room = as_openings(used, caps)
        due = next_due(executor, room.names(names), planned=planned, caps=(), now=now)
        return earliest(due, room.reopens_in)
    asked: Parameters = {"names": codec.names_json(names), "planned": planned, "now": now}
    first: int | None = executor.read("next_due", asked)[0][0]
    return None if first is None else timedelta(microseconds=first - now)


def refused(executor: Executor, names: Collection[str]) -> list[UnreadableJob]:
    """Return waiting rows that the database does not allow to be reserved."""
    values: Parameters = {"names": codec.names_json(names), "most": LARGEST_COUNT}
    found = executor.read("find_refused", values)
    return [codec.DECODER.unreadable("jobs", row) for row in found]
