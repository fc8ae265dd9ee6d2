"""``activity``: what it costs a drain that the ends and the durations of runs are counted.

The same jobs are drained in alternating pairs, by a process that counts them and by one in
which what counts and what writes the counts does nothing (`benchmarks.processes.uncounted`).
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

from benchmarks.databases.ports import Database, Population
from benchmarks.measures.guard import BASE, HEAD, RATE, Comparison
from benchmarks.processes.workers import drain_all
from benchmarks.report.figures import Figure, scale_note, table, write_json
from benchmarks.systems.bgjobs import CONCURRENCY

JOBS, ROUNDS = 100_000, 10
"""So many that counts are written during a drain, every `Config.heartbeat_interval` seconds."""
TOLERANCE = 0.02
VERDICTS = {"not slower": "met", "SLOWER": "MISSED"}
SIDES = {BASE: "without", HEAD: "with"}


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    rounds, jobs = options.rounds or ROUNDS, round(JOBS * options.scale)
    compared = [
        comparison
        for one in databases
        for comparison in measure(one, options.backends[0], rounds, jobs)
    ]
    figures = [figure for one in compared for figure in (one.base, one.head)]
    write_json(options.json, environment, figures, kind="activity", scale=options.scale)
    print(f"Median (min-max) of {rounds} pairs of drains of {jobs:,} jobs", end="\n\n")
    print(report(compared))
    print(scale_note(options.scale))
    return int(options.strict and any(_verdict(one) == "MISSED" for one in compared))


def measure(database: Database, backend: str, rounds: int, jobs: int) -> Sequence[Comparison]:
    """Drain with and without activity in each round; odd rounds go backwards."""
    rates, costs = (
        {
            side: Figure(system=database.name, measure=f"{measure}, {name} activity", unit=unit)
            for side, name in SIDES.items()
        }
        for measure, unit in (("drain", RATE), ("CPU of a drain", "us/job"))
    )
    for number in range(rounds):
        print(f"{database.name}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for side in reversed(SIDES) if number % 2 else SIDES:
            rate, cost = _drain(database, backend, jobs, counted=side == HEAD)
            rates[side].values.append(rate)
            costs[side].values.append(cost)
    return [Comparison(database.name, one[BASE], one[HEAD]) for one in (rates, costs)]


def _drain(
    database: Database, backend: str, jobs: int, *, counted: bool
) -> tuple[float, float]:
    population = Population(waiting=jobs)
    settings = {
        "backend": backend,
        "workers": population.worker_names,
        "concurrency": CONCURRENCY,
        "counted": counted,
    }
    with database.tables() as tables:
        tables.fill(population)
        drained = drain_all(tables, settings, jobs)
    return drained.jobs_per_second, drained.cpu_micros


def report(compared: Sequence[Comparison]) -> str:
    """Return a table with a row for each figure."""
    ratio = "time, with / without (95 %)"
    header = ("measure", "unit", "without", "with", ratio, f"<= {1 + TOLERANCE:g}")
    rows = [
        (
            f"{one.store}, {one.head.measure.partition(',')[0]}",
            one.head.unit,
            one.base.text,
            one.head.text,
            f"{one.ratio.middle:.3f} ({one.ratio.low:.3f}-{one.ratio.high:.3f})",
            _verdict(one),
        )
        for one in compared
    ]
    return table(header, rows)


def _verdict(one: Comparison) -> str:
    found = one.verdict(TOLERANCE)
    return VERDICTS.get(found, found)
