"""``lone``: what one enqueue costs beyond the commit of a bare insert, step by step.

One process makes four kinds of calls in alternation, in a random order: an insert into the same
table on a connection of its own, `Store.write` of one job, the same through a store thread, and
`bg.enqueue`. So the share of each step holds even where the disk and the machine do not keep
still.
"""

import argparse
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from random import Random
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import anyio
import psycopg
from anyio.lowlevel import checkpoint
from psycopg import sql

import bgjobs
from benchmarks.databases.ports import Database, Tables
from benchmarks.databases.postgres import PostgresTables
from benchmarks.report import goals
from benchmarks.report.figures import Figure, table, write_json
from benchmarks.report.goals import Goal
from benchmarks.systems.registry import POSTGRES, SQLITE
from bgjobs._core.ids import new_id
from bgjobs.stores.types import NewJob

ROUNDS, CALLS, WARM_UP = 5, 100, 20
BARE, WRITE, THREAD, ENQUEUE = "bare insert", "store.write", "in a store thread", "bg.enqueue"
STEPS = (BARE, WRITE, THREAD, ENQUEUE)
LEAST: Mapping[str, float] = {SQLITE: 0.62, POSTGRES: 0.70}
"""The least share of `bg.enqueue` that the bare insert takes, by store."""
COLUMNS = "(id, name, payload, priority, created_at, available_at)"
NAME, PAYLOAD = "noop", '{"i":1,"t":0}'

Insert = Callable[[UUID], object]
Call = Callable[[], Awaitable[object]]


@bgjobs.worker
async def noop(i: int, t: int) -> None:
    """Do nothing; no queue runs it."""


def measure_goals(systems: Mapping[str, str]) -> Sequence[Goal]:
    """Return the goals; `systems` has the store of each."""
    return [
        Goal(
            text=f"{system}: {BARE} in us beside {ENQUEUE}",
            ours=(system, BARE),
            other=(system, ENQUEUE),
            least=LEAST[store],
        )
        for system, store in systems.items()
    ]


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    figures: dict[tuple[str, str], Figure] = {}
    systems = {
        goals.bgjobs_on(database.name, backend): (database, backend)
        for database in databases
        for backend in options.backends
    }
    calls = max(5, round(CALLS * options.scale))
    for number in range(options.rounds or ROUNDS):
        for system, (database, backend) in systems.items():
            print(f"round {number + 1}: {system}", file=sys.stderr, flush=True)
            for step, value in _measured(database, backend, calls).items():
                new = Figure(system=system, measure=step, unit="us")
                figures.setdefault((system, step), new).values.append(value)
    write_json(options.json, environment, figures.values(), kind="lone", scale=options.scale)
    print(_table(systems, figures), end="\n\n")
    stores = {system: database.name for system, (database, _) in systems.items()}
    verdicts = goals.judge(measure_goals(stores), [*figures.values()])
    print(goals.goals_table(verdicts))
    return int(options.strict and goals.is_missed(verdicts))


def _table(systems: Sequence[str] | Mapping[str, Any], figures: Mapping[Any, Figure]) -> str:
    header = ("system", "step", "us a call", "more than the step before", "share of bare")
    return table(header, [row for system in systems for row in _rows(system, figures)])


def _rows(system: str, figures: Mapping[Any, Figure]) -> Iterator[tuple[str, ...]]:
    bare = before = figures[system, BARE].median
    for step in STEPS:
        found = figures[system, step]
        more = f"{found.median - before:+,.0f}" if step != BARE else ""
        yield system, step, found.text, more, f"{bare / found.median:.2f}"
        before = found.median


def _measured(database: Database, backend: str, calls: int) -> Mapping[str, float]:
    """Return the median of each step in microseconds."""
    with database.tables() as tables, _insert(tables) as insert:
        return anyio.run(_alternate, tables.store, insert, calls, backend=backend)


async def _alternate(store: bgjobs.Store, insert: Insert, calls: int) -> Mapping[str, float]:
    random = Random(calls)
    async with bgjobs.run(bgjobs.Config(store=store, enqueue_only=[noop])) as bg:
        steps = list(_steps(bg, store, insert).items())
        taken: dict[str, list[float]] = {step: [] for step in STEPS}
        for number in range(-WARM_UP, calls):
            random.shuffle(steps)
            for step, call in steps:
                micros = await _micros(call)
                if number >= 0:
                    taken[step].append(micros)
    return {step: median(values) for step, values in taken.items()}


def _steps(bg: bgjobs.BgJobs, store: bgjobs.Store, insert: Insert) -> dict[str, Call]:
    once = bg._services.dispatch.once  # noqa: SLF001 - the store thread has no public name

    async def bare() -> None:
        insert(new_id())

    async def write() -> None:
        store.write([_new()])

    async def in_thread() -> None:
        await once(store.write, [_new()])

    async def enqueue() -> None:
        await bg.enqueue(noop.request(1, 0))

    return {BARE: bare, WRITE: write, THREAD: in_thread, ENQUEUE: enqueue}


def _new() -> NewJob:
    return NewJob(new_id(), noop.request(1, 0))


async def _micros(call: Call) -> float:
    started = perf_counter()
    await call()
    taken = (perf_counter() - started) * 1e6
    await checkpoint()
    return taken


@contextmanager
def _insert(tables: Tables) -> Iterator[Insert]:
    """Yield a function that commits one row on a connection of its own."""
    if isinstance(tables, PostgresTables):
        statement = sql.SQL(f"insert into {{}} {COLUMNS} values (%s, %s, %s, 0, now(), now())")
        insert = statement.format(sql.Identifier(tables.schema, "jobs"))
        with psycopg.connect(tables.address.dsn, autocommit=True) as connection:
            connection.prepare_threshold = 0
            yield lambda job: connection.execute(insert, (job, NAME, PAYLOAD))
        return
    with closing(sqlite3.connect(tables.address.options["path"], isolation_level=None)) as raw:
        raw.execute("pragma synchronous = full")
        raw.execute("pragma wal_autocheckpoint = 0")  # bgjobs checkpoints
        yield partial(_insert_row, raw)


def _insert_row(raw: sqlite3.Connection, job: UUID) -> None:
    now = time.time_ns() // 1000
    values = (str(job), NAME, PAYLOAD, now, now)
    raw.execute(f"insert into bgjobs_jobs {COLUMNS} values (?, ?, ?, 0, ?, ?)", values)
