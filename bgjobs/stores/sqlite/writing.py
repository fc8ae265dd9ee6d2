"""The statements of a write, inside a transaction that somebody else began and ends."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from bgjobs.jobs import Job, Reservation
from bgjobs.settlements import Fail, Requeue, Settlement, Succeed
from bgjobs.stores.abc import NewJob
from bgjobs.stores.sql import Statements
from bgjobs.stores.sqlite import rows
from bgjobs.stores.sqlite.connection import Parameters, Row, run

_Key = tuple[str, int]
"""Id and number: no two reservations of a job have the same number."""


def enqueue(
    raw: sqlite3.Connection, sql: Statements, jobs: Sequence[NewJob], now: int
) -> list[Job]:
    """Store new jobs; where one is live already or its unique key is taken, give that one."""
    if not jobs:
        return []
    wanted = [rows.stored_now(new, now) for new in jobs]
    parameters: Parameters = {"jobs": rows.enqueued_json(wanted), "now": now}
    stored = {row[0] for row in _run_all(raw, sql["enqueue"], parameters)}
    return [job if str(job.id) in stored else _standing(raw, sql, job) for job in wanted]


def _standing(raw: sqlite3.Connection, sql: Statements, job: Job) -> Job:
    parameters = {"id": str(job.id), "name": job.name, "unique_key": job.unique_key}
    found = _run_all(raw, sql["find_live"], parameters)
    # None when this very job was stored before and has ended: then it is as it was asked for.
    return rows.as_job(found[0]) if found else job


def settle(
    raw: sqlite3.Connection, sql: Statements, settlements: Sequence[Settlement], now: int
) -> list[Reservation]:
    """Write how runs ended; give the reservations that were not there any more."""
    first: dict[Reservation, Settlement] = {}
    for one in settlements:
        first.setdefault(one.reservation, one)
    distinct = first.values()
    succeeded = [rows.fence(one) for one in distinct if isinstance(one, Succeed)]
    failed = [[*rows.counters(one), one.error] for one in distinct if isinstance(one, Fail)]
    requeued = [
        [*rows.counters(one), _delayed(one, now)]
        for one in distinct
        if isinstance(one, Requeue)
    ]
    written = {
        *_move(raw, sql["succeed"], succeeded, now),
        *_move(raw, sql["fail"], failed, now),
        *_move(raw, sql["requeue"], requeued, now),
    }
    return _lost(settlements, written)


def _delayed(requeue: Requeue, now: int) -> int | None:
    return None if requeue.delay is None else now + rows.microseconds(requeue.delay)


def _move(
    raw: sqlite3.Connection, statements: Sequence[str], settled: Collection[list[Any]], now: int
) -> list[_Key]:
    if not settled:
        return []
    found = _run_all(raw, statements, {"settled": rows.to_json(settled), "now": now})
    return [(job_id, number) for job_id, number in found]


def _lost(settlements: Iterable[Settlement], written: set[_Key]) -> list[Reservation]:
    lost: list[Reservation] = []
    for one in settlements:
        key = (str(one.reservation.job_id), one.reservation.number)
        if key in written:
            written.remove(key)  # so that its repetition counts as lost
        else:
            lost.append(one.reservation)
    return lost


def _run_all(
    raw: sqlite3.Connection, statements: Iterable[str], parameters: Parameters
) -> list[Row]:
    found: list[Row] = []
    for statement in statements:
        found = run(raw, statement, parameters)
    return found
