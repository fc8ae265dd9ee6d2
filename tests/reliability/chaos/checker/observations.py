"""Read what a phase has left behind in the database, in the journal and in the server."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any, final

import psycopg
from attrs import field, frozen

import bgjobs
from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.jobs import AnyJob, State, StoredJob
from bgjobs._core.timestamps import to_microseconds
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import Page
from tests.fixtures.postgres_locks import count_deadlocks
from tests.reliability.chaos.checker import audit
from tests.reliability.chaos.checker.invariants import Effect, JobRecord, Run
from tests.reliability.chaos.processes.handlers import EFFECTS, ENDS
from tests.reliability.chaos.processes.producer import SALES, key_of
from tests.reliability.chaos.settings import ProcessSettings, lines_of, monotonic

_PAGE = 1000
_STATES: Sequence[State] = (
    *("waiting", "delayed", "running"),
    *("succeeded", "failed", "cancelled"),
)
_PATIENCE = 5.0
"""Seconds within which the server notices that its clients have ended."""


@final
@frozen
class DatabaseRows:
    """The rows of the database."""

    jobs: Sequence[JobRecord]
    entries: Sequence[audit.Entry]
    effects: Sequence[Effect]
    ends: Sequence[str]
    sales: Collection[str]
    owner_pids: Collection[int]
    """The processes whose queues have a row as owners, with or without a valid lease."""


@final
@frozen
class JournalRecords:
    """The contents of the journal."""

    acknowledged: Collection[str]
    runs: Sequence[Run]
    snoozes: Mapping[str, int]
    events: Mapping[tuple[str, ...], int] = field(factory=dict[tuple[str, ...], int])
    """How often each event of the library was emitted, by its name and details."""
    left: Mapping[int, Mapping[str, Any]] = field(factory=dict[int, Mapping[str, Any]])
    """The tasks, threads and files that remained when processes ended after SIGTERM."""
    process_faults: Mapping[str, int] = field(factory=dict[str, int])
    """How often processes injected each fault themselves."""


def rows(settings: ProcessSettings) -> DatabaseRows:
    """Return the rows of all tables."""
    store = settings.store()
    store.open()
    connection = settings.database.connect()
    try:
        effects = connection.execute(f"select job, number from {settings.table(EFFECTS)}")
        ends = connection.execute(f"select job from {settings.table(ENDS)}")
        ended = [job for (job,) in ends.fetchall()]
        sales = connection.execute(f"select key from {settings.table(SALES)}")
        return DatabaseRows(
            list(_job_records(store)),
            audit.entries(connection, settings),
            [Effect(*row) for row in effects.fetchall()],
            ended,
            {key for (key,) in sales.fetchall()},
            {int(node.rpartition(":")[2]) for node in _nodes(connection, settings)},
        )
    finally:
        connection.close()
        store.close()


def unfinished(connection: Any, settings: ProcessSettings) -> int:
    """Return the number of waiting and running jobs, except waiting ones of schedules."""
    table = settings.table("jobs") if settings.schema else "bgjobs_jobs"
    query = f"select count(*) from {table} where occurrence is null or reserved_by is not null"
    [found] = connection.execute(query).fetchone()
    return int(found)


def _nodes(connection: Any, settings: ProcessSettings) -> list[str]:
    table = settings.table("owners") if settings.schema else "bgjobs_owners"
    query = f"select node from {table} where id <> '{HOOK_OWNER}'"
    return [node for (node,) in connection.execute(query).fetchall()]


def _job_records(store: bgjobs.Store) -> Iterator[JobRecord]:
    now = datetime.now(UTC)  # one time, so that no delayed job becomes a waiting one meanwhile
    for state in _STATES:
        page: Page | None = Page(_PAGE)
        while page is not None:
            jobs = store.list(JobFilter(state), page, now=now)
            yield from (_job_record(job) for job in jobs)
            page = None if jobs.after is None else Page(_PAGE, jobs.after)


def _job_record(job: AnyJob) -> JobRecord:
    return JobRecord(
        id=str(job.id),
        name=job.name,
        state=job.state,
        key=key_of(job.payload) if job.occurrence is None else "",
        number=job.reservations,
        attempts=job.attempts,
        crashes=job.crashes,
        interruptions=job.interruptions,
        error=job.error if isinstance(job, bgjobs.FailedJob) else "",
        result=job.result_json if isinstance(job, bgjobs.SucceededJob) else None,
        progress=None if job.progress is None else job.progress.done,
        occurrence=_occurrence(job),
        parent=None if job.parent_id is None else str(job.parent_id),
    )


def _occurrence(job: StoredJob) -> tuple[str, int, int | None] | None:
    served = job.occurrence
    if served is None:
        return None
    before = None if served.previous is None else to_microseconds(served.previous)
    return served.recurrence.name, to_microseconds(served.at), before


def journal_records(journal: Path) -> JournalRecords:
    """Return the contents of a journal."""
    acknowledged, runs, snoozes = set[str](), list[Run](), Counter[str]()
    events, process_faults = Counter[tuple[str, ...]](), Counter[str]()
    left: dict[int, Mapping[str, Any]] = {}
    for what, *details in lines_of(journal):
        match what:
            case "stored":
                acknowledged.update(details)
            case "run":
                runs.append(Run(details[0], details[1]))
            case "snooze":
                snoozes.update(details)
            case "event":
                events[tuple(details)] += 1
            case "died" | "stopped" | "misbehaved":
                process_faults[f"{what}: {details[0]}"] += 1
            case "ended":
                left[details[0]] = details[1]
    return JournalRecords(acknowledged, runs, snoozes, events, left, process_faults)


def connections_left(settings: ProcessSettings) -> int:
    """Return how many connections of workers remain, once the server had time to close them."""
    if not settings.schema:
        return 0
    deadline = monotonic() + _PATIENCE
    while True:
        with psycopg.connect(settings.location, application_name="chaos") as connection:
            [[count]] = connection.execute(_CONNECTIONS).fetchall()
        if count == 0 or monotonic() > deadline:
            return int(count)
        sleep(0.05)


_CONNECTIONS = """
    select count(*) from pg_stat_activity
    where application_name = 'bgjobs' and datname = current_database()
"""


def deadlocks(settings: ProcessSettings) -> int:
    """Return how many deadlocks the server has found in the database, also before the phase."""
    if not settings.schema:
        return 0
    with psycopg.connect(settings.location, application_name="chaos") as connection:
        return count_deadlocks(connection)


def tracebacks(errors: str) -> list[str]:
    """Return the last line of each traceback in the stderr of processes."""
    return re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception|Group)\b.*$", errors, re.MULTILINE)
