"""``claim``: what a reserve costs, which must not grow with the stored rows or the names."""

import argparse
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import chain, product
from statistics import median
from time import perf_counter
from typing import Any, final
from uuid import UUID, uuid4

from attrs import evolve, field, frozen

from benchmarks.databases.ports import Database, Population, Tables, opened
from benchmarks.databases.postgres import PostgresTables
from benchmarks.report.figures import Figure, table, write_json
from bgjobs import Job
from bgjobs._core.settlements import Requeue
from bgjobs.stores.postgres.statements import Dialect
from bgjobs.stores.sqlite import codec as sqlite_codec
from bgjobs.stores.types import Owner

FEW = 1000
"""Waiting jobs in the populations that the others are compared with."""
MANY_NAMES = 50
LIMITS = (1, 10, 100)
RESERVE, RETURN = "reserve", "give back"
VERBS = (RESERVE, RETURN)
"""Both must stay flat; a retry puts a job back like this."""
WARM_UP = 3
LEASE = timedelta(hours=6)
FLAT = 2.0
"""The largest ratio of a call to one with few rows or with one name."""

Ratios = dict[tuple[Population, str, int], float]
"""The cost of a call relative to another population, by population, verb and number of jobs."""


@final
@frozen
class Scenario:
    """Filled tables and an owner that reserves from them."""

    tables: Tables
    population: Population
    owner: UUID
    values: dict[tuple[str, int], list[float]] = field(factory=lambda: defaultdict(list))
    """Microseconds of single calls, by verb and number of jobs."""


@final
@frozen
class Result:
    """The figures of one database."""

    database: str
    figures: Sequence[Figure]
    report: str
    worst: float
    """The largest ratio to few rows, or of a reserve to one name."""


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    rounds = options.rounds or 5
    print(
        f"Median of {rounds * options.calls} calls, and the ratio to {FEW:,} "
        f"waiting jobs, none finished, of as many names",
        end="\n\n",
    )
    results = []
    for database in databases:
        results.append(measure(database, options.rows, rounds, options.calls))
        print(results[-1].report, end="\n\n")
    figures = chain.from_iterable(one.figures for one in results)
    write_json(options.json, environment, figures, kind="claim")
    for one in results:
        verdict = "flat" if one.worst <= FLAT else f"NOT within {FLAT:g}x"
        print(f"{one.database}: {verdict}, the largest ratio is {one.worst:.2f}")
    return int(options.strict and any(one.worst > FLAT for one in results))


def measure(database: Database, many: int, rounds: int, calls: int) -> Result:
    """Fill all populations, then measure them call by call in turn, which cancels drift."""
    with ExitStack() as stack:
        scenarios = [stack.enter_context(_scenario(database, one)) for one in populations(many)]
        for number in range(rounds):
            _measure_round(scenarios[::-1] if number % 2 else scenarios, calls)
        plans = _plans(scenarios)
    figures = list(_figures(database.name, scenarios))
    to_few, to_one = _ratios(scenarios, _with_few_rows), _ratios(scenarios, _with_one_name)
    tables = (_table(database.name, scenarios, to_few), _names_table(database.name, to_one))
    # Jobs of many names are put back into as many places of the index, by any statement.
    reserves = [ratio for (_, verb, _), ratio in to_one.items() if verb == RESERVE]
    worst = max(*to_few.values(), *reserves)
    return Result(database.name, figures, "\n\n".join((*tables, plans)), worst)


def populations(many: int) -> list[Population]:
    """Cross few and many waiting jobs, one name and many, and ended jobs; then delayed ones."""
    crossed = [
        Population(waiting=waiting, names=names, finished=finished)
        for names, finished, waiting in product((1, MANY_NAMES), (0, many), (FEW, many))
    ]
    delayed = [Population(waiting=FEW, names=names, delayed=many) for names in (1, MANY_NAMES)]
    return [*crossed, *delayed]


@contextmanager
def _scenario(database: Database, population: Population) -> Iterator[Scenario]:
    with database.tables() as tables:
        tables.disable_autovacuum()
        tables.fill(population)
        with opened(tables) as store:
            owner = Owner(uuid4(), "bench", "bench")
            store.open_owner(owner, LEASE)
            yield Scenario(tables, population, owner.id)


def _measure_round(scenarios: Sequence[Scenario], calls: int) -> None:
    for scenario in scenarios:
        scenario.tables.analyze()
    for limit in LIMITS:
        for number in range(-WARM_UP, calls):
            for scenario in scenarios:
                taken = _call(scenario, limit)
                if number >= 0:
                    for verb, micros in zip(VERBS, taken, strict=True):
                        scenario.values[verb, limit].append(micros)


def _call(scenario: Scenario, limit: int) -> tuple[float, float]:
    """Reserve jobs and put them back; return the microseconds of each of the two."""
    store, names = scenario.tables.store, scenario.population.worker_names
    started = perf_counter()
    jobs = store.reserve(scenario.owner, names, limit)
    reserved = perf_counter()
    settlements = [_requeue(job) for job in jobs]
    returning = perf_counter()
    written = store.write(settle=settlements)
    returned = perf_counter()
    if len(jobs) != limit or written.lost:
        raise AssertionError(f"expected {limit} jobs, found {len(jobs)}, {written.lost} lost")
    return (reserved - started) * 1e6, (returned - returning) * 1e6


def _requeue(job: Job) -> Requeue:
    return Requeue(reservation=job.reservation, attempts=0, crashes=0, interruptions=0)


def _figures(system: str, scenarios: Sequence[Scenario]) -> Iterator[Figure]:
    for scenario in scenarios:
        for (verb, limit), values in scenario.values.items():
            measure = f"{verb} {limit}, {scenario.population}"
            yield Figure(system=system, measure=measure, unit="us", values=values)


def _with_few_rows(population: Population) -> Population:
    return Population(waiting=FEW, names=population.names)


def _with_one_name(population: Population) -> Population:
    return evolve(population, names=1)


def _ratios(scenarios: Sequence[Scenario], other: Callable[[Population], Population]) -> Ratios:
    basis = {scenario.population: scenario for scenario in scenarios}
    return {
        (scenario.population, *key): median(values)
        / median(basis[other(scenario.population)].values[key])
        for scenario in scenarios
        for key, values in scenario.values.items()
    }


def _table(system: str, scenarios: Sequence[Scenario], ratios: Ratios) -> str:
    keys = list(product(VERBS, LIMITS))
    header = [f"{system}: us a call", *(f"{verb} {limit}" for verb, limit in keys)]
    rows = [[f"{one.population}", *_cells(one, keys, ratios)] for one in scenarios]
    return table(header, rows)


def _names_table(system: str, ratios: Ratios) -> str:
    keys = list(product(VERBS, LIMITS))
    header = [f"{system}: to 1 name", *(f"{verb} {limit}" for verb, limit in keys)]
    many = dict.fromkeys(population for population, _, _ in ratios if population.names > 1)
    rows = [[f"{one}", *(f"x{ratios[one, *key]:.2f}" for key in keys)] for one in many]
    return table(header, rows)


def _cells(scenario: Scenario, keys: list[tuple[str, int]], ratios: Ratios) -> Iterator[str]:
    for key in keys:
        ratio = ratios[scenario.population, *key]
        yield f"{median(scenario.values[key]):,.0f} (x{ratio:.2f})"


def _plans(scenarios: Sequence[Scenario]) -> str:
    """Return the query plans of all reserves; plans of the same shape are printed once."""
    examples: dict[str, str] = {}
    users: dict[str, list[str]] = {}
    for scenario in scenarios:
        plan = _plan(scenario)
        shape = _shape(plan)
        examples.setdefault(shape, plan)
        users.setdefault(shape, []).append(f"{scenario.population}")
    return "\n\n".join(
        f"Plan for {'; '.join(users[shape])}:\n{plan}" for shape, plan in examples.items()
    )


def _plan(scenario: Scenario) -> str:
    """Return the query plan of a reserve."""
    tables, names = scenario.tables, scenario.population.worker_names
    values: dict[str, Any] = {"limit": max(LIMITS), "now": None}
    if isinstance(tables, PostgresTables):
        statement = Dialect(tables.schema, "benchmark", prepared_statements=False)["reserve"]
        values |= {"owner": scenario.owner, "names": names, "after": [], "after_ids": []}
        return tables.explain(statement, values)
    [text, *_] = sqlite_codec.statements("bgjobs_")["find_due"]
    owner, encoded = str(scenario.owner), sqlite_codec.names_json(names)
    return tables.explain(text, {**values, "owner": owner, "names": encoded, "now": 0})


def _shape(plan: str) -> str:
    """Return a query plan without its figures."""
    counted = ("Buffers:", "Execution Time:", "Planning Time:", "Rows Removed", "Heap Fetches:")
    lines = [line for line in plan.splitlines() if not line.strip().startswith(counted)]
    return "\n".join(re.sub(r"\(.*\)|\d+", "", line) for line in lines)
