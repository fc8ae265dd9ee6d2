"""Which jobs are due, and their reservation for an owner."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bgjobs._core.jobs import LARGEST_COUNT, Job, UnreadableJob
from bgjobs._core.limits import Cap
from bgjobs._core.outcomes import put_back
from bgjobs._core.timestamps import as_duration
from bgjobs.errors import RowRefusedError
from bgjobs.stores.limits import Openings, Use, earliest, openings
from bgjobs.stores.pages import Listing, unreadable_in
from bgjobs.stores.postgres import arrays, codec, writes
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.statements import LOCK_NAMES, ONE_PLAN, Step
from bgjobs.stores.types import FROM_THE_START, Position
from bgjobs.stores.values import by_verb, in_claim_order


def reserve(
    database: PostgresDatabase,
    owner: UUID,
    names: Collection[str],
    limit: int,
    *,
    caps: Sequence[Cap],
    after: Mapping[str, Position],
    now: datetime | None,
) -> Sequence[Job]:
    """Reserve due jobs in their order, or return the rows that keep the server from it."""
    try:
        if caps:
            return _within(database, owner, names, limit, caps, now)
        values = codec.reserve_values(owner, names, limit, now, after)
        found = database.rows_by_one_plan("reserve", values)
    except RowRefusedError:
        if refused := _refused(database, names):
            return Listing((), refused)
        raise
    return in_claim_order(map(codec.DECODER.job, found))


def next_due(
    database: PostgresDatabase,
    names: Collection[str],
    *,
    planned: bool,
    caps: Sequence[Cap],
    after: Mapping[str, Position] = FROM_THE_START,
    now: datetime | None,
) -> timedelta | None:
    """Return how long until the first waiting job is due; None when there is none."""
    if caps:
        room = _openings_of(database, caps, now)
        first = next_due(database, room.names(names), planned=planned, caps=(), now=now)
        return earliest(first, room.reopens_in)
    values = {**codec.names_values(names, after), "planned": planned, "now": now}
    [[wait]] = database.rows_by_one_plan("next_due", values)
    due: timedelta | None = wait
    return due


def _refused(database: PostgresDatabase, names: Collection[str]) -> list[UnreadableJob]:
    """Return waiting rows that the database refuses to reserve."""
    values = {"names": arrays.unique_names(names), "most": LARGEST_COUNT}
    found = database.rows("find_refused", values)
    return [codec.DECODER.unreadable("jobs", row) for row in found]


def _within(
    database: PostgresDatabase,
    owner: UUID,
    names: Collection[str],
    limit: int,
    caps: Sequence[Cap],
    now: datetime | None,
) -> Sequence[Job]:
    """Reserve due jobs in their order, and put back at once those beyond a cap.

    Advisory locks on the names of the workers make processes reserve their jobs in turn.
    """
    sql = database.sql

    def work(connection: AnyConnection) -> Sequence[Job]:
        # The lock is a statement of its own: the next one sees what others reserved meanwhile.
        lock: Step = (LOCK_NAMES, {"schema": sql.schema, **_cap_values(caps)})
        use: Step = (sql["use"], {**_cap_values(caps), "now": now})
        *_, used = database.run_all(connection, [ONE_PLAN, lock, use])
        room = _openings(caps, used)
        # The transaction's own time is that of before the wait for the lock.
        moment = codec.timestamp(used[0][-1])
        values = codec.reserve_values(owner, room.names(names), limit, moment)
        found = map(codec.DECODER.job, sql.run(connection, sql["reserve"], values))
        jobs = in_claim_order(found)
        kept, excess = room.split(jobs)
        if excess:
            back = by_verb([put_back(job) for job in excess])
            kept += writes.settle(sql, connection, back, moment).still_reserved(excess)
        rated = {cap.name for cap in caps if cap.rate is not None}
        begun = arrays.texts([job.name for job in kept if job.name in rated])
        values = {**_cap_values(caps), "begun": begun, "now": moment}
        sql.execute(connection, sql["record_starts"], values)
        return Listing(kept, unreadable_in(jobs))

    return database.together(work)


def _openings_of(
    database: PostgresDatabase, caps: Sequence[Cap], now: datetime | None
) -> Openings:
    """Return how many more jobs the caps allow."""
    return _openings(caps, database.rows("use", {**_cap_values(caps), "now": now}))


def _openings(caps: Sequence[Cap], used: Sequence[codec.Row]) -> Openings:
    uses = {name: Use(*counted) for name, *counted, _ in used}
    return openings(caps, uses)


def _cap_values(caps: Sequence[Cap]) -> dict[str, arrays.Array]:
    # All processes lock the names in this order, so that no two can deadlock.
    ordered = sorted(caps, key=lambda cap: cap.name)
    return {
        "names": arrays.texts([cap.name for cap in ordered]),
        "periods": arrays.bigints([_period(cap) for cap in ordered]),
    }


def _period(cap: Cap) -> int | None:
    return 0 if cap.rate is None else codec.microseconds(as_duration(cap.rate.period))
