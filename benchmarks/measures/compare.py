"""``compare``: bgjobs beside other libraries and bare SQL; ``report`` shows it again."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, final

from attrs import field, frozen

from benchmarks.databases.ports import Database
from benchmarks.databases.postgres import server_dsn
from benchmarks.processes import parameters as names
from benchmarks.processes.parameters import METRICS, Parameters, Sizes
from benchmarks.processes.parent import Process, ProcessEndedError, child
from benchmarks.report import chart, goals
from benchmarks.report.figures import (
    Figure,
    read_json,
    scale_note,
    show_environment,
    table,
    write_json,
)
from benchmarks.systems.registry import (
    SYSTEMS,
    TITLES,
    NotInstalledError,
    SystemSpec,
    select,
)

TIMEOUT = 400.0
"""Seconds that one system may take in one round."""
COLUMNS: Mapping[str, str] = {
    names.ENQUEUE_ONE: "enqueue one by one, jobs/s",
    names.ENQUEUE_TASKS: "by 100 tasks, jobs/s",
    names.ENQUEUE_MANY: "1000 a call, jobs/s",
    names.DRAIN: "drain, jobs/s",
    names.DRAIN_CPU: "drain, CPU us/job",
    names.DRAIN_SERVER_CPU: "of the server, us/job",
    names.PICKUP_P50: "pickup p50, ms",
    names.PICKUP_P95: "p95, ms",
    names.PICKUP_P99: "p99, ms",
}


class InvalidResultError(Exception):
    """Jobs were lost, ran twice or stayed unfinished, so the figure does not count."""


@final
@frozen(kw_only=True)
class Options:
    """What is measured, and how often."""

    systems: Sequence[SystemSpec]
    rounds: int
    metrics: Sequence[str] = METRICS
    scale: float = 1.0


@final
@frozen
class Result:
    """The figures of all systems."""

    figures: dict[tuple[str, str], Figure] = field(factory=dict)
    """By system and metric."""
    configs: dict[str, dict[str, Any]] = field(factory=dict)
    """Version and settings of each system."""
    missing: dict[str, str] = field(factory=dict)
    """Why a system was not measured, or not to the end."""
    invalid: list[str] = field(factory=list)

    def add(self, system: str, message: dict[str, Any]) -> None:
        """Add what a measuring process has sent; raise what it reports as an error."""
        if message["event"] == "system":
            self.configs[system] = {"version": message["version"], "config": message["config"]}
        if message["event"] == "figure":
            new = Figure(system=system, measure=message["metric"], unit=message["unit"])
            figure = self.figures.setdefault((system, message["metric"]), new)
            figure.values.append(message["value"])
        if message["event"] == "not_installed":
            raise NotInstalledError(message["text"])
        if message["event"] == "error":
            kind = InvalidResultError if message["invalid"] else ProcessEndedError
            raise kind(message["text"])


def run(
    options: argparse.Namespace, databases: Sequence[Database], environment: Mapping[str, str]
) -> int:
    """Run the subcommand and return its exit code."""
    wanted = Options(
        systems=select(options.only),
        rounds=options.rounds or 3,
        metrics=options.metrics,
        scale=options.scale,
    )
    result = measure(wanted, server_dsn(databases))
    figures = list(result.figures.values())
    run_facts = {
        "kind": "compare",
        "scale": options.scale,
        "rounds": wanted.rounds,
        "systems": result.configs,
        "missing": result.missing,
    }
    write_json(options.json, environment, figures, **run_facts)
    missed = _show(options, {"environment": environment, **run_facts}, figures)
    for text in result.invalid:
        print(f"INVALID: {text}", file=sys.stderr)
    return int(bool(result.invalid) or missed)


def run_report(options: argparse.Namespace) -> int:
    """Show the JSON file of an earlier comparison again, and return the exit code."""
    if options.target is None:
        raise SystemExit("report: expected the JSON file of an earlier run")
    found, figures = read_json(Path(options.target))
    if found.get("kind") != "compare":
        raise SystemExit(f"{options.target}: expected a file of `compare`")
    show_environment(found["environment"])
    return int(_show(options, found, figures))


def _show(
    options: argparse.Namespace, found: Mapping[str, Any], figures: Sequence[Figure]
) -> bool:
    """Print the tables and write the chart; return whether a goal is missed under --strict."""
    print(f"Median (min-max) of {found['rounds']} rounds, in alternation", end="\n\n")
    print(tables(figures, found["systems"]), end="\n\n")
    for system, why in found["missing"].items():
        print(f"{system}: {why}")
    verdicts = goals.judge(goals.COMPARE, figures)
    print(goals.goals_table(verdicts))
    print(scale_note(found["scale"]))
    if options.chart is not None:
        options.chart.write_text(chart.draw(found, figures), "utf-8")
    return options.strict and goals.is_missed(verdicts)


def tables(figures: Sequence[Figure], configs: Mapping[str, Any]) -> str:
    """Return a Markdown table for each database, with a row for each measured system."""
    found = {(one.system, one.measure): one for one in figures}
    measured = {one.system for one in figures}
    texts = []
    for store, title in TITLES.items():
        systems = [one.name for one in SYSTEMS if one.store == store and one.name in measured]
        measures = [one for one in COLUMNS if any((name, one) in found for name in systems)]
        header = [title, "version", *(COLUMNS[one] for one in measures)]
        rows = [
            [name, _version(configs, name), *(_text(found, name, one) for one in measures)]
            for name in systems
        ]
        if rows:
            texts.append(table(header, rows))
    return "\n\n".join(texts)


def _version(configs: Mapping[str, Any], name: str) -> str:
    return str(configs.get(name, {}).get("version", ""))


def _text(found: Mapping[tuple[str, str], Figure], system: str, measure: str) -> str:
    figure = found.get((system, measure))
    return "-" if figure is None else figure.text


def measure(options: Options, dsn: str) -> Result:
    """Measure all systems in each round; odd rounds go backwards, which cancels drift."""
    result = Result()
    with TemporaryDirectory(prefix="bgjobs-bench-") as folder:
        for number in range(options.rounds):
            for one in options.systems[::-1] if number % 2 else options.systems:
                if one.name not in result.missing:
                    _show_progress(f"round {number + 1}: {one.name}")
                    _measure_one(result, one, _parameters(options, one, dsn, folder, number))
    return result


def _parameters(
    options: Options, one: SystemSpec, dsn: str, folder: str, number: int
) -> Parameters:
    return Parameters(
        module=one.module,
        options=one.options,
        dsn=dsn,
        folder=folder,
        metrics=options.metrics,
        sizes=one.sizes(Sizes(), options.scale),
        round=number + 1,
    )


def _measure_one(result: Result, one: SystemSpec, parameters: Parameters) -> None:
    """Measure one system in one round; a failure is noted, and the other systems go on."""
    try:
        with child(one.command(parameters), parameters.errors) as process:
            collect(result, one.name, process)
    except NotInstalledError as error:
        result.missing[one.name] = f"not measured: {error}"
    except ProcessEndedError as error:
        result.missing[one.name] = f"not measured to the end: {error}"
        if one.kind == "ours":
            result.invalid.append(f"{one.name}: {error}")
    except InvalidResultError as error:
        result.missing[one.name] = f"INVALID: {error}"
        result.invalid.append(f"{one.name}: {error}")


def collect(result: Result, name: str, process: Process) -> None:
    """Add the messages of a process until it is done; raise what `Result.add` raises."""
    end = monotonic() + TIMEOUT
    message: dict[str, Any] = {"event": ""}
    while message["event"] != "done":
        message = process.next(end - monotonic())
        result.add(name, message)


def _show_progress(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
