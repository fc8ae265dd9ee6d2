"""The command line: ``python -m benchmarks``, and what is to be measured."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from benchmarks.command_line import REPORT, command, parser, stores
from benchmarks.databases.ports import Database
from benchmarks.databases.postgres import Postgres, postgres
from benchmarks.databases.sqlite import sqlite
from benchmarks.measures import claim, compare, extras, growth, guard, operators, schedules
from benchmarks.processes.parent import GoneError
from benchmarks.report import chart, goals
from benchmarks.report.comparison_table import comparison
from benchmarks.report.facts import machine_facts
from benchmarks.report.figures import Figure, as_rows, read_json, write_json
from benchmarks.systems.registry import POSTGRES, SQLITE, chosen

STORES: Mapping[str, Callable[[], AbstractContextManager[Database]]] = {
    SQLITE: sqlite,
    POSTGRES: postgres,
}
Facts = dict[str, str]
Databases = Sequence[Database]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark that is asked for and give the exit code."""
    options = parser().parse_args(arguments)
    # Every opening of a store would warn of an old SQLite; the table says which one it is.
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    if options.what == REPORT:
        return run_report(options)
    with ExitStack() as stack:
        databases = [stack.enter_context(STORES[name]()) for name in stores(options)]
        facts = machine_facts() | {"command": command(options.what, arguments)}
        for database in databases:
            facts |= database.facts
        print("\n".join(f"{name}: {text}" for name, text in facts.items()), end="\n\n")
        return BENCHMARKS[options.what](options, databases, facts)


def run_compare(options: argparse.Namespace, databases: Databases, facts: Facts) -> int:
    """Measure bgjobs beside other libraries, and beside what the databases can do."""
    wanted = compare.Wanted(
        systems=chosen(options.only),
        rounds=options.rounds or 3,
        metrics=options.metrics,
        scale=options.scale,
    )
    found = compare.measure(wanted, _server(databases))
    figures = list(found.figures.values())
    told = {
        "kind": "compare",
        "scale": options.scale,
        "rounds": wanted.rounds,
        "systems": found.configs,
        "missing": found.missing,
    }
    write_json(options.json, facts, as_rows(figures), **told)
    missed = _show_comparison(options, {"facts": facts, **told}, figures)
    for text in found.refused:
        print(f"REFUSED: {text}", file=sys.stderr)
    return int(bool(found.refused) or missed)


def run_report(options: argparse.Namespace) -> int:
    """Show again what an earlier comparison has written."""
    if options.of is None:
        raise SystemExit("report: expected the JSON file of an earlier run")
    found, figures = read_json(Path(options.of))
    if found.get("kind") != "compare":
        raise SystemExit(f"{options.of}: expected a file of `compare`")
    print("\n".join(f"{name}: {text}" for name, text in found["facts"].items()), end="\n\n")
    return int(_show_comparison(options, found, figures))


def _show_comparison(
    options: argparse.Namespace, found: Mapping[str, Any], figures: Sequence[Figure]
) -> bool:
    """Print the tables and draw the chart; says whether a goal was missed that counts."""
    print(f"Median (min-max) of {found['rounds']} rounds, in alternation", end="\n\n")
    print(comparison(figures, found["systems"]), end="\n\n")
    for system, why in found["missing"].items():
        print(f"{system}: {why}")
    verdicts = goals.judge(goals.COMPARE, figures)
    print(goals.goals_table(verdicts))
    print(_warning(found["scale"]))
    if options.chart is not None:
        options.chart.write_text(chart.draw(found, figures), "utf-8")
    return options.strict and goals.is_missed(verdicts)


def run_extras(options: argparse.Namespace, databases: Databases, facts: Facts) -> int:
    """Measure bgjobs alone: more processes, other handlers, memory, idleness."""
    wanted = extras.Wanted(
        backends=options.backends,
        rounds=options.rounds or 1,
        scale=options.scale,
        large=options.large,
        steps=options.steps,
    )
    figures = extras.measure(databases, wanted)
    write_json(options.json, facts, as_rows(figures), kind="extras", scale=options.scale)
    print(extras.report(figures), end="\n\n")
    verdicts = goals.judge(goals.EXTRAS, figures)
    print(goals.goals_table(verdicts))
    print(_warning(options.scale))
    return int(options.strict and goals.is_missed(verdicts))


def run_growth(options: argparse.Namespace, databases: Databases, facts: Facts) -> int:
    """Measure how costs grow with the backlog, the names and the history."""
    wanted = growth.Wanted(
        backend=options.backends[0],
        rounds=options.rounds or 1,
        rows=options.rows,
        calls=options.calls,
    )
    found = [growth.measure(database, wanted) for database in databases]
    rows = as_rows(figure for one in found for figure in one.figures)
    write_json(options.json, facts, rows, kind="growth")
    print("\n\n".join(one.report for one in found), end="\n\n")
    verdicts = [verdict for one in found for verdict in one.verdicts]
    print(goals.goals_table(verdicts))
    return int(options.strict and goals.is_missed(verdicts))


def run_claim(options: argparse.Namespace, databases: Databases, facts: Facts) -> int:
    """Measure what a reserve costs on small and large tables."""
    rounds = options.rounds or 5
    print(
        f"Median of {rounds * options.calls} calls, and the ratio to {claim.FEW:,} "
        f"waiting jobs, none finished, of as many names",
        end="\n\n",
    )
    found = []
    for database in databases:
        found.append(claim.measure(database, options.rows, rounds, options.calls))
        print(found[-1].report, end="\n\n")
    write_json(options.json, facts, as_rows(f for one in found for f in one.figures))
    for one in found:
        verdict = "flat" if one.worst <= claim.FLAT else f"NOT within {claim.FLAT:g}x"
        print(f"{one.database}: {verdict}, the largest ratio is {one.worst:.2f}")
    return int(options.strict and any(one.worst > claim.FLAT for one in found))


def run_operators(options: argparse.Namespace, databases: Databases, facts: Facts) -> int:
    """Measure what operators wait for on a long history of failures."""
    print(f"{options.rows:,} failed jobs and {operators.UNREADABLE:,} unreadable rows\n")
    rounds = options.rounds or 1
    found = [operators.measure(one, options.rows, rounds, options.calls) for one in databases]
    print("\n\n".join(one.report for one in found), end="\n\n")
    write_json(options.json, facts, as_rows(f for one in found for f in one.figures))
    slow = [f"MISSED: {one.database}, {look}" for one in found for look in one.slow]
    print("\n".join(slow) or f"Each look takes less than {operators.GOAL:g} ms in the median.")
    return int(options.strict and bool(slow))


def run_schedules(options: argparse.Namespace, _: Databases, facts: Facts) -> int:
    """Measure what it costs to find the next occurrence; no database has to do with it."""
    rounds = options.rounds or 5
    found = schedules.measure(rounds, options.calls)
    print(
        f"Median of {schedules.SCHEDULES} schedules, {rounds} rounds of "
        f"{options.calls} calls; how many times faster we are, in the median per schedule",
        end="\n\n",
    )
    print(schedules.report(found), end="\n\n")
    write_json(options.json, facts, as_rows(found.figures))
    print("\n".join(f"MISSED: {miss}" for miss in found.misses) or "All goals are met.")
    return int(options.strict and bool(found.misses))


def run_guard(options: argparse.Namespace, databases: Databases, facts: Facts) -> int:
    """Measure two commits side by side, and judge whether the newer one is slower."""
    if options.of is None:
        raise SystemExit("guard: expected the commit to compare with, such as HEAD~1")
    wanted = guard.Wanted(
        base=options.of,
        rounds=options.rounds or 15,
        stores=options.stores,
        backend=options.backends[0],
        metrics=options.metrics,
        scale=options.scale,
    )
    try:
        commits = {guard.BASE: guard.named(wanted.base), guard.HEAD: guard.named("HEAD")}
        print("\n".join(f"{side}: {commit}" for side, commit in commits.items()))
        if guard.is_changed():
            print("note: uncommitted changes of bgjobs/ are not measured")
        judged = guard.measure(wanted, _server(databases))
    except (guard.UnknownCommitError, compare.RefusedError, GoneError) as error:
        raise SystemExit(f"guard: {error}") from None
    rows = as_rows(figure for one in judged for figure in (one.base, one.head))
    write_json(options.json, facts | commits, rows, kind="guard", scale=options.scale)
    tolerance = options.tolerance / 100
    print(f"\nMedian (min-max) of {wanted.rounds} pairs, in alternation", end="\n\n")
    print(guard.report(judged, tolerance))
    print(_warning(options.scale))
    verdicts = {one.verdict(tolerance) for one in judged}
    return int("SLOWER" in verdicts or (options.strict and "undecided" in verdicts))


BENCHMARKS: Mapping[str, Callable[[argparse.Namespace, Databases, Facts], int]] = {
    "compare": run_compare,
    "extras": run_extras,
    "growth": run_growth,
    "claim": run_claim,
    "operators": run_operators,
    "schedules": run_schedules,
    "guard": run_guard,
}


def _server(databases: Databases) -> str:
    """Return the DSN of the PostgreSQL server, empty where none is needed."""
    return next((one.dsn for one in databases if isinstance(one, Postgres)), "")


def _warning(scale: float) -> str:
    text = f"\nScale {scale:g}: too little was done for these figures to mean much."
    return text if scale < 1 else ""


def _stop(number: int, _: object) -> None:
    """End as an exception, so that servers and folders are tidied away."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main())
