"""Groups of bgjobs worker processes over filled tables: their rate, memory and CPU."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, monotonic_ns, sleep
from typing import Any, final

from attrs import field, frozen

from benchmarks.databases.ports import Tables
from benchmarks.processes.cpu import cpu_seconds_of_all
from benchmarks.processes.messages import runs_in
from benchmarks.processes.parameters import Parameters
from benchmarks.processes.parent import Process, ProcessTimeoutError, child, worker_command
from benchmarks.systems.registry import BGJOBS

EVERY = 250
"""Jobs between two progress messages of a worker."""
POLL = 0.004
MESSAGE_TIMEOUT = 0.05
START_TIMEOUT = 60.0
DRAIN_TIMEOUT = 600.0
LAST_TIMEOUT = 60.0
END_TIMEOUT = 30.0

MIB = 1024 * 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")


@final
@frozen
class Drained:
    """How a drain went."""

    jobs_per_second: float
    cpu_micros: float
    peak_rss: float
    """MiB, of all workers together."""
    server_cpu_micros: float = 0.0
    """0 where no server of this machine serves the workers."""


@final
@frozen
class WorkerGroup:
    """Worker processes, and the messages they have sent so far."""

    workers: Sequence[Process]
    progress: dict[int, int] = field(factory=dict)
    first: dict[str, Any] = field(factory=dict)
    """The message of the first worker that ran all it expected."""

    def read_messages(self) -> None:
        """Read at most one message of each worker."""
        for worker in self.workers:
            try:
                message = worker.next(MESSAGE_TIMEOUT / len(self.workers))
            except ProcessTimeoutError:
                continue
            if message["event"] == "progress":
                self.progress[worker.pid] = message["ran"]
            if message["event"] == "finished":
                self.first.update(message)

    def is_near_end(self, jobs: int) -> bool:
        """Whether so few jobs are left that it is time to query the store."""
        return sum(self.progress.values()) >= jobs - EVERY * len(self.workers)

    def peak_rss(self) -> float:
        """Return the sum of the workers' peak memory in MiB."""
        return sum(peak_rss_mib(worker.pid) for worker in self.workers)

    def stop(self) -> list[dict[str, Any]]:
        """Stop all workers and return their last messages, in order."""
        for worker in self.workers:
            worker.interrupt()
        return [worker.wait("ended", END_TIMEOUT) for worker in self.workers]


@contextmanager
def worker_group(
    tables: Tables, options: Mapping[str, Any], jobs: int, expected: int = 0, size: int = 1
) -> Iterator[WorkerGroup]:
    """Run workers for the length of the block.

    No worker takes jobs before all have started: a start would slow down the other workers.

    Args:
        tables: Where the jobs are.
        options: A part of `benchmarks.systems.bgjobs.Settings`.
        jobs: The number of jobs in the tables.
        expected: The runs after which a worker reports that it finished; `jobs` if 0.
        size: The number of processes.
    """
    with TemporaryDirectory(prefix="bgjobs-bench-") as folder, ExitStack() as stack:
        address = tables.address
        parameters = Parameters(
            module=BGJOBS,
            options={**address.options, **options},
            dsn=address.dsn,
            database=address.database,
            folder=folder,
        )
        command = worker_command(parameters, jobs, expected or jobs, EVERY)
        workers = [stack.enter_context(child(command, parameters.errors)) for _ in range(size)]
        for worker in workers:
            worker.wait("waiting", START_TIMEOUT)
        for worker in workers:
            worker.go()
        yield WorkerGroup(workers)


def drain_all(tables: Tables, options: Mapping[str, Any], jobs: int, size: int = 1) -> Drained:
    """Run all stored jobs, timed from the first handler to the last commit.

    Raises:
        AssertionError: A job did not run exactly once, or the drain took too long.
    """
    tables.analyze()
    before = cpu_seconds_of_all(tables.server_processes())
    with worker_group(tables, options, jobs, size=size) as group:
        end = monotonic() + DRAIN_TIMEOUT
        while not group.is_near_end(jobs) and not group.first:
            group.read_messages()
            _check_time(end, "the jobs")
        end = monotonic() + LAST_TIMEOUT
        while tables.has_live_jobs():
            sleep(POLL)
            _check_time(end, "the last jobs")
        ended = monotonic_ns()
        if size == 1 and not group.first:
            group.first.update(group.workers[0].wait("finished", END_TIMEOUT))
        peak = group.peak_rss()
        of_server = cpu_seconds_of_all(tables.server_processes()) - before
        messages = group.stop()
    check_ran_once(messages, jobs)
    seconds = (ended - min(one["first"] for one in messages if one["first"])) / 1e9
    cpu = group.first["cpu"] if size == 1 else sum(one["cpu"] for one in messages)
    return Drained(jobs / seconds, cpu / jobs * 1e6, peak, of_server / jobs * 1e6)


def drain_first(
    tables: Tables, options: Mapping[str, Any], jobs: int, measured: int
) -> Drained:
    """Run the first `measured` of `jobs`, timed from the first handler to the last of these.

    Raises:
        AssertionError: A job ran more than once, or the drain took too long.
    """
    tables.analyze()
    with worker_group(tables, options, jobs, expected=measured) as group:
        end = monotonic() + DRAIN_TIMEOUT
        while not group.first:
            group.read_messages()
            _check_time(end, "the jobs")
        peak = group.peak_rss()
        [message] = group.stop()
    if message["repeated"]:
        raise AssertionError(f"{message['repeated']} jobs ran more than once")
    found = group.first
    seconds = (found["last"] - found["first"]) / 1e9
    return Drained((measured - 1) / seconds, found["cpu"] / measured * 1e6, peak)


def check_ran_once(messages: Sequence[Mapping[str, Any]], jobs: int) -> None:
    """Raise AssertionError unless the last messages of all workers show one run of each job."""
    repeated = sum(one["repeated"] for one in messages)
    runs = [sum(of_workers) for of_workers in zip(*map(runs_in, messages), strict=True)]
    if repeated or runs != [1] * jobs:
        raise AssertionError(
            f"{runs.count(1)} of {jobs} jobs ran once, {repeated} ran again in one worker"
        )


def _check_time(end: float, what: str) -> None:
    if monotonic() > end:
        raise AssertionError(f"{what} were not finished in time")


def rss_mib(pid: int) -> float:
    """Return the memory that a process uses now."""
    resident = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    return int(resident) * _PAGE / MIB


def peak_rss_mib(pid: int) -> float:
    """Return the most memory that a process has used since it started."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    [peak] = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024 / MIB
