"""Reserving within caps; whoever reserves jobs of the same workers waits for the end of it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap
from bgjobs._core.outcomes import put_back
from bgjobs._core.timestamps import as_duration
from bgjobs.stores.limits import Openings, Use, openings
from bgjobs.stores.pages import Listing, unreadable_in
from bgjobs.stores.postgres import arrays, codec, timestamps, writes
from bgjobs.stores.postgres.calls import Calls
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import LOCK_NAMES, Step
from bgjobs.stores.values import by_verb, in_claim_order


def openings_of(calls: Calls, caps: Sequence[Cap], now: datetime | None) -> Openings:
    """Say what the caps leave room for."""
    return _openings(caps, calls.rows("use", {**_asked(caps), "now": now}))


def reserve(
    calls: Calls,
    owner: UUID,
    names: Collection[str],
    limit: int,
    caps: Sequence[Cap],
    now: datetime | None,
) -> Sequence[Job]:
    """Reserve what is due in its order, and put back at once what is beyond a cap."""
    sql = calls.sql

    def work(connection: AnyConnection) -> Sequence[Job]:
        # A statement of its own: what others have reserved is seen only by a later one.
        lock: Step = (LOCK_NAMES, {"schema": sql.schema, **_asked(caps)})
        use: Step = (sql["use"], {**_asked(caps), "now": now})
        _, used = calls.run_all(connection, [lock, use])
        room = _openings(caps, used)
        # From here on by this clock: the one of the transaction stood still while it waited.
        moment = timestamps.instant(used[0][-1])
        values = writes.reserving(owner, room.names(names), limit, moment)
        found = map(codec.DECODER.job, sql.run(connection, sql["reserve"], values))
        jobs = in_claim_order(found)
        kept, excess = room.split(jobs)
        if excess:
            back = by_verb([put_back(job) for job in excess])
            ends = writes.settle(sql, connection, back, moment)
            kept += ends.still_reserved(excess)
        rated = {cap.name for cap in caps if cap.rate is not None}
        begun = arrays.texts([job.name for job in kept if job.name in rated])
        values = {**_asked(caps), "begun": begun, "now": moment}
        sql.execute(connection, sql["record_starts"], values)
        return Listing(kept, unreadable_in(jobs))

    return calls.together(work)


def _openings(caps: Sequence[Cap], used: Sequence[codec.Row]) -> Openings:
    uses = {name: Use(*counted) for name, *counted, _ in used}
    return openings(caps, uses)


def _asked(caps: Sequence[Cap]) -> dict[str, arrays.Array]:
    # In one order for all: two that lock the same workers must not wait for each other.
    ordered = sorted(caps, key=lambda cap: cap.name)
    return {
        "names": arrays.texts([cap.name for cap in ordered]),
        "periods": arrays.bigints([_period(cap) for cap in ordered]),
    }


def _period(cap: Cap) -> int | None:
    return 0 if cap.rate is None else codec.microseconds(as_duration(cap.rate.period))
