"""``held``: what an open transaction elsewhere costs, while many jobs end.

PostgreSQL keeps the rows of ended jobs until no open transaction can see them. Each drain is
timed without and with such a transaction, in alternation, and so is a single `reserve` behind
the ended jobs: from the start, and after the last job that was reserved.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from statistics import median
from time import perf_counter
from uuid import UUID, uuid4

from benchmarks.databases.ports import Database, Population, Tables, opened
from benchmarks.processes.workers import drain_all
from benchmarks.report import goals
from benchmarks.report.figures import Figure, scale_note, table, write_json
from benchmarks.report.goals import Goal
from benchmarks.systems.bgjobs import CONCURRENCY
from bgjobs import Job, Store
from bgjobs._core.settlements import Succeed
from bgjobs.stores.types import FROM_THE_START, Owner, Position

JOBS, LEFT, BATCH = 200_000, 2_000, 1_000
LIMITS = (1, 100)
CALLS = 9
LEASE = timedelta(hours=6)
FREE, HELD = "", " beside an open transaction"
DRAIN = "drain"
NAME = Population(waiting=1).worker_names[0]


def measure_goals(systems: Sequence[str]) -> list[Goal]:
    """Return the goals for each of these stores."""
    drains = [
        Goal(
            text=f"{one}, {DRAIN}{HELD}",
            ours=(one, DRAIN + HELD),
            other=(one, DRAIN),
            least=0.8,
        )
        for one in systems
    ]
    calls = [
        Goal(
            text=f"{one}, {_reserve(limit)}{HELD}",
            ours=(one, _reserve(limit) + HELD),
            other=(one, _reserve(limit)),
            most=2.0,
        )
        for one in systems
        for limit in LIMITS
    ]
    return [*drains, *calls]


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    jobs = max(LEFT, round(JOBS * options.scale))
    figures: dict[tuple[str, str], Figure] = {}
    for number in range(options.rounds or 3):
        for database in databases:
            for held in (HELD, FREE) if number % 2 else (FREE, HELD):
                print(f"{database.name}: {DRAIN}{held}", file=sys.stderr, flush=True)
                _measure(database, options.backends[0], jobs, held, figures)
    found = list(figures.values())
    write_json(options.json, environment, found, kind="held", scale=options.scale)
    rows = [[one.system, f"{one.measure}, {one.unit}", one.text] for one in found]
    print(f"{jobs:,} jobs\n\n{table(['', '', 'median (least-most)'], rows)}", end="\n\n")
    verdicts = goals.judge(measure_goals([one.name for one in databases]), found)
    print(goals.goals_table(verdicts))
    print(scale_note(options.scale))
    return int(options.strict and goals.is_missed(verdicts))


def _measure(
    database: Database,
    backend: str,
    jobs: int,
    held: str,
    figures: dict[tuple[str, str], Figure],
) -> None:
    settings = {"backend": backend, "workers": [NAME], "concurrency": CONCURRENCY}
    values: dict[str, tuple[float, str]] = {}
    with database.tables() as tables:
        tables.fill(Population(waiting=jobs))
        tables.analyze()
        with _held(tables, held):
            values[DRAIN] = (drain_all(tables, settings, jobs).jobs_per_second, "jobs/s")
    with database.tables() as tables:
        tables.fill(Population(waiting=jobs + LEFT))
        tables.analyze()
        with _held(tables, held), opened(tables) as store:
            values |= _calls(store, jobs)
    for name, (value, unit) in values.items():
        new = Figure(system=database.name, measure=name + held, unit=unit)
        figures.setdefault((database.name, name + held), new).values.append(value)


def _held(tables: Tables, held: str) -> AbstractContextManager[None]:
    return tables.open_transaction() if held else nullcontext()


def _calls(store: Store, jobs: int) -> dict[str, tuple[float, str]]:
    """Return the milliseconds of `reserve` behind so many ended jobs."""
    owner = Owner(uuid4(), "bench", "bench")
    store.open_owner(owner, LEASE)
    ended, last = 0, list[Job]()
    while ended < jobs:
        last = _end(store, store.reserve(owner.id, [NAME], min(BATCH, jobs - ended)))
        ended += len(last)
    after = {NAME: Position(last[-1].available_at, last[-1].id)}
    found = {}
    for limit in LIMITS:
        for title, positions in (
            (_reserve(limit), after),
            (_from_start(limit), FROM_THE_START),
        ):
            taken = [_reserve_once(store, owner.id, limit, positions) for _ in range(CALLS)]
            found[title] = (median(taken) * 1000, "ms")
    return found


def _reserve_once(
    store: Store, owner: UUID, limit: int, after: Mapping[str, Position]
) -> float:
    started = perf_counter()
    jobs = store.reserve(owner, [NAME], limit, after=after)
    taken = perf_counter() - started
    _end(store, jobs)
    return taken


def _end(store: Store, jobs: Sequence[Job]) -> list[Job]:
    store.write(settle=[Succeed(job.reservation) for job in jobs])
    return list(jobs)


def _reserve(limit: int) -> str:
    return f"reserve of {limit}"


def _from_start(limit: int) -> str:
    return f"reserve of {limit} from the start"
