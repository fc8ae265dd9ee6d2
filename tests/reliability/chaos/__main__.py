"""Run processes on a database, inject faults at random times, and check what is left.

Half of the time is spent on one fault after another, each on a database of its own, and half on
all of them together. ``schedules`` as the first argument runs many processes with the same
schedules instead; ``digest`` and ``wordcount`` kill an example again and again.
"""

import argparse
import logging
import secrets
import sys
from collections.abc import Iterator, Sequence

from tests.reliability.chaos import digest, wordcount
from tests.reliability.chaos.checker import report
from tests.reliability.chaos.checker.report import PhaseOutcome
from tests.reliability.chaos.cluster import Fault
from tests.reliability.chaos.environment import STORES, environment, new_folder
from tests.reliability.chaos.faults import FAULTS, faults_on
from tests.reliability.chaos.phase import PhasePlan, run_phase
from tests.reliability.chaos.schedules import report as schedules
from tests.reliability.chaos.settings import write_line

ALL = "all"
"""The name of the phase that injects all faults."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    if arguments[:1] == ["schedules"]:
        return schedules.main(arguments[1:])
    if arguments[:1] == ["digest"]:
        return digest.main(arguments[1:])
    if arguments[:1] == ["wordcount"]:
        return wordcount.main(arguments[1:])
    options = _parser().parse_args(arguments)
    # Each store that is opened would log a warning about an old SQLite.
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    write_line(f"seed {options.seed}")
    outcomes = [one for store in options.store for one in _run_phases(options, store)]
    write_line("")
    for line in report.lines(outcomes):
        write_line(line)
    found = sum(len(one.violations) for one in outcomes)
    write_line(
        f"{found} violations, seed {options.seed}"
        if found
        else "nothing was lost or duplicated"
    )
    return 1 if found else 0


def _run_phases(options: argparse.Namespace, store: str) -> Iterator[PhaseOutcome]:
    with new_folder() as folder, environment(store, folder) as place:
        chosen = [
            fault
            for fault in faults_on(store, options.fault)
            if place.server is not None or not needs_server(fault)
        ]
        for plan in plans(chosen, options.seconds, options.seed, unfenced=options.unfenced):
            outcome = run_phase(plan, place)
            counts = report.summary(outcome)
            write_line(f"{store}, {plan.name}, {plan.seconds:.0f} s: {counts}")
            yield outcome


def plans(
    faults: Sequence[Fault], seconds: float, seed: int, *, unfenced: bool = False
) -> Iterator[PhasePlan]:
    """Yield a phase for each fault, and one for all of them together."""
    share = seconds if len(faults) == 1 else seconds / 2 / len(faults)
    for number, fault in enumerate(faults):
        yield PhasePlan(
            name=fault.name,
            faults=[fault],
            seconds=share,
            seed=seed + number,
            unfenced=unfenced,
        )
    if len(faults) > 1:
        yield PhasePlan(
            name=ALL, faults=faults, seconds=seconds / 2, seed=seed - 1, unfenced=unfenced
        )


def needs_server(fault: Fault) -> bool:
    """Whether the fault affects the server itself, so that we must have started it."""
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
        "--unfenced",
        action="store_true",
        help="settle jobs without the fence, to see that duplicates are found",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
