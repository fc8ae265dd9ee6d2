"""Reserving within caps; nobody else writes meanwhile, so what is counted stays true."""

import sqlite3
from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap
from bgjobs._core.outcomes import put_back
from bgjobs._core.timestamps import as_duration
from bgjobs.stores.limits import Openings, Use, openings
from bgjobs.stores.pages import Listing, unreadable_in
from bgjobs.stores.sql import Statements
from bgjobs.stores.sqlite import codec, writes
from bgjobs.stores.sqlite.connection import run


def openings_in(
    raw: sqlite3.Connection, sql: Statements, caps: Sequence[Cap], now: int
) -> Openings:
    """Say what the caps leave room for at this microsecond."""
    uses = {
        name: Use(running, started, None if oldest is None else timedelta(microseconds=oldest))
        for name, running, started, oldest in run(
            raw, sql["use"][0], {"caps": _caps_json(caps), "now": now}
        )
    }
    return openings(caps, uses)


def reserve(
    raw: sqlite3.Connection,
    sql: Statements,
    owner: UUID,
    names: Collection[str],
    limit: int,
    caps: Sequence[Cap],
    now: int,
) -> Sequence[Job]:
    """Reserve what is due in its order, and put back at once what is beyond a cap."""
    room = openings_in(raw, sql, caps, now)
    jobs = writes.reserve(raw, sql, owner, room.names(names), limit, now)
    kept, excess = room.split(jobs)
    if excess:
        ends = writes.settle(raw, sql, [put_back(job) for job in excess], now)
        kept += ends.still_reserved(excess)
    rated = {cap.name for cap in caps if cap.rate is not None}
    begun = codec.to_json(job.name for job in kept if job.name in rated)
    for statement in sql["record_starts"]:
        run(raw, statement, {"caps": _caps_json(caps), "names": begun, "now": now})
    return Listing(kept, unreadable_in(jobs))


def _caps_json(caps: Sequence[Cap]) -> str:
    return codec.to_json([cap.name, _period(cap)] for cap in caps)


def _period(cap: Cap) -> int:
    return 0 if cap.rate is None else codec.microseconds(as_duration(cap.rate.period))
