"""Kill and pause processes that run the wordcount example, and start killed ones again.

Two processes share the work at all times. A pause may be longer than their lease, so that the
other process takes over what the paused one goes on with. The last process has to print the
total that a direct walk finds.
"""

import argparse
import secrets
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from subprocess import Popen
from time import sleep

from attrs import field, frozen

from tests.e2e.example_program import ExampleProgram
from tests.fixtures.postgres_locks import count_deadlocks
from tests.reliability.chaos.digest import Trial, example_on, make_files
from tests.reliability.chaos.environment import STORES, new_folder
from tests.reliability.chaos.settings import monotonic, write_line

SCRIPT = "wordcount.py"
TABLES = {"sqlite": "bgjobs_jobs_succeeded", "postgres": "wordcount.jobs_succeeded"}
_PROCESSES = 2
_LONGEST_PAUSE = 5.0
"""Seconds; the lease of the example is three."""
_PAUSE_SHARE = 0.3
"""The share of faults that are pauses."""
_DELAY = 0.3
"""The most seconds until a fault comes after enough work was done."""
_PATIENCE = 120.0
"""Seconds in which something must be done."""

Write = Callable[[str], None]


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    trial = Trial(times=options.times, files=options.files, seed=options.seed)
    write_line(f"seed {trial.seed}")
    passed = [_run_case(store, trial) for store in options.store]
    return 0 if all(passed) else 1


def _run_case(store: str, trial: Trial) -> bool:
    write_line(f"\n{store}: {trial.files:,} files, killed or paused {trial.times} times")
    with new_folder() as folder, example_on(store, SCRIPT, TABLES, folder) as example:
        result = run(example, make_files(folder / "tree", trial.files), trial, write_line)
        deadlocks = deadlocks_of(example)
    write_line(f"{result}; {deadlocks} deadlocks")
    return is_right(result, trial) and not deadlocks


def is_right(result: str, trial: Trial) -> bool:
    """Whether the last line of the example has the right total."""
    return result.startswith("OK: ") and f" in {trial.files:,} files," in result


def deadlocks_of(example: ExampleProgram) -> int:
    """Return how many deadlocks the server has found in the database of the example."""
    if example.table == TABLES["sqlite"]:
        return 0
    with example.connect() as connection:
        return count_deadlocks(connection)


def run(example: ExampleProgram, tree: Path, trial: Trial, write: Write) -> str:
    """Kill and pause processes, let the last one end, and return its last line of output."""
    random = Random(trial.seed)
    arguments = (tree, "--concurrency", str(trial.concurrency))
    thresholds = sorted(random.randrange(trial.files) for _ in range(trial.times))
    with _fleet(example, arguments) as fleet:
        for number, threshold in enumerate(thresholds):
            fleet.wait_until_done(threshold)
            sleep(random.uniform(0, _DELAY))
            what = fleet.disturb(random)
            write(f"  {what} {number + 1}, {example.count_done():,} jobs done")
    code, output, errors = example.run(*arguments)
    return output.splitlines()[-1] if output else f"exit code {code}: {errors}"


@frozen
class Fleet:
    """The processes that share the work; one that has ended stays as it is."""

    _example: ExampleProgram
    _arguments: tuple[str | Path, ...]
    _stack: ExitStack
    _running: "list[Popen[str]]" = field(factory=list)
    _paused: "dict[Popen[str], float]" = field(factory=dict)
    """Processes that were stopped, and when they go on."""

    def start(self) -> None:
        """Start one more process."""
        started = self._example.started(*self._arguments)
        self._running.append(self._stack.enter_context(started))

    def disturb(self, random: Random) -> str:
        """Kill one of the processes and start another one, or pause it; return which."""
        self._resume()
        index = random.randrange(_PROCESSES)
        process = self._running[index]
        if random.random() < _PAUSE_SHARE:
            process.send_signal(signal.SIGSTOP)
            self._paused[process] = monotonic() + random.uniform(0, _LONGEST_PAUSE)
            return "paused"
        self._running.pop(index)
        self._paused.pop(process, None)
        process.kill()
        process.communicate()
        self.start()
        return "killed"

    def wait_until_done(self, jobs: int) -> None:
        """Wait until so many jobs are done, or all processes have ended."""
        give_up_at = monotonic() + _PATIENCE
        while (done := self._example.count_done()) < jobs:
            assert monotonic() < give_up_at, f"{done:,} of {jobs:,} jobs"
            if all(process.poll() is not None for process in self._running):
                return
            self._resume()
            sleep(0.01)

    def _resume(self) -> None:
        """Continue processes whose pause is over."""
        now = monotonic()
        for process in [one for one, until in self._paused.items() if until <= now]:
            del self._paused[process]
            process.send_signal(signal.SIGCONT)


@contextmanager
def _fleet(example: ExampleProgram, arguments: tuple[str | Path, ...]) -> Generator[Fleet]:
    """Run processes during the block, and kill them at its end."""
    with ExitStack() as stack:
        fleet = Fleet(example, arguments, stack)
        for _ in range(_PROCESSES):
            fleet.start()
        yield fleet


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.reliability.chaos wordcount", description=__doc__
    )
    parser.add_argument("--store", nargs="+", choices=STORES, default=STORES)
    parser.add_argument(
        "--times", type=int, default=200, help="how often one is killed or paused"
    )
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    return parser
