"""``extras``: other handlers, more processes, lateness, progress, memory and idle cost."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from time import monotonic, monotonic_ns, sleep
from typing import Any, final

import anyio
from attrs import frozen

import bgjobs
from benchmarks.databases.ports import Database, Population, Tables
from benchmarks.databases.postgres import Postgres
from benchmarks.measures.reports import progress_reports
from benchmarks.processes.cpu import cpu_seconds_of
from benchmarks.processes.workers import (
    MIB,
    drain_all,
    rss_mib,
    worker_group,
)
from benchmarks.report import goals
from benchmarks.report.figures import Figure, quantile, scale_note, table, write_json
from benchmarks.systems.bgjobs import CONCURRENCY

SLOTS = (10, 100, 500)
PROCESSES = (1, 2, 4)
DRAIN, LARGE, SMALLER = 20_000, 1_000_000, 100_000
DELAYED, LONGEST_DELAY = 200, 4.0
"""The jobs whose lateness is measured, and the seconds within which they are due at random."""
REPORTING = 10.0
"""Seconds for which handlers report progress."""
IDLE, SETTLE = 30.0, 12.0
"""Seconds; PostgreSQL counts a statement up to ten seconds after it has ended."""
START_TIMEOUT = 60.0
WORKERS = Population(waiting=0).worker_names

Values = dict[str, tuple[float, str]]
"""The values and units that one step measured, by measure."""


@final
@frozen(kw_only=True)
class Options:
    """What is measured, and how often."""

    backends: Sequence[str]
    rounds: int
    scale: float = 1.0
    large: bool = False
    steps: Sequence[str] = ("",)
    """Prefixes of the titles of the steps."""

    def jobs(self, number: int) -> int:
        """Return the size of a drain, scaled."""
        return max(1000, round(number * self.scale))

    def seconds(self, number: float) -> float:
        """Return the length of a wait, scaled."""
        return number * min(1.0, max(0.05, self.scale))


@final
@frozen
class Step:
    """One measurement on new tables; `measure` gets the database and the event loop's name."""

    title: str
    measure: Callable[[Database, str], Values]


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    wanted = Options(
        backends=options.backends,
        rounds=options.rounds or 1,
        scale=options.scale,
        large=options.large,
        steps=options.steps,
    )
    figures = measure(databases, wanted)
    write_json(options.json, environment, figures, kind="extras", scale=options.scale)
    print(report(figures), end="\n\n")
    verdicts = goals.judge(goals.EXTRAS, figures)
    print(goals.goals_table(verdicts))
    print(scale_note(options.scale))
    return int(options.strict and goals.is_missed(verdicts))


def measure(databases: Sequence[Database], options: Options) -> list[Figure]:
    """Measure all steps in each round; odd rounds go backwards, which cancels drift."""
    todo = [
        (database, backend, step)
        for database in databases
        for backend in options.backends
        for step in steps(options)
        if step.title.startswith(tuple(options.steps))
    ]
    figures: dict[tuple[str, str], Figure] = {}
    for number in range(options.rounds):
        for database, backend, step in reversed(todo) if number % 2 else todo:
            system = goals.bgjobs_on(database.name, backend)
            print(f"round {number + 1}: {system}: {step.title}", file=sys.stderr, flush=True)
            for name, (value, unit) in step.measure(database, backend).items():
                new = Figure(system=system, measure=name, unit=unit)
                figures.setdefault((system, name), new).values.append(value)
    return list(figures.values())


def report(figures: Sequence[Figure]) -> str:
    """Return a table with a column for each system."""
    found = {(one.system, one.measure): one for one in figures}
    systems = list(dict.fromkeys(one.system for one in figures))
    units = {one.measure: one.unit for one in figures}
    rows = [
        [
            f"{name}, {unit}",
            *(found[one, name].text if (one, name) in found else "-" for one in systems),
        ]
        for name, unit in units.items()
    ]
    return table(["", *systems], rows)


def steps(options: Options) -> list[Step]:
    """Return all steps."""
    jobs = options.jobs(DRAIN)
    drains: dict[str, Mapping[str, Any]] = {
        **{f"drain by {slots} slots": {"concurrency": slots} for slots in SLOTS},
        "drain of 1 ms I/O": {"job": "io"},
        "drain of plain functions": {"job": "sync"},
        "drain with a listener": {"listener": True},
    }
    groups = {size: f"drain by {size} process{'es' * (size > 1)}" for size in PROCESSES}
    return [
        *(Step(title, partial(_drain, title, jobs, 1, more)) for title, more in drains.items()),
        *(Step(one, partial(_drain, one, 2 * jobs, size, {})) for size, one in groups.items()),
        Step("lateness", partial(_lateness, options)),
        Step("idleness", partial(_idleness, options)),
        Step("progress", partial(progress_reports, options.seconds(REPORTING))),
        Step("memory", partial(_memory, options.jobs(LARGE if options.large else SMALLER))),
    ]


def _settings(backend: str, **more: Any) -> Mapping[str, Any]:
    return {"backend": backend, "workers": WORKERS, "concurrency": CONCURRENCY, **more}


def _drain(
    title: str,
    jobs: int,
    size: int,
    more: Mapping[str, Any],
    database: Database,
    backend: str,
) -> Values:
    with database.tables() as tables:
        tables.fill(Population(waiting=jobs))
        drained = drain_all(tables, _settings(backend, **more), jobs, size)
    values = {
        title: (drained.jobs_per_second, "jobs/s"),
        f"CPU of {title}": (drained.cpu_micros, "us/job"),
    }
    if drained.server_cpu_micros:
        values[f"CPU of the server in {title}"] = (drained.server_cpu_micros, "us/job")
    return values


def _lateness(options: Options, database: Database, backend: str) -> Values:
    """Measure from the time when a job is due to the first statement of its handler."""
    with (
        database.tables() as tables,
        worker_group(tables, _settings(backend), DELAYED) as group,
    ):
        [one] = group.workers
        one.wait("ready", START_TIMEOUT)
        sleep(1.0)
        anyio.run(_enqueue_delayed, tables, options.seconds(LONGEST_DELAY))
        finished = one.wait("finished", START_TIMEOUT)
        [ended] = group.stop()
    if ended["repeated"]:
        raise AssertionError(f"{ended['repeated']} delayed jobs ran more than once")
    late = [nanos / 1e6 for nanos in finished["latencies"]]
    return {
        "lateness p50": (quantile(late, 0.50), "ms"),
        "lateness p99": (quantile(late, 0.99), "ms"),
    }


async def _enqueue_delayed(tables: Tables, longest: float) -> None:
    @bgjobs.worker(name=WORKERS[0])
    async def noop(i: int, t: int) -> None: ...

    random = Random(1)
    delays = [1 + longest * random.random() for _ in range(DELAYED)]
    async with bgjobs.run(bgjobs.Config(store=tables.store, enqueue_only=[noop])) as bg:
        now, ticks = datetime.now(UTC), monotonic_ns()
        await bg.enqueue_many(
            noop.request(i, ticks + round(delay * 1e9)).available_at(
                now + timedelta(seconds=delay)
            )
            for i, delay in enumerate(delays)
        )


def _idleness(options: Options, database: Database, backend: str) -> Values:
    """Measure a process whose queue is empty, in a database without other users."""
    with ExitStack() as stack:
        if isinstance(database, Postgres):
            database = stack.enter_context(database.separate())
        tables = stack.enter_context(database.tables())
        [one] = stack.enter_context(worker_group(tables, _settings(backend), 0)).workers
        one.wait("ready", START_TIMEOUT)
        sleep(options.seconds(SETTLE))
        counted, cpu, started = _transactions(database), cpu_seconds_of(one.pid), monotonic()
        sleep(options.seconds(IDLE))
        seconds = monotonic() - started
        cpu = cpu_seconds_of(one.pid) - cpu
        counted = _transactions(database) - counted
        values = {
            goals.IDLE_RSS: (rss_mib(one.pid), "MiB"),
            goals.IDLE_CPU: (cpu / seconds * 100, "%"),
        }
    if isinstance(database, Postgres):
        values[goals.IDLE_STATEMENTS] = (counted * 60 / seconds, "transactions/min")
    return values


def _transactions(database: Database) -> int:
    return database.transactions() if isinstance(database, Postgres) else 0


def _memory(jobs: int, database: Database, backend: str) -> Values:
    """Measure how far the peak memory of a draining worker is above that of an idle one."""
    settings = _settings(backend)
    with database.tables() as tables, worker_group(tables, settings, 0) as group:
        group.workers[0].wait("ready", START_TIMEOUT)
        sleep(1.0)
        idle = rss_mib(group.workers[0].pid)
    with database.tables() as tables:
        tables.fill(Population(waiting=jobs))
        growth = drain_all(tables, settings, jobs).peak_rss - idle
    title = f"RSS growth in a drain of {jobs:,}"
    return {title: (growth, "MiB"), "the same for a job": (growth * MIB / jobs, "bytes")}
