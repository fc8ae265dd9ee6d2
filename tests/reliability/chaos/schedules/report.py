"""Run fleets with the same schedules, and report lateness, cost and violations."""

import argparse
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median, quantiles
from time import sleep
from typing import Any, final

from tests.reliability.chaos.environment import STORES, database_on, new_folder
from tests.reliability.chaos.schedules.checker import seconds_missed, violations
from tests.reliability.chaos.schedules.fleet import Fleet, FleetOutcome, Measurements, run_fleet
from tests.reliability.chaos.schedules.node import ALL_OCCURRENCES, settings_for
from tests.reliability.chaos.settings import monotonic, write_line


def lines(outcome: FleetOutcome, window: tuple[float, float]) -> Iterator[str]:
    """Yield the report of a run: its counts, lateness, cost and violations."""
    observations, measurements = outcome.observations, outcome.measurements
    ran_by = {one.process for one in observations.runs}
    yield (
        f"{len(observations.starts)} starts, {len(observations.runs)} runs, "
        f"{seconds_missed(observations)} missed, by {len(ran_by)} processes; "
        f"{len(observations.killed)} killed"
    )
    begun, ended = window
    late = [one.late for one in observations.starts if begun <= one.began < ended]
    yield f"lateness with all running: {_spread(late)}; of all starts: " + _spread(
        [one.late for one in observations.starts]
    )
    yield from _cost(measurements)
    if outcome.errors:
        yield f"stderr: {outcome.errors[-2000:]}"
    found = violations(observations)
    yield from (f"WRONG {text}" for text in found[:20])
    fate = "once" if observations.strict else "once or coalesced"
    yield f"every occurrence ran {fate}" if not found else f"{len(found)} violations"


def _spread(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "none"
    percentiles = quantiles(seconds, n=100, method="inclusive")
    figures = (median(seconds), percentiles[94], percentiles[98], max(seconds))
    return "median {:.0f}, p95 {:.0f}, p99 {:.0f}, max {:.0f} ms".format(
        *(figure * 1000 for figure in figures)
    )


def _cost(measurements: Sequence[Measurements]) -> Iterator[str]:
    shares = [100 * one["cpu"] / one["seconds"] for one in measurements]
    yield (
        f"CPU of a core: median {median(shares):.1f} %, max {max(shares):.1f} %, "
        f"together {sum(shares):.0f} %"
    )
    seconds = median(one["seconds"] for one in measurements)
    calls, taken, events = Counter[str](), Counter[str](), Counter[str]()
    for one in measurements:
        calls.update(one["verbs"])
        taken.update(one["verb_seconds"])
        events.update(one["events"])
    for verb, count in calls.most_common():
        spent = 1000 * taken[verb] / count
        yield f"  {verb}: {count / seconds:.1f} a second, {spent:.1f} ms each"
    yield "events: " + ", ".join(f"{name} {count}" for name, count in events.most_common())
    errors = Counter(error for one in measurements for error in one["errors"])
    yield from (f"  {count} times {error}" for error, count in errors.most_common(5))


MODES: Mapping[str, int | None] = {"all": ALL_OCCURRENCES, "default": None}
"""The values of ``--catch-up``: run all late occurrences, or coalesce them."""
KILLS = 5
"""The number of processes that ``--kill`` kills and replaces, one after another."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    # Each store that is opened would log a warning about an old SQLite.
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    cases = [(store, mode) for store in options.store for mode in options.catch_up]
    passed = [_run_case(options, store, mode) for store, mode in cases]
    return 0 if all(passed) else 1


def _run_case(options: argparse.Namespace, store: str, mode: str) -> bool:
    write_line(
        f"\n{store}, catch_up={mode}: {options.processes} processes, "
        f"{options.schedules} schedules, {options.seconds:g} s"
    )
    others: dict[str, Any] = {"lease": 5.0, "work": 0.2} if options.kill else {}
    others |= {"catch_up": MODES[mode], "schedules": options.schedules}
    meanwhile = KillSome(options.seconds, KILLS if options.kill else 0)
    with new_folder() as folder, database_on(store, folder) as database:
        settings = settings_for(database, str(folder / "journal"), **others)
        outcome = run_fleet(database, settings, options.processes, meanwhile)
    for line in lines(outcome, meanwhile.window):
        write_line(line)
    return not violations(outcome.observations)


@final
class KillSome:
    """Waits while a fleet runs, and kills some of its processes half way."""

    def __init__(self, seconds: float, kills: int) -> None:
        self.window = (0.0, 0.0)
        """The start and the end of the time in which all processes ran."""
        self._seconds = seconds
        self._kills = kills

    def __call__(self, fleet: Fleet) -> None:
        begun = monotonic()
        sleep(self._seconds / 2)
        for _ in range(self._kills):
            fleet.kill_a_busy_process()
            fleet.start(1)
        sleep(max(0.0, begun + self._seconds - monotonic()))
        self.window = (begun, monotonic())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.chaos schedules", description=__doc__
    )
    parser.add_argument("--store", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--catch-up", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--schedules", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--kill", action="store_true", help="kill some processes half way")
    return parser
