"""How the cost of claiming, the rate of a drain and its memory grow with what is stored."""

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import final

from attrs import frozen

from benchmarks.databases.ports import Database, Population
from benchmarks.measures import claim
from benchmarks.processes.workers import run_first
from benchmarks.report.figures import Figure, table
from benchmarks.report.goals import WITHIN, Goal, Verdict
from benchmarks.systems.bgjobs import CONCURRENCY

BACKLOGS = (1_000, 20_000, 100_000)
MIDDLE = 100_000
"""The backlog with which names and history are varied."""
NAMES = (1, 10, 50)
MEASURED = 20_000
"""Jobs that are run of a backlog, or all if there are fewer."""
CLAIM_ROUNDS = 3
"""Each is short, and one alone is at the mercy of whatever else the machine does."""
RATE, MEMORY = "drain", "peak RSS"


@final
@frozen(kw_only=True)
class Wanted:
    """What is asked for."""

    backend: str
    rounds: int
    rows: int
    calls: int


@final
@frozen
class Series:
    """Populations of which only one side grows; the first is the smallest."""

    name: str
    populations: Sequence[Population]


@final
@frozen
class Grown:
    """Everything that was measured on one database."""

    figures: Sequence[Figure]
    report: str
    verdicts: Sequence[Verdict]


@final
@frozen
class Measured:
    """What the drains of one population gave, round by round."""

    rate: Figure
    memory: Figure


def measure(database: Database, wanted: Wanted) -> Grown:
    """Drain every population in every round; odd rounds go backwards."""
    series = _series(wanted.rows)
    everything = list(dict.fromkeys(chain(*(one.populations for one in series))))
    found = {one: _new(database, one) for one in everything}
    for number in range(wanted.rounds):
        for one in reversed(everything) if number % 2 else everything:
            print(f"{database.name}: {claim.text_of(one)}", file=sys.stderr, flush=True)
            _take(database, wanted.backend, one, found[one])
    claims = claim.measure(database, wanted.rows, CLAIM_ROUNDS, wanted.calls)
    verdicts = [verdict for one in series for verdict in _verdicts(database, one, found)]
    text = f"{database.name}, claims: at most so much dearer on the larger tables"
    verdicts.append(_verdict(text, claims.worst))
    rows = [[claim.text_of(one), found[one].rate.text, found[one].memory.text] for one in found]
    header = [f"{database.name}: drain of", "jobs/s", "peak RSS, MiB"]
    figures = [figure for one in found.values() for figure in (one.rate, one.memory)]
    report = f"{claims.report}\n\n{table(header, rows)}"
    return Grown([*figures, *claims.figures], report, verdicts)


def _series(rows: int) -> list[Series]:
    middle = min(MIDDLE, rows)
    backlogs = sorted({*(size for size in BACKLOGS if size < rows), rows})
    return [
        Series("backlog", [Population(waiting=size) for size in backlogs]),
        Series("names", [Population(waiting=middle, names=names) for names in NAMES]),
        Series("history", [Population(waiting=middle, finished=size) for size in (0, rows)]),
    ]


def _new(database: Database, population: Population) -> Measured:
    text = claim.text_of(population)
    return Measured(
        Figure(system=database.name, measure=f"{RATE}, {text}", unit="jobs/s"),
        Figure(system=database.name, measure=f"{MEMORY}, {text}", unit="MiB"),
    )


def _take(database: Database, backend: str, population: Population, into: Measured) -> None:
    options = {
        "backend": backend,
        "workers": population.worker_names,
        "concurrency": CONCURRENCY,
    }
    with database.place() as place:
        place.fill(population)
        wanted = min(MEASURED, population.waiting)
        ran = run_first(place, options, population.waiting, wanted)
    into.rate.values.append(ran.jobs_per_second)
    into.memory.values.append(ran.peak_rss)


def _verdicts(
    database: Database, series: Series, found: dict[Population, Measured]
) -> Iterator[Verdict]:
    # The first claim is not timed, and it is much of a small drain, so that seems fast.
    rates = [found[one].rate.median for one in series.populations if one.waiting >= MEASURED]
    peaks = [found[one].memory.median for one in series.populations]
    if len(rates) > 1:
        slower = rates[0] / min(rates)
        yield _verdict(
            f"{database.name}, {series.name}: a drain at most so much slower", slower
        )
    more = max(peaks) / peaks[0]
    yield _verdict(f"{database.name}, {series.name}: at most so much more memory", more)


def _verdict(text: str, ratio: float) -> Verdict:
    larger = (text, "larger")
    return Verdict(Goal(text=text, ours=larger, other=(text, "smallest"), most=WITHIN), ratio)
