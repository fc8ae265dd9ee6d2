"""The command line: ``python -m benchmarks``."""

import argparse
import logging
import shlex
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import benchmarks
from benchmarks import smoke
from benchmarks.databases.ports import Database
from benchmarks.databases.postgres import postgres
from benchmarks.databases.sqlite import sqlite
from benchmarks.measures import (
    activity,
    claim,
    compare,
    extras,
    growth,
    guard,
    held,
    lone,
    nurseries,
    operators,
    schedules,
    web,
)
from benchmarks.processes.parameters import METRICS
from benchmarks.report.figures import machine, show_environment
from benchmarks.systems.registry import POSTGRES, SQLITE, SYSTEMS, select

STORES: Mapping[str, Callable[[], AbstractContextManager[Database]]] = {
    SQLITE: sqlite,
    POSTGRES: postgres,
}
SUBCOMMANDS: Mapping[
    str, Callable[[argparse.Namespace, Sequence[Database], Mapping[str, str]], int]
] = {
    "compare": compare.run,
    "extras": extras.run,
    "growth": growth.run,
    "claim": claim.run,
    "operators": operators.run,
    "web": web.run,
    "activity": activity.run,
    "lone": lone.run,
    "held": held.run,
    "nurseries": nurseries.run,
    "schedules": schedules.run,
    "guard": guard.run,
}
REPORT = "report"
SMOKE = "smoke"
BACKENDS = ("trio", "asyncio")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit code."""
    options = parser().parse_args(arguments)
    # Every opening of a store would warn of an old SQLite, whose version is in the report.
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    if options.subcommand == REPORT:
        return compare.run_report(options)
    if options.subcommand == SMOKE:
        return smoke.run(options, main)
    with ExitStack() as stack:
        databases = [stack.enter_context(STORES[name]()) for name in needed_stores(options)]
        environment = machine() | {"command": command(options.subcommand, arguments)}
        for database in databases:
            environment |= database.environment
        show_environment(environment)
        return SUBCOMMANDS[options.subcommand](options, databases, environment)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the options."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("subcommand", nargs="?", choices=[*SUBCOMMANDS, REPORT, SMOKE], default="compare")
    add(
        "target",
        nargs="?",
        metavar="FILE|BASE|MEASURE",
        help="report: the JSON file of a comparison; guard: the commit to compare with; "
        "smoke: the only measure to run",
    )
    add(
        "--rounds",
        type=_count,
        help="default: 1 of extras, growth and operators, 2 of web (6 of its drains), "
        "3 of compare and held, 10 of activity, 15 of guard, else 5",
    )
    names = [one.name for one in SYSTEMS]
    add(
        "--only",
        type=_some_of(names, str.startswith),
        default=names,
        metavar="SYSTEM,...",
        help=f"compare and smoke: names or prefixes of systems: {', '.join(names)}",
    )
    add(
        "--metrics",
        type=_some_of(METRICS),
        default=METRICS,
        metavar="METRIC,...",
        help=f"compare and guard: some of {', '.join(METRICS)}",
    )
    add("--scale", type=float, default=1.0, help="0.1 does a tenth of the work")
    add(
        "--stores",
        type=_some_of(STORES),
        default=list(STORES),
        help="all except compare: sqlite,postgres",
    )
    add(
        "--backends",
        type=_some_of(BACKENDS),
        default=BACKENDS,
        help="extras: trio,asyncio; growth, web, activity and guard use the first one",
    )
    titles = [one.title for one in extras.steps(extras.Options(backends=BACKENDS, rounds=1))]
    add(
        "--steps",
        type=_some_of(titles, str.startswith),
        default=titles,
        metavar="STEP,...",
        help=f"extras: titles or prefixes of steps: {', '.join(titles)}",
    )
    add("--large", action="store_true", help="extras: drain 1,000,000 jobs for the memory")
    add(
        "--rows",
        type=_count,
        default=1_000_000,
        help="claim, growth, operators and web: many rows",
    )
    add(
        "--calls",
        type=_count,
        default=20,
        help="claim, growth, operators, web, schedules: calls in a round",
    )
    add(
        "--tolerance",
        type=float,
        default=3.0,
        metavar="PERCENT",
        help="guard: a slowdown up to this is not a failure",
    )
    add(
        "--strict",
        action="store_true",
        help="exit with 1 when a goal is missed; guard: also when a verdict is undecided",
    )
    add("--json", type=_new_file, metavar="FILE", help="write the figures to this file, too")
    add("--chart", type=_new_file, metavar="FILE.svg", help="compare and report: draw a chart")
    return made


def needed_stores(options: argparse.Namespace) -> list[str]:
    """Return the databases that the subcommand needs."""
    if options.subcommand == "schedules":
        return []
    if options.subcommand == "compare":
        needed = {one.store for one in select(options.only)}
        return [store for store in STORES if store in needed]
    return list(options.stores)


def command(subcommand: str, arguments: Sequence[str] | None) -> str:
    """Return the command that repeats this run."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    named = [] if subcommand in given else [subcommand]
    return shlex.join(["python", "-m", "benchmarks", *named, *given])


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number


def _new_file(text: str) -> Path:
    file = Path(text)
    if not file.resolve().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{file.resolve().parent} is not a folder")
    return file


def _some_of(
    known: Collection[str], fits: Callable[[str, str], bool] = str.__eq__
) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if not name or not any(fits(one, name) for one in known):
                raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}")
        return names

    return parse


def _stop(number: int, _: object) -> None:
    """Exit by an exception, so that servers and folders are removed."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main())
