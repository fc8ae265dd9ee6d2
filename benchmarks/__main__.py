"""The command line: ``python -m benchmarks [first|claim|schedules] [options]``."""

import argparse
import logging
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from benchmarks import claim, first, schedules
from benchmarks.facts import machine_facts
from benchmarks.places import Database
from benchmarks.postgres_places import postgres
from benchmarks.report import as_rows, write_json
from benchmarks.sqlite_places import sqlite

STORES: Mapping[str, Callable[[], AbstractContextManager[Database]]] = {
    "sqlite": sqlite,
    "postgres": postgres,
}
BACKENDS = ("trio", "asyncio")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that is asked for and give the exit code."""
    options = _parser().parse_args(arguments)
    # Every opening of a store would warn of an old SQLite; the table says which one it is.
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    with ExitStack() as stack:
        stores = [] if options.what == "schedules" else options.stores
        databases = [stack.enter_context(STORES[name]()) for name in stores]
        facts = machine_facts()
        for database in databases:
            facts |= database.facts
        print("\n".join(f"{name}: {text}" for name, text in facts.items()), end="\n\n")
        benchmark = BENCHMARKS[options.what]
        return benchmark(options, databases, facts)


def run_first(
    options: argparse.Namespace, databases: Sequence[Database], facts: dict[str, str]
) -> int:
    """Measure how many jobs are stored and run in a second."""
    figures = first.measure(databases, options.backends, options.jobs, options.rounds)
    print(f"{options.jobs:,} jobs, median (min-max) of {options.rounds} rounds", end="\n\n")
    print(first.report(figures))
    write_json(options.json, facts, as_rows(figures))
    return 0


def run_claim(
    options: argparse.Namespace, databases: Sequence[Database], facts: dict[str, str]
) -> int:
    """Measure what a reserve costs on small and large tables."""
    print(
        f"Median of {options.rounds * options.calls} calls, and the ratio to {claim.FEW:,} "
        f"waiting jobs, none finished, of as many names",
        end="\n\n",
    )
    found = []
    for database in databases:
        found.append(claim.measure(database, options.rows, options.rounds, options.calls))
        print(found[-1].report, end="\n\n")
    write_json(options.json, facts, as_rows(f for one in found for f in one.figures))
    for one in found:
        verdict = "flat" if one.worst <= claim.FLAT else f"NOT within {claim.FLAT:g}x"
        print(f"{one.database}: {verdict}, the largest ratio is {one.worst:.2f}")
    return int(options.strict and any(one.worst > claim.FLAT for one in found))


def run_schedules(
    options: argparse.Namespace, _: Sequence[Database], facts: dict[str, str]
) -> int:
    """Measure what it costs to find the next occurrence; no database has to do with it."""
    found = schedules.measure(options.rounds, options.calls)
    print(
        f"Median of {schedules.SCHEDULES} schedules, {options.rounds} rounds of "
        f"{options.calls} calls; how many times faster we are, in the median per schedule",
        end="\n\n",
    )
    print(schedules.report(found), end="\n\n")
    write_json(options.json, facts, as_rows(found.figures))
    print("\n".join(f"MISSED: {miss}" for miss in found.misses) or "All goals are met.")
    return int(options.strict and bool(found.misses))


BENCHMARKS = {"first": run_first, "claim": run_claim, "schedules": run_schedules}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=list(BENCHMARKS), default="first")
    parser.add_argument("--stores", type=_list_of(STORES), default=list(STORES))
    parser.add_argument("--backends", type=_list_of(BACKENDS), default=list(BACKENDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=20_000, help="of first: jobs in a drain")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of claim: many rows")
    parser.add_argument(
        "--calls", type=int, default=20, help="of claim and schedules: in a round"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit 1 when a claim is not flat, or schedules are slow",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser


def _list_of(known: Collection[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}")
        return names

    return parse


if __name__ == "__main__":
    sys.exit(main())
