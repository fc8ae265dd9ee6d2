"""Run one seed and show all observations, or many seeds and show a summary."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from time import monotonic, process_time

from bgjobs._core.jobs import Job
from tests.reliability.clock_jumps.play import Loop, run_seed
from tests.reliability.clock_jumps.trace import Observation, Started
from tests.reliability.clock_jumps.worlds import world_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.clock_jumps", description=__doc__
    )
    parser.add_argument("--seed", type=int, help="run this one and show all observations")
    parser.add_argument("--seeds", type=int, default=1000, help="the number of seeds")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--loop", choices=("trio", "asyncio"), default="trio")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _replay(options.seed, options.loop)
    failed: list[int] = []
    kinds: Counter[str] = Counter()
    observed: Counter[str] = Counter()
    began = monotonic()
    for seed in range(options.start, options.start + options.seeds):
        trace, problems = run_seed(seed, options.loop)
        observed.update(type(entry.what).__name__ for entry in trace.entries)
        if problems:
            failed.append(seed)
            kinds.update({problem.split(": ")[1] for problem in problems})
            _print(f"seed {seed}: {len(problems)}: {problems[0]}")
    _print(
        f"{options.seeds} seeds in {monotonic() - began:.1f} s, {process_time():.1f} s of CPU"
    )
    _print(f"observed: {dict(observed)}")
    _print(f"{len(failed)} failed: {dict(kinds)} {failed[:50]}" if failed else "none failed")
    return 1 if failed else 0


def _replay(seed: int, loop: Loop) -> int:
    world = world_of(seed)
    for one in (*world.jobs, *world.lives):
        _print(str(one))
    trace, problems = run_seed(seed, loop)
    for entry in trace.entries:
        _print(f"{entry.loop:14.3f} {entry.shown} {entry.node:2} {_text(entry.what)}")
    for problem in problems:
        _print(problem)
    return 1 if problems else 0


def _text(what: Observation) -> str:
    job = getattr(what, "job", None)  # not every event is about a job
    name = type(what).__name__
    if isinstance(job, Job) and job.occurrence:
        text = f"{name} {job.name} {job.occurrence.at} after {job.occurrence.previous}"
        return f"{text} reserved at {job.reserved_at}, {str(job.id)[-6:]}"
    return name if isinstance(what, Started) else str(what)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
