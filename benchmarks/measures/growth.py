"""``growth``: how claims, drains and memory grow with backlog, names and history."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import final

from attrs import frozen

from benchmarks.databases.ports import Database, Population
from benchmarks.measures import claim
from benchmarks.processes.workers import drain_first
from benchmarks.report.figures import Figure, table, write_json
from benchmarks.report.goals import GROWTH_LIMIT, Goal, Verdict, goals_table, is_missed
from benchmarks.systems.bgjobs import CONCURRENCY

BACKLOGS = (1_000, 20_000, 100_000)
MIDDLE = 100_000
"""The backlog with which names and history are varied."""
NAMES = (1, 10, 50)
MEASURED = 20_000
"""The jobs that are run of a backlog, or all if there are fewer."""
CLAIM_ROUNDS = 3
"""Several, because each is short and other work on the machine disturbs it."""
RATE, MEMORY = "drain", "peak RSS"


@final
@frozen(kw_only=True)
class Options:
    """What is measured, and how often."""

    backend: str
    rounds: int
    rows: int
    calls: int


@final
@frozen
class Series:
    """Populations that differ in one respect only; the first is the smallest."""

    name: str
    populations: Sequence[Population]


@final
@frozen
class Result:
    """The figures of one database."""

    figures: Sequence[Figure]
    report: str
    verdicts: Sequence[Verdict]


@final
@frozen
class Drains:
    """The drains of one population, with a value for each round."""

    rate: Figure
    memory: Figure


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    wanted = Options(
        backend=options.backends[0],
        rounds=options.rounds or 1,
        rows=options.rows,
        calls=options.calls,
    )
    results = [measure(database, wanted) for database in databases]
    figures = chain.from_iterable(one.figures for one in results)
    write_json(options.json, environment, figures, kind="growth")
    print("\n\n".join(one.report for one in results), end="\n\n")
    verdicts = [verdict for one in results for verdict in one.verdicts]
    print(goals_table(verdicts))
    return int(options.strict and is_missed(verdicts))


def measure(database: Database, options: Options) -> Result:
    """Drain each population in each round; odd rounds go backwards, which cancels drift."""
    series = _series(options.rows)
    populations = list(dict.fromkeys(chain(*(one.populations for one in series))))
    drains = {one: _new_drains(database, one) for one in populations}
    for number in range(options.rounds):
        for one in reversed(populations) if number % 2 else populations:
            print(f"{database.name}: {one}", file=sys.stderr, flush=True)
            _drain(database, options.backend, one, drains[one])
    claims = claim.measure(database, options.rows, CLAIM_ROUNDS, options.calls)
    verdicts = [verdict for one in series for verdict in _verdicts(database, one, drains)]
    text = f"{database.name}, claims: times the cost on the smallest tables"
    verdicts.append(_verdict(text, claims.worst))
    rows = [[f"{one}", drains[one].rate.text, drains[one].memory.text] for one in drains]
    header = [f"{database.name}: drain of", "jobs/s", "peak RSS, MiB"]
    figures = [figure for one in drains.values() for figure in (one.rate, one.memory)]
    report = f"{claims.report}\n\n{table(header, rows)}"
    return Result([*figures, *claims.figures], report, verdicts)


def _series(rows: int) -> list[Series]:
    middle = min(MIDDLE, rows)
    backlogs = sorted({*(size for size in BACKLOGS if size < rows), rows})
    return [
        Series("backlog", [Population(waiting=size) for size in backlogs]),
        Series("names", [Population(waiting=middle, names=names) for names in NAMES]),
        Series("history", [Population(waiting=middle, finished=size) for size in (0, rows)]),
    ]


def _new_drains(database: Database, population: Population) -> Drains:
    return Drains(
        Figure(system=database.name, measure=f"{RATE}, {population}", unit="jobs/s"),
        Figure(system=database.name, measure=f"{MEMORY}, {population}", unit="MiB"),
    )


def _drain(database: Database, backend: str, population: Population, drains: Drains) -> None:
    settings = {
        "backend": backend,
        "workers": population.worker_names,
        "concurrency": CONCURRENCY,
    }
    with database.tables() as tables:
        tables.fill(population)
        measured = min(MEASURED, population.waiting)
        drained = drain_first(tables, settings, population.waiting, measured)
    drains.rate.values.append(drained.jobs_per_second)
    drains.memory.values.append(drained.peak_rss)


def _verdicts(
    database: Database, series: Series, drains: Mapping[Population, Drains]
) -> Iterator[Verdict]:
    # The first claim is not timed; in a small drain it is so much that the rest looks fast.
    rates = [drains[one].rate.median for one in series.populations if one.waiting >= MEASURED]
    peaks = [drains[one].memory.median for one in series.populations]
    if len(rates) > 1:
        text = f"{database.name}, {series.name}: times the duration of a drain"
        yield _verdict(text, rates[0] / min(rates))
    text = f"{database.name}, {series.name}: times the memory"
    yield _verdict(text, max(peaks) / peaks[0])


def _verdict(text: str, ratio: float) -> Verdict:
    larger = (text, "larger")
    goal = Goal(text=text, ours=larger, other=(text, "smallest"), most=GROWTH_LIMIT)
    return Verdict(goal, ratio)
