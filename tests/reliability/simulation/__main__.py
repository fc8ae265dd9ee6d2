"""The command line: one seed with all its steps, or many with a summary."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from time import monotonic

from tests.reliability.simulation.many import results
from tests.reliability.simulation.mutants import MUTANTS
from tests.reliability.simulation.simulation import simulate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and give the exit code."""
    options = _parser().parse_args(arguments)
    with ExitStack() as faults:
        for name in options.mutant:
            faults.enter_context(MUTANTS[name]())
        if options.seed is not None:
            return _replay(options.seed)
        return _run_many(options)


def _replay(seed: int) -> int:
    result = simulate(seed)
    for step in result.steps:
        _say(f"{step[0]:12.6f}  " + " ".join(map(str, step[1:])))
    _say(str(result) if result.problems else f"seed {seed}: {result.fingerprint}")
    return 1 if result.problems else 0


def _run_many(options: argparse.Namespace) -> int:
    seeds = range(options.start, options.start + options.seeds)
    began = monotonic()
    failed: list[int] = []
    calls = seconds = 0.0
    done = 0
    # Other processes have no fault put in.
    processes = 1 if options.mutant else options.processes
    for result in results(seeds, processes):
        done += 1
        calls += result.calls
        seconds += result.seconds
        if result.problems:
            failed.append(result.seed)
            _say(str(result))
            if options.mutant:
                break
        if done % 1000 == 0:
            _say(_summary(done, calls, seconds, monotonic() - began))
    _say(_summary(done, calls, seconds, monotonic() - began))
    _say(f"{len(failed)} failed: {failed}" if failed else "none failed")
    return 1 if failed else 0


def _summary(done: int, calls: float, seconds: float, took: float) -> str:
    return (
        f"{done:,} seeds in {took:.1f} s ({done / took * 60:,.0f} a minute): "
        f"{calls:,.0f} calls of the store, {seconds / 3600:,.0f} hours of the worlds"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.simulation", description=__doc__
    )
    parser.add_argument("--seed", type=int, help="replay this one and show its steps")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--mutant", nargs="+", choices=MUTANTS, default=[], help="put faults in, find the first"
    )
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
