"""What open browsers cost: at rest, and beside a drain."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import final

from attrs import frozen

from benchmarks.databases.ports import Database, Population, Tables
from benchmarks.databases.postgres import Postgres
from benchmarks.measures.guard import paired_ratio
from benchmarks.processes.cpu import cpu_seconds_of, cpu_seconds_of_all, is_postgres
from benchmarks.processes.parameters import Parameters
from benchmarks.processes.parent import Process, ProcessTimeoutError, child
from benchmarks.processes.workers import drain_all
from benchmarks.report.figures import Figure, table
from benchmarks.report.goals import Goal, Verdict, judge
from benchmarks.systems.bgjobs import CONCURRENCY
from benchmarks.systems.registry import BGJOBS

BROWSERS = 50
AT_REST = (0, 1, BROWSERS)
SETTLE, REST = 5.0, 60.0
"""Seconds before and of each measurement; a minute has one examination of the database."""
JOBS = 100_000
"""The jobs of a drain, which lasts several polls of the page, and as many that have ended."""
START_TIMEOUT = 60.0
CPU, CALLS, DATABASE_CPU = "CPU of the server", "calls of the store", "CPU of the database"
RATE, RATE_BESIDE = "drain", f"drain beside {BROWSERS} browsers"
CPU_GOAL, RATE_GOAL = 5.0, 0.95
SHARED_GOAL = 2.0
"""Without a shared poll, it would be `BROWSERS`; polls that take long are few, and vary."""


@final
@frozen
class Rest:
    """What a server of the page costs while nothing happens."""

    browsers: int
    cpu: float
    """Percent of a core."""
    database_cpu: float
    calls: int
    """The calls of the store."""

    @property
    def cells(self) -> Sequence[str]:
        """A row of the table."""
        found = f"{self.cpu:.2f}", f"{self.database_cpu:.2f}", f"{self.calls}"
        return [f"{self.browsers}", *found]


@contextmanager
def _serving(tables: Tables, backend: str, browsers: int) -> Iterator[Process]:
    """Serve the page, with open browsers, in processes of their own."""
    with TemporaryDirectory(prefix="bgjobs-bench-") as folder, ExitStack() as stack:
        address = tables.address
        parameters = Parameters(
            module=BGJOBS,
            options={**address.options, "backend": backend},
            dsn=address.dsn,
            database=address.database,
            folder=folder,
        )
        errors = parameters.errors
        served = stack.enter_context(
            child(_command("web_server", parameters.to_json()), errors)
        )
        port = served.wait("ready", START_TIMEOUT)["port"]
        if browsers:
            command = _command("browsers", f"{port}", f"{browsers}")
            opened = stack.enter_context(child(command, Path(folder, "browsers.txt")))
            opened.wait("ready", START_TIMEOUT)
        yield served


def _command(module: str, *arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", f"benchmarks.processes.{module}", *arguments]


def measure_rest(
    database: Database, tables: Tables, backend: str, scale: float
) -> Sequence[Rest]:
    """Measure the server with no browser, one, and many."""
    return [_rest(database, tables, backend, browsers, scale) for browsers in AT_REST]


def _rest(
    database: Database, tables: Tables, backend: str, browsers: int, scale: float
) -> Rest:
    print(f"{database.name}: {browsers} browsers at rest", file=sys.stderr, flush=True)
    with _serving(tables, backend, browsers) as server:
        _calls(server, SETTLE * scale)
        backends = _backends(database)
        cpu, of_database, started = (
            cpu_seconds_of(server.pid),
            cpu_seconds_of_all(backends),
            monotonic(),
        )
        calls = _calls(server, REST * scale)
        seconds = monotonic() - started
        cpu = cpu_seconds_of(server.pid) - cpu
        of_database = cpu_seconds_of_all(backends & _backends(database)) - of_database
    share = 100 / seconds
    return Rest(browsers, cpu * share, max(0.0, of_database) * share, calls)


def _calls(server: Process, seconds: float) -> int:
    """Return how many calls of the store a server reports until so many seconds have passed."""
    end, calls = monotonic() + seconds, 0
    while True:
        try:
            server.wait("call", end - monotonic())
        except ProcessTimeoutError:
            return calls
        calls += 1


def _backends(database: Database) -> frozenset[int]:
    """Return the processes of PostgreSQL that run on this machine; none for SQLite."""
    found = database.backends() if isinstance(database, Postgres) else ()
    return frozenset(pid for pid in found if is_postgres(pid))


def rest_table(database: Database, found: Sequence[Rest]) -> str:
    """Return a table with a row for each number of browsers."""
    header = [
        f"{database.name}: browsers at rest",
        *("CPU of the server, %", "of the database, %", "calls of the store"),
    ]
    return table(header, [one.cells for one in found])


def rest_figures(database: Database, found: Sequence[Rest]) -> Iterator[Figure]:
    """Yield the figures of a server at rest."""
    for one in found:
        for measure, unit, value in (
            (CPU, "%", one.cpu),
            (DATABASE_CPU, "%", one.database_cpu),
            (CALLS, "calls", float(one.calls)),
        ):
            name = f"{measure}, {one.browsers} browsers"
            yield Figure(system=database.name, measure=name, unit=unit, values=[value])


def measure_drains(
    database: Database, backend: str, rounds: int, scale: float
) -> Sequence[Figure]:
    """Drain with and without open browsers in each round; odd rounds go backwards."""
    figures = {
        browsers: Figure(system=database.name, measure=measure, unit="jobs/s")
        for browsers, measure in ((0, RATE), (BROWSERS, RATE_BESIDE))
    }
    for number in range(rounds):
        print(f"{database.name}: drains, round {number + 1}", file=sys.stderr, flush=True)
        for browsers in reversed(figures) if number % 2 else figures:
            rate = _drain(database, backend, browsers, round(JOBS * scale))
            figures[browsers].values.append(rate)
    return list(figures.values())


def _drain(database: Database, backend: str, browsers: int, jobs: int) -> float:
    population = Population(waiting=jobs, finished=jobs)
    settings = {
        "backend": backend,
        "workers": population.worker_names,
        "concurrency": CONCURRENCY,
    }
    with database.tables() as tables, ExitStack() as stack:
        tables.fill(population)
        if browsers:
            stack.enter_context(_serving(tables, backend, browsers))
        return drain_all(tables, settings, jobs).jobs_per_second


def drains_table(database: Database, drains: Sequence[Figure]) -> str:
    """Return a table with a row for each kind of drain, and the noise of their ratio."""
    alone, beside = drains
    ratio = paired_ratio(beside.values, alone.values)
    found = f"{ratio.middle:.3f} ({ratio.low:.3f}-{ratio.high:.3f})"
    header = [f"{database.name}: drain", "jobs/s", "pair by pair (95 %)"]
    rows = [[alone.measure, alone.text, "-"], [beside.measure, beside.text, found]]
    return table(header, rows)


def browser_verdicts(database: Database, figures: Sequence[Figure]) -> Sequence[Verdict]:
    """Judge the cost of the browsers."""
    name = database.name
    at_rest = f"{CPU}, {BROWSERS} browsers"
    goals = (
        Goal(text=f"{name}, {at_rest}, %", ours=(name, at_rest), most=CPU_GOAL),
        Goal(
            text=f"{name}, calls of the store, {BROWSERS} browsers beside 1",
            ours=(name, f"{CALLS}, {BROWSERS} browsers"),
            other=(name, f"{CALLS}, 1 browsers"),
            most=SHARED_GOAL,
        ),
        Goal(
            text=f"{name}, {RATE_BESIDE} beside none",
            ours=(name, RATE_BESIDE),
            other=(name, RATE),
            least=RATE_GOAL,
        ),
    )
    return judge(goals, figures)
