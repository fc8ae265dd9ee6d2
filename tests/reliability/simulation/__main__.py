"""Simulate one seed and show its steps, or many seeds and show a summary."""

import argparse
import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from multiprocessing import get_context
from time import monotonic

from attrs import evolve

from tests.reliability.simulation.mutants import MUTANTS
from tests.reliability.simulation.simulation import Result, simulate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
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
        _print(f"{step[0]:12.6f}  " + " ".join(map(str, step[1:])))
    _print(str(result) if result.problems else f"seed {seed}: {result.fingerprint}")
    return 1 if result.problems else 0


def _run_many(options: argparse.Namespace) -> int:
    seeds = range(options.start, options.start + options.seeds)
    began = monotonic()
    failed: list[int] = []
    calls = seconds = 0.0
    done = 0
    # Mutants are put into this process only.
    processes = 1 if options.mutant else options.processes
    for result in results(seeds, processes):
        done += 1
        calls += result.calls
        seconds += result.seconds
        if result.problems:
            failed.append(result.seed)
            _print(str(result))
            if options.mutant:
                break
        if done % 1000 == 0:
            _print(_summary(done, calls, seconds, monotonic() - began))
    _print(_summary(done, calls, seconds, monotonic() - began))
    _print(f"{len(failed)} failed: {failed}" if failed else "none failed")
    return 1 if failed else 0


def _summary(done: int, calls: float, seconds: float, took: float) -> str:
    return (
        f"{done:,} seeds in {took:.1f} s ({done / took * 60:,.0f} a minute): "
        f"{calls:,.0f} calls of the store, {seconds / 3600:,.0f} hours of simulated time"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.simulation", description=__doc__
    )
    parser.add_argument("--seed", type=int, help="simulate this one and show its steps")
    parser.add_argument("--seeds", type=int, default=1000, help="the number of seeds")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--mutant",
        nargs="+",
        choices=MUTANTS,
        default=[],
        help="put bugs in, and stop at the first failure",
    )
    return parser


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


CHUNK = 20
"""The number of seeds between two garbage collections."""


def results(seeds: range, processes: int) -> Iterator[Result]:
    """Yield the results of all seeds in their order, without the steps."""
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    if processes == 1:
        for chunk in chunks:
            yield from run_chunk(chunk)
        return
    with get_context("spawn").Pool(processes) as pool:
        for done in pool.imap(run_chunk, chunks):
            yield from done


def run_chunk(seeds: range) -> list[Result]:
    """Run some seeds, and collect garbage before them instead of during one."""
    gc.collect()
    gc.freeze()
    gc.disable()
    return [evolve(simulate(seed), steps=()) for seed in seeds]


if __name__ == "__main__":
    sys.exit(main())
