"""The statements of a write, on a connection and in a transaction that somebody else chose.

Enqueueing is a generator that asks for statements and is given their rows, because it runs on
plain connections and on async ones.
"""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import compress
from typing import Any, final
from uuid import UUID

import psycopg
from attrs import frozen

from bgjobs._core.ids import new_ids
from bgjobs._core.jobs import Job, JobRequest, Reservation
from bgjobs._core.settlements import Settlement
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.port import NewJob
from bgjobs.stores.postgres import codec
from bgjobs.stores.postgres.statements import (
    BEGIN,
    CLOCK,
    COMMIT,
    NOTIFY,
    Dialect,
    Step,
    lock_wait,
)
from bgjobs.stores.postgres.timestamps import instant
from bgjobs.stores.postgres.watcher import channel_of
from bgjobs.stores.values import (
    Ends,
    as_asked,
    as_planned,
    check_duplicates,
    single,
    stored_as,
    which_are_free,
)

_ROWS_PER_SECOND = 1_000
_CHARACTERS_PER_SECOND = 1_000_000
"""What even a slow server on a slow line takes in; a deadline is for silence, not for work."""
BRIEF_WAIT = 0.1
"""Seconds for which a row of a schedule waits for its key in another transaction, each time.

That holds a connection and a thread which others need, and the schedule asks again later.
"""
_LOCK_WAIT = 0.25
"""Which part of a call's time other jobs may wait for a unique key in another transaction."""
_TRIES = 10
"""How often the holder of a unique key may vanish while it is looked up."""

Enqueueing = Generator[Sequence[Step], list[list[codec.Row]], list[Job]]
"""Asks for statements that go in one round trip, and is given the rows of each."""


@final
@frozen
class Guard:
    """What goes along when jobs are stored in a transaction that is the store's own.

    It may wait for another's unique key, and go on after the client has given up. So its wait
    is bounded on the server, too, and it takes itself back if a job has ended meanwhile.
    """

    lock_wait: Step
    alone: bool
    """Whether it is the whole transaction."""

    def around(self, sql: Dialect, values: codec.Parameters) -> tuple[list[Step], list[Step]]:
        """Give what goes before enqueueing these and what goes after it."""
        check = (sql.part("enqueue", 1), values)
        if self.alone:
            return [BEGIN, self.lock_wait], [check, COMMIT]
        return [self.lock_wait], [check]


@final
class Guards:
    """The guards of one store, whose calls may take so many seconds."""

    def __init__(self, call_timeout: float) -> None:
        usual = call_timeout * _LOCK_WAIT
        self._usual = lock_wait(usual)
        self.brief: Step = lock_wait(min(usual, BRIEF_WAIT))
        """Bounds the waits of a transaction that writes nothing but the row of a schedule."""

    def of(
        self, wanted: Sequence[NewJob], settled: Collection[Settlement], *, alone: bool
    ) -> Guard | None:
        """Return what storing these needs beside these ends, or None."""
        if not may_outlive_its_client(wanted):
            return None
        is_planned = not settled and all(_is_planned(new) for new in wanted)
        return Guard(self.brief if is_planned else self._usual, alone)


def _is_planned(new: NewJob) -> bool:
    return new.request.options.occurrence is not None


def seconds_for(wanted: Sequence[NewJob]) -> float:
    """Say how many seconds more than other writes it may take to store these."""
    characters = sum(len(new.request.payload) for new in wanted)
    return len(wanted) / _ROWS_PER_SECOND + characters / _CHARACTERS_PER_SECOND


def refuses_duplicates(requests: Iterable[JobRequest]) -> bool:
    """Say whether storing these may have to be taken back, so that it needs a transaction."""
    return any(one.options.refuses_duplicates for one in requests)


def may_outlive_its_client(wanted: Iterable[NewJob]) -> bool:
    """Say whether storing these may wait for others, or may have been done before.

    The rest goes without a `Guard`, whose five statements cost twice as much as one.
    """
    return any(new.repeated or new.request.options.unique_key is not None for new in wanted)


def enqueueing(
    sql: Dialect, wanted: Sequence[NewJob], now: datetime | None, guard: Guard | None = None
) -> Enqueueing:
    """Store new jobs; where one is there already or its unique key is taken, give that one."""
    # Keyed by number: an id is hashed in Python, each time it is asked for.
    jobs: dict[int, Job] = {}
    missing = list({new.id.int: new for new in wanted}.values())
    for _ in range(_TRIES):
        values = codec.wanted(missing, now)
        before, after = guard.around(sql, values) if guard else ([], [])
        found = yield [*before, (sql["enqueue"], values), *after]
        stored = {one.int: (instant(at), instant(due)) for one, at, due in found[len(before)]}
        jobs |= {
            new.id.int: stored_as(new, *stored[new.id.int])
            for new in missing
            if new.id.int in stored
        }
        missing = [new for new in missing if new.id.int not in jobs]
        if missing:
            values = codec.wanted(missing, now)
            [standing] = yield [(sql["find_live"], values)]
            jobs |= {row[0].int: single(codec.DECODER.job(row[1:])) for row in standing}
            missing = [new for new in missing if new.id.int not in jobs]
        if not missing:
            stored_jobs = [jobs[new.id.int] for new in wanted]
            check_duplicates(wanted, stored_jobs)
            return stored_jobs
    raise StoreUnavailableError(f"{sql.label}: a unique key changed hands {_TRIES} times")


def enqueueing_in(
    sql: Dialect, requests: Sequence[JobRequest], now: datetime | None
) -> Enqueueing:
    """Store requests and tell the watchers, all in the caller's transaction."""
    ids = new_ids(len(requests))
    new = [NewJob(one, request) for one, request in zip(ids, requests, strict=True)]
    jobs = yield from enqueueing(sql, new, now)
    yield [notifying(sql, (job.name for job in jobs))]
    return jobs


def notifying(sql: Dialect, names: Iterable[str]) -> Step:
    """Give the statement that tells the watchers, once the transaction commits."""
    return NOTIFY, {"channel": channel_of(sql.schema), "names": codec.unique_names(names)}


def driven(sql: Dialect, connection: psycopg.Connection[Any], steps: Enqueueing) -> list[Job]:
    """Run what `steps` asks for, to its end."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send(sql.run_all(connection, asked))
    except StopIteration as end:
        jobs: list[Job] = end.value
        return jobs


async def driven_async(
    sql: Dialect, connection: psycopg.AsyncConnection[Any], steps: Enqueueing
) -> list[Job]:
    """Do the same on an async connection."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send([await sql.run_async(connection, *one) for one in asked])
    except StopIteration as end:
        jobs: list[Job] = end.value
        return jobs


def reserving(
    owner: UUID, names: Collection[str], limit: int, now: datetime | None
) -> codec.Parameters:
    """Give the parameters of reserve.sql."""
    return {"owner": owner, "names": codec.unique_names(names), "limit": limit, "now": now}


def settle(
    sql: Dialect,
    connection: psycopg.Connection[Any],
    verbs: Mapping[str, Sequence[Settlement]],
    now: datetime | None,
) -> Ends:
    """Write how runs ended, and return what became of each."""
    ends = Ends()
    for verb, chosen in verbs.items():
        found = sql.run(connection, sql[verb], codec.settled(chosen, now))
        if verb == "requeue":
            found = _without_cancelled(found, chosen, ends)
        if len(found) == len(chosen):  # mostly: nothing was lost
            ends.written.extend(one.reservation for one in chosen)
        else:
            ends.written.extend(Reservation(*row[:3]) for row in found)
    return ends


def _without_cancelled(
    found: list[codec.Row], chosen: Sequence[Settlement], ends: Ends
) -> list[codec.Row]:
    """Return the rows of jobs that were put back, and note those that were cancelled."""
    cancelled = {Reservation(*held): why for *held, why in found if why is not None}
    if not cancelled:
        return found
    for one in chosen:  # a run of a schedule may be held under another reservation by now
        if one.reservation in cancelled:
            ends.cancelled[one.reservation] = cancelled[one.reservation]
    return [row for row in found if row[3] is None]


def enqueue(
    sql: Dialect,
    connection: psycopg.Connection[Any],
    wanted: Sequence[NewJob],
    now: datetime | None,
    written: Collection[Reservation] = (),
    guard: Guard | None = None,
) -> list[Job]:
    """Store new jobs; those that follow another settlement than these are only given."""
    are_free = which_are_free(wanted, written)
    clock = partial(_time_of, sql, connection, now)
    free = list(compress(as_planned(wanted, are_free, clock), are_free))
    jobs = driven(sql, connection, enqueueing(sql, free, now, guard)) if free else []
    if len(free) == len(wanted):
        return jobs
    stored, asked_at = iter(jobs), clock()
    return [
        next(stored) if is_free else as_asked(new, asked_at)
        for new, is_free in zip(wanted, are_free, strict=True)
    ]


def replace(
    sql: Dialect,
    connection: psycopg.Connection[Any],
    waiting: Job,
    new: NewJob | None,
    now: datetime | None,
) -> bool:
    """Delete a job that still waits as it did, and store `new` after it."""
    values = {"id": waiting.id, "reservations": waiting.reservations}
    if not sql.run(connection, sql["replace"], values):
        return False
    if new is not None:
        enqueue(sql, connection, [new], now)
    return True


def _time_of(
    sql: Dialect, connection: psycopg.Connection[Any], now: datetime | None
) -> datetime:
    [[clock]] = sql.run(connection, CLOCK, {"now": now})
    return instant(clock)
