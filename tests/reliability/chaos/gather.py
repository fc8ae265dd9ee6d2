"""Reads what a storm has left behind, in the database, in the journal and among processes."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from time import sleep
from typing import Any, final
from uuid import UUID

import psycopg
from attrs import field, frozen

import bgjobs
from bgjobs._core.jobs import StoredJob
from bgjobs._core.timestamps import to_microseconds
from bgjobs.stores.pages import Page
from tests.reliability.chaos import audit
from tests.reliability.chaos.checks import Effect, Fate, Run
from tests.reliability.chaos.handlers import EFFECTS
from tests.reliability.chaos.journal import lines_of
from tests.reliability.chaos.orders import moment
from tests.reliability.chaos.producer import SALES, key_of
from tests.reliability.chaos.storm_orders import Orders

_PAGE = 1000
_PATIENCE = 5.0
"""Seconds in which a server notices that its clients are gone."""


@final
@frozen
class Rows:
    """What the database has."""

    fates: Sequence[Fate]
    entries: Sequence[audit.Entry]
    effects: Sequence[Effect]
    sales: Collection[str]
    living: Collection[int]
    """The processes whose queues are recorded as owners, whether their leases live or not."""


@final
@frozen
class Told:
    """What the processes wrote down."""

    acknowledged: Collection[str]
    runs: Sequence[Run]
    snoozes: Mapping[str, int]
    heard: Mapping[tuple[str, ...], int] = field(factory=dict[tuple[str, ...], int])
    """Events of the library, with their details, and how often they were told."""
    left: Mapping[int, Mapping[str, Any]] = field(factory=dict[int, Mapping[str, Any]])
    """The tasks, threads and files that processes had left when they ended in order."""
    harm: Mapping[str, int] = field(factory=dict[str, int])
    """What processes did to themselves and to others, and how often."""


def rows(orders: Orders) -> Rows:
    """Read all tables."""
    store = orders.store()
    store.open()
    connection = orders.database.connect()
    try:
        effects = connection.execute(f"select job, number from {orders.table(EFFECTS)}")
        sales = connection.execute(f"select key from {orders.table(SALES)}")
        return Rows(
            list(_fates(store)),
            audit.entries(connection, orders),
            [Effect(*row) for row in effects.fetchall()],
            {key for (key,) in sales.fetchall()},
            {int(node.rpartition(":")[2]) for node in _nodes(connection, orders)},
        )
    finally:
        connection.close()
        store.close()


def unfinished(connection: Any, orders: Orders) -> int:
    """Count the jobs that wait or run, but for those of a schedule."""
    table = orders.table("jobs") if orders.schema else "bgjobs_jobs"
    query = f"select count(*) from {table} where occurrence is null or reserved_by is not null"
    [found] = connection.execute(query).fetchone()
    return int(found)


def _nodes(connection: Any, orders: Orders) -> list[str]:
    table = orders.table("owners") if orders.schema else "bgjobs_owners"
    return [node for (node,) in connection.execute(f"select node from {table}").fetchall()]


def _fates(store: bgjobs.Store) -> Iterator[Fate]:
    for state, read in (
        ("waiting", store.get_enqueued),
        ("reserved", store.get_running),
        ("succeeded", store.get_succeeded),
        ("failed", store.get_failed),
    ):
        after: UUID | None = None
        while jobs := read(None, Page(_PAGE, after)):
            yield from (_fate(job, state) for job in jobs)
            after = jobs[-1].id


def _fate(job: StoredJob, state: str) -> Fate:
    return Fate(
        id=str(job.id),
        name=job.name,
        state=state,
        key=key_of(job.payload) if job.occurrence is None else "",
        number=job.reservations,
        attempts=job.attempts,
        crashes=job.crashes,
        interruptions=job.interruptions,
        error=job.error if isinstance(job, bgjobs.FailedJob) else "",
        occurrence=_occurrence(job),
    )


def _occurrence(job: StoredJob) -> tuple[str, int, int | None] | None:
    served = job.occurrence
    if served is None:
        return None
    before = None if served.previous is None else to_microseconds(served.previous)
    return served.recurrence.name, to_microseconds(served.at), before


def told(journal: Path) -> Told:
    """Read the journal."""
    acknowledged, runs, snoozes = set[str](), list[Run](), Counter[str]()
    heard, harm = Counter[tuple[str, ...]](), Counter[str]()
    left: dict[int, Mapping[str, Any]] = {}
    for what, *details in lines_of(journal):
        match what:
            case "stored":
                acknowledged.update(details)
            case "run":
                runs.append(Run(details[0], details[1]))
            case "snooze":
                snoozes.update(details)
            case "heard":
                heard[tuple(details)] += 1
            case "died" | "stopped" | "struck":
                harm[f"{what}: {details[0]}"] += 1
            case "ended":
                left[details[0]] = details[1]
    return Told(acknowledged, runs, snoozes, heard, left, harm)


def connections_left(orders: Orders) -> int:
    """Count the connections that workers left, once the server had time to see their end."""
    if not orders.schema:
        return 0
    deadline = moment() + _PATIENCE
    while True:
        with psycopg.connect(orders.place, application_name="storm") as connection:
            [[count]] = connection.execute(_CONNECTIONS).fetchall()
        if count == 0 or moment() > deadline:
            return int(count)
        sleep(0.05)


_CONNECTIONS = """
    select count(*) from pg_stat_activity
    where application_name = 'bgjobs' and datname = current_database()
"""


def tracebacks(errors: str) -> list[str]:
    """Give the last lines of all tracebacks that processes wrote."""
    return re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception|Group)\b.*$", errors, re.MULTILINE)
