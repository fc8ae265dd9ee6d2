"""Storms of faults: ``python -m tests.reliability.chaos [options]``.

Half of the time goes to the single faults, each on a database of its own, and half to all of
them at once.
"""

import argparse
import logging
import secrets
import sys
from collections.abc import Iterator, Sequence

from tests.reliability.chaos import table
from tests.reliability.chaos.faults import Fault
from tests.reliability.chaos.faults.menu import FAULTS, faults_on
from tests.reliability.chaos.ground import ground
from tests.reliability.chaos.places import STORES, new_folder
from tests.reliability.chaos.storm import Plan, run_phase
from tests.reliability.chaos.verdicts import Outcome

ALL = "all"
"""What the phase of all faults at once is called."""


def main(arguments: Sequence[str]) -> int:
    """Run the storms that are asked for and give the exit code."""
    options = _parser().parse_args(arguments)
    # Every opening of a store would warn of an old SQLite.
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    _say(f"seed {options.seed}")
    outcomes = [one for store in options.store for one in storms(options, store)]
    _say("")
    for line in table.lines(outcomes):
        _say(line)
    found = sum(len(one.found) for one in outcomes)
    _say(f"{found} problems, seed {options.seed}" if found else "nothing was lost or doubled")
    return 1 if found else 0


def storms(options: argparse.Namespace, store: str) -> Iterator[Outcome]:
    """Run all phases on one kind of store."""
    with new_folder() as folder, ground(store, folder) as place:
        chosen = [
            fault
            for fault in faults_on(store, options.fault)
            if place.server is not None or not needs_server(fault)
        ]
        for plan in plans(chosen, options.seconds, options.seed, unfenced=options.unfenced):
            outcome = run_phase(plan, place)
            _say(f"{store}, {plan.name}, {plan.seconds:.0f} s: {table.told(outcome)}")
            yield outcome


def plans(
    faults: Sequence[Fault], seconds: float, seed: int, *, unfenced: bool = False
) -> Iterator[Plan]:
    """Give each fault its share of the time, and all together theirs."""
    share = seconds if len(faults) == 1 else seconds / 2 / len(faults)
    for number, fault in enumerate(faults):
        yield Plan(
            name=fault.name,
            faults=[fault],
            seconds=share,
            seed=seed + number,
            unfenced=unfenced,
        )
    if len(faults) > 1:
        yield Plan(
            name=ALL, faults=faults, seconds=seconds / 2, seed=seed - 1, unfenced=unfenced
        )


def needs_server(fault: Fault) -> bool:
    """Say whether it harms the server itself, which has to be ours."""
    return "postgres" in fault.stores and "sqlite" not in fault.stores


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.reliability.chaos", description=__doc__)
    parser.add_argument("--store", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--seconds", type=float, default=120.0, help="for each store")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    names = sorted({fault.name for fault in FAULTS})
    parser.add_argument(
        "--fault", nargs="+", choices=names, default=[], metavar="NAME", help=", ".join(names)
    )
    parser.add_argument(
        "--unfenced", action="store_true", help="without the fence, to see doubles found"
    )
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
