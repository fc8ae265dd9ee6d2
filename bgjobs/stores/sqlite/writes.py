"""The statements of a write, inside a transaction that somebody else began and ends."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import compress
from typing import Any
from uuid import UUID

from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.outcomes import cancelled_instead
from bgjobs._core.settlements import Fail, Requeue, Settlement
from bgjobs._core.text import LONGEST_ERROR, clean_text
from bgjobs._core.timestamps import from_microseconds
from bgjobs.stores.port import NewJob
from bgjobs.stores.sql import Statements
from bgjobs.stores.sqlite import codec
from bgjobs.stores.sqlite.connection import Parameters, Row, change, run
from bgjobs.stores.values import (
    Ends,
    as_planned,
    by_verb,
    check_duplicates,
    in_claim_order,
    single,
    which_are_free,
)


def reserve(
    raw: sqlite3.Connection,
    sql: Statements,
    owner: UUID,
    names: Collection[str],
    limit: int,
    now: int,
) -> Sequence[Job]:
    """Reserve due jobs of these workers."""
    find, take = sql["reserve"]
    wanted: Parameters = {
        "owner": str(owner),
        "names": codec.names_json(names),
        "limit": limit,
        "now": now,
    }
    portions = run(raw, find, wanted)
    chosen = codec.to_json(json.loads(row) for _, row in portions)
    change(raw, take, {"owner": str(owner), "now": now, "rows": chosen})
    found: list[list[Any]] = [job for jobs, _ in portions for job in json.loads(jobs)]
    return in_claim_order(map(codec.DECODER.job, found))


def enqueue(
    raw: sqlite3.Connection,
    sql: Statements,
    jobs: Sequence[NewJob],
    now: int,
    written: Collection[Reservation] = (),
) -> list[Job]:
    """Store new jobs; where one is live already or its unique key is taken, give that one.

    Those that follow another settlement than these are only given.
    """
    if not jobs:
        return []
    are_free = which_are_free(jobs, written)
    jobs = as_planned(jobs, are_free, partial(from_microseconds, now))
    wanted = [codec.stored_now(new, now) for new in jobs]
    free = list(compress(wanted, are_free))
    parameters: Parameters = {"jobs": codec.enqueued_json(free), "now": now}
    statement = sql["enqueue"][0]
    if not any(new.repeated or new.request.options.unique_key for new in jobs):
        if change(raw, statement, parameters) == len(free):
            return wanted
        stored = set[str]()  # some id stood there twice
    else:
        stored = {row[0] for row in run(raw, statement, parameters)}
    found = [
        _standing(raw, sql, job) if is_free and str(job.id) not in stored else job
        for job, is_free in zip(wanted, are_free, strict=True)
    ]
    check_duplicates(jobs, found)
    return found


def _standing(raw: sqlite3.Connection, sql: Statements, job: Job) -> Job:
    parameters = {"id": str(job.id), "name": job.name, "unique_key": job.unique_key}
    found = _run_all(raw, sql["find_live"], parameters)
    # None when this very job was stored before and has ended: then it is as it was asked for.
    return single(codec.DECODER.job(found[0])) if found else job


def replace(
    raw: sqlite3.Connection, sql: Statements, waiting: Job, new: NewJob | None, now: int
) -> bool:
    """Delete a job that still waits as it did, and store `new` after it."""
    wanted: Parameters = {"id": str(waiting.id), "reservations": waiting.reservations}
    if not _run_all(raw, sql["replace"], wanted):
        return False
    if new is not None:
        enqueue(raw, sql, [new], now)
    return True


def settle(
    raw: sqlite3.Connection, sql: Statements, settlements: Sequence[Settlement], now: int
) -> Ends:
    """Write how runs ended, and return what became of each."""
    ends = Ends()
    for verb, chosen in by_verb(settlements).items():
        if verb == "requeue":
            _put_back(raw, sql, chosen, now, ends)
        else:
            ends.written.extend(_end(raw, sql[verb], chosen, now))
        if verb == "fail":
            index_failures(raw, sql)
    return ends


def _end(
    raw: sqlite3.Connection, statements: Sequence[str], chosen: Sequence[Settlement], now: int
) -> list[Reservation]:
    parameters = _parameters(chosen, now)
    held = [one.reservation for one in chosen]
    *record, leave = statements
    recorded = [change(raw, statement, parameters) for statement in record]
    if recorded == [len(held)]:  # mostly: nothing was lost, so nothing need be told apart
        change(raw, leave, parameters)
        return held
    # No two reservations of a job have the same number.
    found = {(UUID(row[0]), row[1]) for row in run(raw, leave, parameters)}
    return [one for one in held if (one.job_id, one.number) in found]


def _put_back(
    raw: sqlite3.Connection,
    sql: Statements,
    chosen: Sequence[Settlement],
    now: int,
    ends: Ends,
) -> None:
    """Put jobs back, but for those that were cancelled meanwhile."""
    find, put_back, forget = sql["requeue"]
    if asked := run(raw, find, _parameters(chosen, now)):
        held = {one.reservation: one for one in chosen if isinstance(one, Requeue)}
        instead: list[Settlement] = []
        for job_id, owner, number, text, is_run in asked:
            reservation = Reservation(UUID(job_id), UUID(owner), number)
            reason = clean_text(text, LONGEST_ERROR)  # it may be no UTF-8
            if reservation in held:
                ends.cancelled[reservation] = reason
                if not is_run:  # a run of a schedule ends together with the one that follows
                    instead.append(cancelled_instead(held[reservation], reason))
        settle(raw, sql, instead, now)
        gone = [one.reservation.job_id for one in instead]
        change(raw, forget, {"ids": codec.uuids_json(gone)})
        chosen = [one for one in chosen if one.reservation not in ends.cancelled]
    ends.written.extend(_end(raw, [put_back], chosen, now))


def _parameters(settlements: Iterable[Settlement], now: int) -> Parameters:
    settled = codec.to_json(_settled(one, now) for one in settlements)
    return {"settled": settled, "now": now}


def index_failures(raw: sqlite3.Connection, sql: Statements) -> None:
    """Bring the index of errors up to date; called whenever failed jobs come or go."""
    for statement in sql["index_failures"]:
        change(raw, statement, {})


def _settled(settlement: Settlement, now: int) -> list[Any]:
    if isinstance(settlement, Fail):
        return [*codec.counters(settlement), settlement.error]
    if isinstance(settlement, Requeue):
        return [*codec.counters(settlement), _delayed(settlement, now)]
    return codec.fence(settlement)


def _delayed(requeue: Requeue, now: int) -> int | None:
    return None if requeue.delay is None else now + codec.microseconds(requeue.delay)


def _run_all(
    raw: sqlite3.Connection, statements: Iterable[str], parameters: Parameters
) -> list[Row]:
    found: list[Row] = []
    for statement in statements:
        found = run(raw, statement, parameters)
    return found
