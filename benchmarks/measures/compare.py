"""bgjobs beside other libraries and beside what the database can do, in one run."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, final

from attrs import field, frozen

from benchmarks.processes.parameters import METRICS, Plan, Sizes
from benchmarks.processes.parent import GoneError, Process, child
from benchmarks.report.figures import Figure
from benchmarks.systems.peers.node import MissingError
from benchmarks.systems.registry import Listed

LONGEST = 400.0
"""Seconds that one system may take in one round."""


class RefusedError(Exception):
    """A figure was refused: jobs were lost, ran twice or stayed unfinished."""


@final
@frozen(kw_only=True)
class Wanted:
    """What is asked for."""

    systems: Sequence[Listed]
    rounds: int
    metrics: Sequence[str] = METRICS
    scale: float = 1.0


@final
@frozen
class Compared:
    """Everything that was found."""

    figures: dict[tuple[str, str], Figure] = field(factory=dict)
    configs: dict[str, dict[str, Any]] = field(factory=dict)
    """Version and settings of each system."""
    missing: dict[str, str] = field(factory=dict)
    """Why a system was not measured, or a figure of it refused."""
    refused: list[str] = field(factory=list)

    def add(self, system: str, facts: dict[str, Any]) -> None:
        """Take in what a measuring process has told."""
        if facts["event"] == "system":
            self.configs[system] = {"version": facts["version"], "config": facts["config"]}
        if facts["event"] == "figure":
            new = Figure(system=system, measure=facts["metric"], unit=facts["unit"])
            figure = self.figures.setdefault((system, facts["metric"]), new)
            figure.values.append(facts["value"])
        if facts["event"] == "missing":
            raise MissingError(facts["text"])
        if facts["event"] == "error":
            raise (RefusedError if facts["refused"] else GoneError)(facts["text"])


def measure(wanted: Wanted, dsn: str) -> Compared:
    """Measure all in each round; odd rounds go backwards, so that drift evens out."""
    found = Compared()
    with TemporaryDirectory(prefix="bgjobs-bench-") as folder:
        for number in range(wanted.rounds):
            for one in wanted.systems[::-1] if number % 2 else wanted.systems:
                if one.name not in found.missing:
                    _progress(f"round {number + 1}: {one.name}")
                    _take(found, one, _plan(wanted, one, dsn, folder, number))
    return found


def _plan(wanted: Wanted, one: Listed, dsn: str, folder: str, number: int) -> Plan:
    return Plan(
        maker=one.maker,
        options=one.options,
        dsn=dsn,
        folder=folder,
        metrics=wanted.metrics,
        sizes=one.sizes(Sizes(), wanted.scale),
        round=number + 1,
    )


def _take(found: Compared, one: Listed, plan: Plan) -> None:
    """Measure one system in one round; what does not work is noted, and the rest goes on."""
    try:
        with child(one.command(plan), plan.errors) as process:
            listen(found, one.name, process)
    except MissingError as error:
        found.missing[one.name] = f"not measured: {error}"
    except GoneError as error:
        found.missing[one.name] = f"not measured to the end: {error}"
        if one.kind == "ours":
            found.refused.append(f"{one.name}: {error}")
    except RefusedError as error:
        found.missing[one.name] = f"REFUSED: {error}"
        found.refused.append(f"{one.name}: {error}")


def listen(found: Compared, name: str, process: Process) -> None:
    """Take in what a measuring process tells, until it is done."""
    end = monotonic() + LONGEST
    facts: dict[str, Any] = {"event": ""}
    while facts["event"] != "done":
        facts = process.next(end - monotonic())
        found.add(name, facts)


def _progress(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
