"""Many processes with the same schedules, at one second's pace: every occurrence runs once."""

from collections.abc import Callable, Sequence
from typing import Any, final

from attrs import frozen

from bgjobs._core.jobs import Job
from bgjobs._core.timestamps import to_microseconds
from tests.fixtures.databases import Database
from tests.reliability.chaos.fleet import Fleet, Report, fleet
from tests.reliability.chaos.orders import EVERYTHING, Orders
from tests.reliability.chaos.verdict import Evidence, Run, Start, Waiting

_COLUMNS = (
    "job text, due bigint, previous bigint, process integer, "
    "began double precision, ended double precision"
)


@final
@frozen
class Outcome:
    """What a fleet has left behind, and what its processes measured."""

    evidence: Evidence
    reports: Sequence[Report]
    errors: str


def run_fleet(
    database: Database, orders: Orders, processes: int, meanwhile: Callable[[Fleet], None]
) -> Outcome:
    """Run a fleet for as long as `meanwhile` takes."""
    store = orders.store()
    store.open()
    try:
        store.migrate()
        _execute(database, f"create table {orders.table} ({_COLUMNS})")
        with fleet(orders, processes) as started:
            meanwhile(started)
            reports = started.stop()
        waiting = [*store.get_enqueued(), *store.get_running()]
    finally:
        store.close()
    runs = _execute(database, f"select * from {orders.table}")
    return Outcome(_evidence(started, runs, waiting, reports), reports, started.errors())


def _evidence(
    started: Fleet, runs: Sequence[Any], waiting: Sequence[Job], reports: Sequence[Report]
) -> Evidence:
    return Evidence(
        names=started.orders.names,
        starts=[Start(*line) for line in started.journal()],
        runs=[Run(*row) for row in runs],
        waiting=[_waiting(job) for job in waiting],
        missed=[(one[0], one[1], one[2]) for report in reports for one in report["missed"]],
        killed=started.killed,
        strict=started.orders.catch_up == EVERYTHING,
    )


def _waiting(job: Job) -> Waiting:
    planned = job.occurrence
    assert planned is not None, job
    previous = None if planned.previous is None else to_microseconds(planned.previous)
    return Waiting(planned.recurrence.name, to_microseconds(planned.at), previous)


def _execute(database: Database, statement: str) -> list[Any]:
    connection = database.connect()
    try:
        with connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()
