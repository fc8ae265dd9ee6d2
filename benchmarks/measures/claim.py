"""What it costs to reserve jobs: this grows neither with what is stored nor with the names."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import product
from statistics import median
from time import perf_counter
from typing import final
from uuid import UUID

from attrs import evolve, field, frozen

from benchmarks.databases.ports import Database, Place, Population
from benchmarks.databases.workload import opened
from benchmarks.report.figures import Figure, table
from bgjobs.ids import new_id
from bgjobs.jobs import Job
from bgjobs.settlements import Requeue
from bgjobs.stores.abc import Owner

FEW = 1000
"""Waiting jobs in the populations that the others are compared with."""
MANY_NAMES = 50
LIMITS = (1, 10, 100)
RESERVE, GIVE_BACK = "reserve", "give back"
VERBS = (RESERVE, GIVE_BACK)
"""Both must stay flat; a retry is a job that is given back."""
WARM_UP = 3
LEASE = timedelta(hours=6)
FLAT = 2.0
"""By how much a call may be slower than with few rows or with one name."""


Ratios = dict[tuple[Population, str, int], float]
"""How a call compares with another population, by population, verb and number of jobs."""


@final
@frozen
class Stand:
    """Full tables, open for reserving."""

    place: Place
    population: Population
    owner: UUID
    values: dict[tuple[str, int], list[float]] = field(factory=lambda: defaultdict(list))
    """Microseconds of single calls, by verb and number of jobs."""


@final
@frozen
class Claims:
    """Everything that was measured on one database."""

    database: str
    figures: Sequence[Figure]
    report: str
    worst: float
    """The largest ratio to few rows, or of a reserve to one name."""


def measure(database: Database, many: int, rounds: int, calls: int) -> Claims:
    """Fill all populations, then measure call by call in turn, so that drift evens out."""
    with ExitStack() as stack:
        stands = [stack.enter_context(_stand(database, one)) for one in populations(many)]
        for number in range(rounds):
            _take(stands[::-1] if number % 2 else stands, calls)
        plans = _plans(stands)
    figures = list(_figures(database.name, stands))
    to_few, to_one = _ratios(stands, _with_few_rows), _ratios(stands, _with_one_name)
    tables = (_table(database.name, stands, to_few), _names_table(database.name, to_one))
    # To give back to many names changes the index in as many places, whatever the statement.
    reserves = [ratio for (_, verb, _), ratio in to_one.items() if verb == RESERVE]
    worst = max(*to_few.values(), *reserves)
    return Claims(database.name, figures, "\n\n".join((*tables, plans)), worst)


def populations(many: int) -> list[Population]:
    """Cross few and many waiting jobs, one name and many, and ended jobs; then delayed ones."""
    crossed = [
        Population(waiting=waiting, names=names, finished=finished)
        for names, finished, waiting in product((1, MANY_NAMES), (0, many), (FEW, many))
    ]
    delayed = [Population(waiting=FEW, names=names, delayed=many) for names in (1, MANY_NAMES)]
    return [*crossed, *delayed]


@contextmanager
def _stand(database: Database, population: Population) -> Iterator[Stand]:
    with database.place() as place:
        place.hold_still()
        place.fill(population)
        with opened(place) as store:
            owner = Owner(new_id(), "bench", "bench")
            store.open_owner(owner, LEASE)
            yield Stand(place, population, owner.id)


def _take(stands: Sequence[Stand], calls: int) -> None:
    for stand in stands:
        stand.place.tidy()
    for limit in LIMITS:
        for number in range(-WARM_UP, calls):
            for stand in stands:
                taken = _call(stand, limit)
                if number >= 0:
                    for verb, micros in zip(VERBS, taken, strict=True):
                        stand.values[verb, limit].append(micros)


def _call(stand: Stand, limit: int) -> tuple[float, float]:
    """Reserve jobs and give them back; says how many microseconds each of the two took."""
    store, names = stand.place.store, stand.population.worker_names
    started = perf_counter()
    jobs = store.reserve(stand.owner, names, limit)
    reserved = perf_counter()
    settlements = [_given_back(job) for job in jobs]
    giving_back = perf_counter()
    written = store.write(settle=settlements)
    given_back = perf_counter()
    if len(jobs) != limit or written.lost:
        raise AssertionError(f"expected {limit} jobs, found {len(jobs)}, {written.lost} lost")
    return (reserved - started) * 1e6, (given_back - giving_back) * 1e6


def _given_back(job: Job) -> Requeue:
    return Requeue(reservation=job.reservation, attempts=0, crashes=0, interruptions=0)


def _figures(system: str, stands: Sequence[Stand]) -> Iterator[Figure]:
    for stand in stands:
        for (verb, limit), values in stand.values.items():
            measure = f"{verb} {limit}, {text_of(stand.population)}"
            yield Figure(system=system, measure=measure, unit="us", values=values)


def _with_few_rows(population: Population) -> Population:
    return Population(waiting=FEW, names=population.names)


def _with_one_name(population: Population) -> Population:
    return evolve(population, names=1)


def _ratios(stands: Sequence[Stand], other: Callable[[Population], Population]) -> Ratios:
    basis = {stand.population: stand for stand in stands}
    return {
        (stand.population, *key): median(values)
        / median(basis[other(stand.population)].values[key])
        for stand in stands
        for key, values in stand.values.items()
    }


def _table(system: str, stands: Sequence[Stand], ratios: Ratios) -> str:
    keys = list(product(VERBS, LIMITS))
    header = [f"{system}: us a call", *(f"{verb} {limit}" for verb, limit in keys)]
    rows = [[text_of(stand.population), *_cells(stand, keys, ratios)] for stand in stands]
    return table(header, rows)


def _names_table(system: str, ratios: Ratios) -> str:
    keys = list(product(VERBS, LIMITS))
    header = [f"{system}: to 1 name", *(f"{verb} {limit}" for verb, limit in keys)]
    many = dict.fromkeys(population for population, _, _ in ratios if population.names > 1)
    rows = [[text_of(one), *(f"x{ratios[one, *key]:.2f}" for key in keys)] for one in many]
    return table(header, rows)


def _cells(stand: Stand, keys: list[tuple[str, int]], ratios: Ratios) -> Iterator[str]:
    for key in keys:
        yield f"{median(stand.values[key]):,.0f} (x{ratios[stand.population, *key]:.2f})"


def text_of(population: Population) -> str:
    parts = [
        f"{population.waiting:,} waiting",
        "1 name" if population.names == 1 else f"{population.names} names",
    ]
    if population.finished:
        parts.append(f"{population.finished:,} finished")
    if population.delayed:
        parts.append(f"{population.delayed:,} delayed")
    return ", ".join(parts)


def _plans(stands: Sequence[Stand]) -> str:
    """Explain the reserve on every population; a plan of the same shape stands once."""
    examples: dict[str, str] = {}
    users: dict[str, list[str]] = {}
    for stand in stands:
        plan = stand.place.plan(stand.owner, stand.population.worker_names, max(LIMITS))
        shape = _shape(plan)
        examples.setdefault(shape, plan)
        users.setdefault(shape, []).append(text_of(stand.population))
    return "\n\n".join(
        f"Plan for {'; '.join(users[shape])}:\n{plan}" for shape, plan in examples.items()
    )


def _shape(plan: str) -> str:
    """Leave the figures out of a plan."""
    counted = ("Buffers:", "Execution Time:", "Planning Time:", "Rows Removed", "Heap Fetches:")
    lines = [line for line in plan.splitlines() if not line.strip().startswith(counted)]
    return "\n".join(re.sub(r"\(.*\)|\d+", "", line) for line in lines)
