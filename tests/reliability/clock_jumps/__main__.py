"""The command line: one seed with all that was heard, or many with a summary."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from time import monotonic, process_time

from bgjobs.jobs import Job
from tests.reliability.clock_jumps.play import Loop
from tests.reliability.clock_jumps.trace import Born, What
from tests.reliability.clock_jumps.verdict import verdict
from tests.reliability.clock_jumps.worlds import world_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and give the exit code."""
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.clock_jumps", description=__doc__
    )
    parser.add_argument("--seed", type=int, help="replay this one and show what was heard")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--loop", choices=("trio", "asyncio"), default="trio")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _replay(options.seed, options.loop)
    failed: list[int] = []
    kinds: Counter[str] = Counter()
    heard: Counter[str] = Counter()
    began = monotonic()
    for seed in range(options.start, options.start + options.seeds):
        trace, problems = verdict(seed, options.loop)
        heard.update(type(entry.what).__name__ for entry in trace.entries)
        if problems:
            failed.append(seed)
            kinds.update({problem.split(": ")[1] for problem in problems})
            _say(f"seed {seed}: {len(problems)}: {problems[0]}")
    _say(f"{options.seeds} seeds in {monotonic() - began:.1f} s, {process_time():.1f} s of CPU")
    _say(f"heard: {dict(heard)}")
    _say(f"{len(failed)} failed: {dict(kinds)} {failed[:50]}" if failed else "none failed")
    return 1 if failed else 0


def _replay(seed: int, loop: Loop) -> int:
    world = world_of(seed)
    for one in (*world.jobs, *world.lives):
        _say(str(one))
    trace, problems = verdict(seed, loop)
    for entry in trace.entries:
        _say(f"{entry.loop:14.3f} {entry.shown} {entry.node:2} {_text(entry.what)}")
    for problem in problems:
        _say(problem)
    return 1 if problems else 0


def _text(what: What) -> str:
    job = getattr(what, "job", None)  # not every event is about a job
    name = type(what).__name__
    if isinstance(job, Job) and job.occurrence:
        text = f"{name} {job.name} {job.occurrence.at} after {job.occurrence.previous}"
        return f"{text} reserved at {job.reserved_at}, {str(job.id)[-6:]}"
    return name if isinstance(what, Born) else str(what)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
