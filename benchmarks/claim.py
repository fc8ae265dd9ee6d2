"""What it costs to reserve jobs, and that this does not grow with what is stored."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import product
from time import perf_counter
from typing import final
from uuid import UUID

from attrs import field, frozen

from benchmarks.places import Database, Place, Population
from benchmarks.report import Figure, table
from benchmarks.workload import opened
from bgjobs.ids import new_id
from bgjobs.jobs import Job
from bgjobs.settlements import Requeue
from bgjobs.stores.abc import Owner

FEW = 1000
"""Waiting jobs in the populations that the others are compared with."""
MANY_NAMES = 50
LIMITS = (1, 10, 100)
WARM_UP = 3
LEASE = timedelta(hours=6)
FLAT = 2.0
"""By how much a reserve may be slower than with few rows."""


@final
@frozen
class Stand:
    """Full tables, open for reserving."""

    place: Place
    population: Population
    owner: UUID
    values: dict[int, list[float]] = field(factory=lambda: {limit: [] for limit in LIMITS})
    """Microseconds of single calls, by limit."""


@final
@frozen
class Claims:
    """Everything that was measured on one database."""

    database: str
    figures: Sequence[Figure]
    report: str
    worst: float
    """The largest ratio to few rows."""


def measure(database: Database, many: int, rounds: int, calls: int) -> Claims:
    """Fill all populations, then take turns between them, so that drift evens out."""
    with ExitStack() as stack:
        stands = [stack.enter_context(_stand(database, one)) for one in populations(many)]
        for number in range(rounds):
            for stand in reversed(stands) if number % 2 else stands:
                _take(stand, calls)
        plans = _plans(stands)
    figures = list(_figures(database.name, stands))
    ratios = {
        (stand.population, limit): _ratio(stand, limit, stands)
        for stand in stands
        for limit in LIMITS
    }
    report = f"{_table(database.name, stands, ratios)}\n\n{plans}"
    return Claims(database.name, figures, report, max(ratios.values()))


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
        place.fill(population)
        with opened(place) as store:
            owner = Owner(new_id(), "bench", "bench")
            store.open_owner(owner, LEASE)
            yield Stand(place, population, owner.id)


def _take(stand: Stand, calls: int) -> None:
    stand.place.tidy()
    for limit in LIMITS:
        for _ in range(WARM_UP):
            _reserve(stand, limit)
        stand.values[limit].extend(_reserve(stand, limit) for _ in range(calls))


def _reserve(stand: Stand, limit: int) -> float:
    """Take the time of one call; what it got is given back outside of it."""
    store, names = stand.place.store, stand.population.worker_names
    started = perf_counter()
    jobs = store.reserve(stand.owner, names, limit)
    taken = (perf_counter() - started) * 1e6
    if len(jobs) != limit:
        raise AssertionError(f"expected {limit} jobs, found {len(jobs)}")
    if store.write(settle=[_given_back(job) for job in jobs]).lost:
        raise AssertionError("a reservation was lost")
    return taken


def _given_back(job: Job) -> Requeue:
    return Requeue(reservation=job.reservation, attempts=0, crashes=0, interruptions=0)


def _figures(system: str, stands: Sequence[Stand]) -> Iterator[Figure]:
    for stand in stands:
        for limit, values in stand.values.items():
            measure = f"reserve {limit}, {_text(stand.population)}"
            yield Figure(system=system, measure=measure, unit="us", values=values)


def _ratio(stand: Stand, limit: int, stands: Sequence[Stand]) -> float:
    few = Population(waiting=FEW, names=stand.population.names)
    [basis] = [one for one in stands if one.population == few]
    return _median(stand, limit) / _median(basis, limit)


def _median(stand: Stand, limit: int) -> float:
    return Figure(system="", measure="", unit="", values=stand.values[limit]).median


def _table(
    system: str, stands: Sequence[Stand], ratios: dict[tuple[Population, int], float]
) -> str:
    header = [f"{system}: us for each reserve", "limit 1", "limit 10", "limit 100"]
    rows = [
        [
            _text(stand.population),
            *(
                f"{_median(stand, limit):,.0f} (x{ratios[stand.population, limit]:.2f})"
                for limit in LIMITS
            ),
        ]
        for stand in stands
    ]
    return table(header, rows)


def _text(population: Population) -> str:
    parts = [f"{population.waiting:,} waiting", f"{population.names} names"]
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
        users.setdefault(shape, []).append(_text(stand.population))
    return "\n\n".join(
        f"Plan for {'; '.join(users[shape])}:\n{plan}" for shape, plan in examples.items()
    )


def _shape(plan: str) -> str:
    """Leave the figures out of a plan."""
    counted = ("Buffers:", "Execution Time:", "Planning Time:", "Rows Removed", "Heap Fetches:")
    lines = [line for line in plan.splitlines() if not line.strip().startswith(counted)]
    return "\n".join(re.sub(r"\(.*\)|\d+", "", line) for line in lines)
