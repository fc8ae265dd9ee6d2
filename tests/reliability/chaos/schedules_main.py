"""Fleets with schedules: ``python -m tests.reliability.chaos schedules [options]``."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from time import sleep
from typing import Any, final

from tests.reliability.chaos.fleet import Fleet
from tests.reliability.chaos.orders import EVERYTHING, moment, orders_for
from tests.reliability.chaos.places import STORES, database_on, new_folder
from tests.reliability.chaos.report import lines
from tests.reliability.chaos.schedules import run_fleet
from tests.reliability.chaos.verdict import problems

MODES: Mapping[str, int | None] = {"all": EVERYTHING, "default": None}
"""What may become of late occurrences: all of them run, or one run for all."""
KILLED = 5
"""So many are killed at work, one after another, and replaced."""


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for and give the exit code."""
    options = _parser().parse_args(arguments)
    # Every opening of a store would warn of an old SQLite.
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    cases = [(store, mode) for store in options.store for mode in options.catch_up]
    held = [_holds(options, store, mode) for store, mode in cases]
    return 0 if all(held) else 1


def _holds(options: argparse.Namespace, store: str, mode: str) -> bool:
    _say(
        f"\n{store}, catch_up={mode}: {options.processes} processes, "
        f"{options.schedules} schedules, {options.seconds:g} s"
    )
    others: dict[str, Any] = {"lease": 5.0, "work": 0.2} if options.kill else {}
    others |= {"catch_up": MODES[mode], "schedules": options.schedules}
    meanwhile = Meanwhile(options.seconds, KILLED if options.kill else 0)
    with new_folder() as folder, database_on(store, folder) as database:
        orders = orders_for(database, str(folder / "journal"), **others)
        outcome = run_fleet(database, orders, options.processes, meanwhile)
    for line in lines(outcome, meanwhile.window):
        _say(line)
    return not problems(outcome.evidence)


@final
class Meanwhile:
    """What is done with a running fleet: it is left alone, or some are killed half way."""

    def __init__(self, seconds: float, kills: int) -> None:
        self.window = (0.0, 0.0)
        """When all were running, by the clock that they share."""
        self._seconds = seconds
        self._kills = kills

    def __call__(self, fleet: Fleet) -> None:
        begun = moment()
        sleep(self._seconds / 2)
        for _ in range(self._kills):
            fleet.kill_one_at_work()
            fleet.start(1)
        sleep(max(0.0, begun + self._seconds - moment()))
        self.window = (begun, moment())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.chaos schedules", description=__doc__
    )
    parser.add_argument("--store", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--catch-up", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--schedules", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--kill", action="store_true", help="kill some half way")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
