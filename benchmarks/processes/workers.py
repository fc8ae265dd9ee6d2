"""Worker processes of bgjobs over a place that is filled already."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, monotonic_ns, sleep
from typing import Any, final

from attrs import field, frozen

from benchmarks.databases.ports import Place
from benchmarks.processes.messages import runs_in
from benchmarks.processes.parameters import Plan
from benchmarks.processes.parent import Process, SilentError, child, worker_command
from benchmarks.processes.watching import peak_rss_mib
from benchmarks.systems.registry import OURS

EVERY = 250
"""After how many jobs a worker tells how far it is."""
LOOK = 0.004
LISTENING = 0.05
STARTING = 60.0
LONGEST = 600.0
SETTLED = 60.0
ENDING = 30.0


@final
@frozen
class Ran:
    """How it went."""

    jobs_per_second: float
    cpu_micros: float
    peak_rss: float
    """MiB, of all workers together."""


@final
@frozen
class Crew:
    """Worker processes, and what they have told so far."""

    workers: Sequence[Process]
    seen: dict[int, int] = field(factory=dict)
    first: dict[str, Any] = field(factory=dict)
    """What the first worker that ran all it should has told."""

    def listen(self) -> None:
        """Take in what is told in a moment."""
        for worker in self.workers:
            try:
                facts = worker.next(LISTENING / len(self.workers))
            except SilentError:
                continue
            if facts["event"] == "seen":
                self.seen[worker.pid] = facts["jobs"]
            if facts["event"] == "all":
                self.first.update(facts)

    def is_near_end(self, jobs: int) -> bool:
        """Say whether next to nothing is left, so that it is time to look into the store."""
        return sum(self.seen.values()) >= jobs - EVERY * len(self.workers)

    def peak_rss(self) -> float:
        """Give the most memory that they have had, in MiB."""
        return sum(peak_rss_mib(worker.pid) for worker in self.workers)

    def ends(self) -> list[dict[str, Any]]:
        """Stop all and give what they have run."""
        for worker in self.workers:
            worker.interrupt()
        return [worker.wait("end", ENDING) for worker in self.workers]


@contextmanager
def crew(
    place: Place, options: Mapping[str, Any], jobs: int, expected: int = 0, size: int = 1
) -> Iterator[Crew]:
    """Start workers for the length of the block; `options` are those of `ours.Settings`.

    None begins before all are there: those that still start would slow down the others.
    """
    with TemporaryDirectory(prefix="bgjobs-bench-") as folder, ExitStack() as stack:
        address = place.address
        plan = Plan(
            maker=OURS,
            options={**address.options, **options},
            dsn=address.dsn,
            database=address.database,
            folder=folder,
        )
        command = worker_command(plan, jobs, expected or jobs, EVERY)
        errors = Path(folder, "errors.txt")
        workers = [stack.enter_context(child(command, errors)) for _ in range(size)]
        for worker in workers:
            worker.wait("here", STARTING)
        for worker in workers:
            worker.go()
        yield Crew(workers)


def run_all(place: Place, options: Mapping[str, Any], jobs: int, size: int = 1) -> Ran:
    """Run everything that is stored, and check that each job ran once."""
    place.tidy()
    with crew(place, options, jobs, size=size) as workers:
        end = monotonic() + LONGEST
        while not workers.is_near_end(jobs) and not workers.first:
            workers.listen()
            _check_time(end, "the jobs")
        end = monotonic() + SETTLED
        while place.has_live_jobs():
            sleep(LOOK)
            _check_time(end, "the last jobs")
        ended = monotonic_ns()
        if size == 1 and not workers.first:
            workers.first.update(workers.workers[0].wait("all", ENDING))
        peak = workers.peak_rss()
        told = workers.ends()
    _check_once(told, jobs)
    seconds = (ended - min(one["first"] for one in told if one["first"])) / 1e9
    cpu = workers.first["cpu"] if size == 1 else sum(one["cpu"] for one in told)
    return Ran(jobs / seconds, cpu / jobs * 1e6, peak)


def run_first(place: Place, options: Mapping[str, Any], jobs: int, wanted: int) -> Ran:
    """Run the first of many jobs, timed from the first handler to the last of these."""
    place.tidy()
    with crew(place, options, jobs, expected=wanted) as workers:
        end = monotonic() + LONGEST
        while not workers.first:
            workers.listen()
            _check_time(end, "the jobs")
        peak = workers.peak_rss()
        [told] = workers.ends()
    if told["again"]:
        raise AssertionError(f"{told['again']} jobs ran more than once")
    found = workers.first
    seconds = (found["last"] - found["first"]) / 1e9
    return Ran((wanted - 1) / seconds, found["cpu"] / wanted * 1e6, peak)


def _check_once(told: Sequence[Mapping[str, Any]], jobs: int) -> None:
    again = sum(one["again"] for one in told)
    runs = [sum(of_workers) for of_workers in zip(*map(runs_in, told), strict=True)]
    if again or runs != [1] * jobs:
        raise AssertionError(f"{runs.count(1)} of {jobs} jobs ran once, {again} in one again")


def _check_time(end: float, what: str) -> None:
    if monotonic() > end:
        raise AssertionError(f"{what} were not done in time")
