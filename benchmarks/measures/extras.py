"""More of bgjobs: other handlers, more processes, lateness, memory, and what idleness costs."""

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

from benchmarks.databases.ports import Database, Place, Population
from benchmarks.databases.postgres import Postgres
from benchmarks.processes.watching import MIB, cpu_seconds_of, rss_mib
from benchmarks.processes.workers import crew, run_all
from benchmarks.report.figures import Figure, quantile, table
from benchmarks.report.goals import IDLE_CPU, IDLE_RSS, IDLE_STATEMENTS, ours
from benchmarks.systems.bgjobs import CONCURRENCY
from bgjobs import Config, run, worker

SLOTS = (10, 100, 500)
PROCESSES = 4
DRAIN, LARGE, SMALLER = 20_000, 1_000_000, 100_000
DELAYED, LONGEST_DELAY = 200, 4.0
"""Jobs whose lateness is measured, due at random instants within so many seconds."""
IDLE, SETTLING = 30.0, 12.0
"""Seconds; PostgreSQL counts a statement up to ten seconds after it has ended."""
STARTING = 60.0
WORKERS = Population(waiting=0).worker_names

Values = dict[str, tuple[float, str]]
"""What one step found: value and unit, by measure."""


@final
@frozen(kw_only=True)
class Wanted:
    """What is asked for."""

    backends: Sequence[str]
    rounds: int
    scale: float = 1.0
    large: bool = False
    steps: Sequence[str] = ("",)
    """How the titles begin of what is to be measured."""

    def jobs(self, number: int) -> int:
        """Make a drain smaller for a quick look."""
        return max(1000, round(number * self.scale))

    def seconds(self, number: float) -> float:
        """Make a wait shorter for a quick look."""
        return number * min(1.0, max(0.05, self.scale))


@final
@frozen
class Step:
    """One measurement on new tables."""

    title: str
    take: Callable[[Database, str], Values]


def measure(databases: Sequence[Database], wanted: Wanted) -> list[Figure]:
    """Take every measure in every round; odd rounds go backwards, so that drift evens out."""
    todo = [
        (database, backend, step)
        for database in databases
        for backend in wanted.backends
        for step in steps(wanted)
        if any(step.title.startswith(beginning) for beginning in wanted.steps)
    ]
    figures: dict[tuple[str, str], Figure] = {}
    for number in range(wanted.rounds):
        for database, backend, step in reversed(todo) if number % 2 else todo:
            system = ours(database.name, backend)
            print(f"round {number + 1}: {system}: {step.title}", file=sys.stderr, flush=True)
            for name, (value, unit) in step.take(database, backend).items():
                new = Figure(system=system, measure=name, unit=unit)
                figures.setdefault((system, name), new).values.append(value)
    return list(figures.values())


def report(figures: Sequence[Figure]) -> str:
    """Lay out all systems beside each other."""
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


def steps(wanted: Wanted) -> list[Step]:
    """Say what can be measured."""
    jobs = wanted.jobs(DRAIN)
    drains: dict[str, Mapping[str, Any]] = {
        **{f"drain by {slots} slots": {"concurrency": slots} for slots in SLOTS},
        "drain of 1 ms I/O": {"job": "io"},
        "drain of plain functions": {"job": "sync"},
        "drain with a listener": {"listener": True},
    }
    crowd = f"drain by {PROCESSES} processes"
    return [
        *(Step(title, partial(_drain, title, jobs, 1, more)) for title, more in drains.items()),
        Step(crowd, partial(_drain, crowd, 2 * jobs, PROCESSES, {})),
        Step("lateness", partial(_lateness, wanted)),
        Step("idleness", partial(_idleness, wanted)),
        Step("memory", partial(_memory, wanted.jobs(LARGE if wanted.large else SMALLER))),
    ]


def _options(backend: str, **more: Any) -> Mapping[str, Any]:
    return {"backend": backend, "workers": WORKERS, "concurrency": CONCURRENCY, **more}


def _drain(
    title: str,
    jobs: int,
    size: int,
    more: Mapping[str, Any],
    database: Database,
    backend: str,
) -> Values:
    with database.place() as place:
        place.fill(Population(waiting=jobs))
        ran = run_all(place, _options(backend, **more), jobs, size)
    cpu = (ran.cpu_micros, "us/job")
    return {title: (ran.jobs_per_second, "jobs/s"), f"CPU of {title}": cpu}


def _lateness(wanted: Wanted, database: Database, backend: str) -> Values:
    """From the instant that a job is due to the first statement of its handler."""
    with database.place() as place, crew(place, _options(backend), DELAYED) as workers:
        [one] = workers.workers
        one.wait("ready", STARTING)
        sleep(1.0)
        anyio.run(_enqueue_delayed, place, wanted.seconds(LONGEST_DELAY))
        found = one.wait("all", STARTING)
        [told] = workers.ends()
    if told["again"]:
        raise AssertionError(f"{told['again']} delayed jobs ran more than once")
    late = [nanos / 1e6 for nanos in found["late"]]
    return {
        "lateness p50": (quantile(late, 0.50), "ms"),
        "lateness p99": (quantile(late, 0.99), "ms"),
    }


async def _enqueue_delayed(place: Place, longest: float) -> None:
    @worker(name=WORKERS[0])
    async def noop(i: int, t: int) -> None: ...

    random = Random(1)
    delays = [1 + longest * random.random() for _ in range(DELAYED)]
    async with run(Config(store=place.store, enqueue_only=[noop])) as bg:
        now, ticks = datetime.now(UTC), monotonic_ns()
        await bg.enqueue_many(
            noop.request(i, ticks + round(delay * 1e9)).available_at(
                now + timedelta(seconds=delay)
            )
            for i, delay in enumerate(delays)
        )


def _idleness(wanted: Wanted, database: Database, backend: str) -> Values:
    """What a process costs whose queue has nothing to do, in a database of its own."""
    with ExitStack() as stack:
        if isinstance(database, Postgres):
            database = stack.enter_context(database.apart())
        place = stack.enter_context(database.place())
        [one] = stack.enter_context(crew(place, _options(backend), 0)).workers
        one.wait("ready", STARTING)
        sleep(wanted.seconds(SETTLING))
        counted, cpu, started = _transactions(database), cpu_seconds_of(one.pid), monotonic()
        sleep(wanted.seconds(IDLE))
        seconds = monotonic() - started
        cpu = cpu_seconds_of(one.pid) - cpu
        counted = _transactions(database) - counted
        values = {
            IDLE_RSS: (rss_mib(one.pid), "MiB"),
            IDLE_CPU: (cpu / seconds * 100, "%"),
        }
    if isinstance(database, Postgres):
        values[IDLE_STATEMENTS] = (counted * 60 / seconds, "transactions/min")
    return values


def _transactions(database: Database) -> int:
    return database.transactions() if isinstance(database, Postgres) else 0


def _memory(jobs: int, database: Database, backend: str) -> Values:
    """How much more a worker takes at most while it drains than when it has nothing to do."""
    with database.place() as place, crew(place, _options(backend), 0) as workers:
        workers.workers[0].wait("ready", STARTING)
        sleep(1.0)
        idle = rss_mib(workers.workers[0].pid)
    with database.place() as place:
        place.fill(Population(waiting=jobs))
        growth = run_all(place, _options(backend), jobs).peak_rss - idle
    title = f"RSS growth in a drain of {jobs:,}"
    return {title: (growth, "MiB"), "the same for a job": (growth * MIB / jobs, "bytes")}
