"""How many jobs a second one process stores, and how many it runs."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import final

from attrs import frozen

from benchmarks.drain import measure_drain
from benchmarks.enqueueing import Way, by_thousands, concurrently, measure_enqueue, one_by_one
from benchmarks.places import Database
from benchmarks.report import Figure, table

CONCURRENCIES = (10, 100, 500)
ONE, TASKS, MANY = "enqueue one by one", "enqueue by 100 tasks", "enqueue_many by 1000"

Values = dict[tuple[str, str], float]
"""What one step found, by measure and unit."""


@final
@frozen
class Step:
    """One measurement on new tables."""

    system: str
    take: Callable[[], Values]


def measure(
    databases: Sequence[Database], backends: Sequence[str], jobs: int, rounds: int
) -> list[Figure]:
    """Take every measure in every round; odd rounds go backwards, so that drift evens out."""
    figures: dict[tuple[str, str], Figure] = {}
    steps = [one for database in databases for one in _steps(database, backends, jobs)]
    for number in range(rounds):
        for step in reversed(steps) if number % 2 else steps:
            for (name, unit), value in step.take().items():
                new = Figure(system=step.system, measure=name, unit=unit)
                figures.setdefault((step.system, name), new).values.append(value)
    return list(figures.values())


def report(figures: Sequence[Figure]) -> str:
    """Lay out all systems beside each other, the drain with its best number of slots."""
    systems = list(dict.fromkeys(figure.system for figure in figures))
    found = {(figure.system, figure.measure): figure for figure in figures}
    header = ["jobs/s", ONE, TASKS, MANY, "drain", "slots", "drain: CPU us/job"]
    overview = []
    for system in systems:
        best = max(CONCURRENCIES, key=lambda slots: found[system, _drain_name(slots)].median)
        enqueues = [found[system, name].text for name in (ONE, TASKS, MANY)]
        drain, cpu = (found[system, name].text for name in (_drain_name(best), _cpu_name(best)))
        overview.append([system, *enqueues, drain, str(best), cpu])
    sweep = [
        [system, *(found[system, _drain_name(slots)].text for slots in CONCURRENCIES)]
        for system in systems
    ]
    names = [_drain_name(slots) for slots in CONCURRENCIES]
    return f"{table(header, overview)}\n\n{table(['jobs/s', *names], sweep)}"


def _steps(database: Database, backends: Sequence[str], jobs: int) -> Iterator[Step]:
    ways: list[tuple[str, Way, int]] = [
        (ONE, one_by_one, max(1, jobs // 10)),
        (TASKS, concurrently, max(1, jobs // 2)),
        (MANY, by_thousands, jobs),
    ]
    for backend in backends:
        system = f"{database.name} {backend}"
        for name, way, count in ways:
            yield Step(system, partial(_enqueue, database, backend, name, way, count))
        for slots in CONCURRENCIES:
            yield Step(system, partial(_drain, database, backend, jobs, slots))


def _enqueue(database: Database, backend: str, name: str, way: Way, jobs: int) -> Values:
    with database.place() as place:
        return {(name, "jobs/s"): measure_enqueue(place, backend, jobs, way)}


def _drain(database: Database, backend: str, jobs: int, slots: int) -> Values:
    with database.place() as place:
        drained = measure_drain(place, backend, jobs, slots)
    return {
        (_drain_name(slots), "jobs/s"): drained.jobs_per_second,
        (_cpu_name(slots), "us/job"): drained.cpu_micros,
    }


def _drain_name(slots: int) -> str:
    return f"drain, {slots} slots"


def _cpu_name(slots: int) -> str:
    return f"CPU of drain, {slots} slots"
