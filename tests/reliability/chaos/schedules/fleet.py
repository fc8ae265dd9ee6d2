"""A fleet: many processes with the same scheduled jobs, and what they leave behind."""

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any, TypeAlias, final

from attrs import frozen

from bgjobs._core.jobs import Job
from bgjobs._core.timestamps import to_microseconds
from bgjobs.testing.contract.steps import enqueued, listed
from tests.fixtures.databases import Database
from tests.reliability.chaos.schedules.checker import FleetObservations, Run, Start, Waiting
from tests.reliability.chaos.schedules.node import ALL_OCCURRENCES, NodeSettings
from tests.reliability.chaos.settings import monotonic

_ROOT = Path(__file__).parents[4]
_PATIENCE = 120.0
"""Seconds that a process may take to start, to stop or to make progress."""
_NODE = (sys.executable, "-m", "tests.reliability.chaos.schedules.node")

Measurements: TypeAlias = dict[str, Any]
"""The measurements of a process, read from JSON, hence Any."""


@final
class Fleet:
    """Running processes with the same scheduled jobs on one database."""

    def __init__(self, settings: NodeSettings) -> None:
        self.settings = settings
        self.killed: dict[int, float] = {}
        """The numbers of killed processes, and when each was killed."""
        self._running: dict[int, subprocess.Popen[str]] = {}
        self._journal = Path(settings.journal)
        self._errors = self._journal.with_suffix(".errors")

    def start(self, count: int) -> None:
        """Start so many more processes, and wait until all of them run."""
        started = [self._start_process() for _ in range(count)]
        self._running |= {one.pid: one for one in started}
        for one in started:
            assert one.stdout is not None
            assert one.stdin is not None
            assert one.stdout.readline() == "started\n", self.errors()
        for one in started:
            _send(one, "measure\n")

    def kill_a_busy_process(self) -> int:
        """Kill a process that has just started a handler, and return its number."""
        seen = len(self.journal())
        self.wait_until(lambda: len(self.journal()) > seen)
        process = int(self.journal()[-1][3])
        victim = self._running.pop(process)
        victim.kill()
        victim.communicate(timeout=_PATIENCE)
        self.killed[process] = monotonic()
        return process

    def wait_until(self, reached: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Poll until a condition holds."""
        deadline = monotonic() + patience
        while not reached():
            assert monotonic() < deadline, self.errors()
            assert all(one.poll() is None for one in self._running.values()), self.errors()
            sleep(0.01)

    def journal(self) -> list[list[Any]]:
        """Return all starts of handlers so far."""
        if not self._journal.exists():
            return []
        text = self._journal.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def errors(self) -> str:
        """Return the stderr of the processes."""
        return self._errors.read_text() if self._errors.exists() else ""

    def stop(self) -> Sequence[Measurements]:
        """Stop all processes at the same time, and return their measurements."""
        for one in self._running.values():
            _send(one, "stop\n")
        measurements = []
        while self._running:
            process, one = self._running.popitem()
            built = one.communicate(timeout=_PATIENCE)[0]
            assert one.returncode == 0, f"process {process}: {self.errors()}"
            measurements.append(json.loads(built))
        return measurements

    def end(self) -> None:
        """Kill the processes that still run."""
        while self._running:
            _, one = self._running.popitem()
            one.kill()
            one.communicate()

    def _start_process(self) -> subprocess.Popen[str]:
        with self._errors.open("ab") as errors:
            return subprocess.Popen(
                [*_NODE, self.settings.to_json()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=_ROOT,
            )


@contextmanager
def fleet(settings: NodeSettings, processes: int) -> Generator[Fleet]:
    """Yield a running fleet."""
    started = Fleet(settings)
    try:
        started.start(processes)
        yield started
    finally:
        started.end()


def _send(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


_COLUMNS = (
    "job text, due bigint, previous bigint, process integer, "
    "began double precision, ended double precision"
)


@final
@frozen
class FleetOutcome:
    """What a fleet has left behind, and the measurements of its processes."""

    observations: FleetObservations
    measurements: Sequence[Measurements]
    errors: str


def run_fleet(
    database: Database,
    settings: NodeSettings,
    processes: int,
    meanwhile: Callable[[Fleet], None],
) -> FleetOutcome:
    """Run a fleet while `meanwhile` runs."""
    store = settings.store()
    store.open()
    try:
        store.migrate()
        _execute(database, f"create table {settings.table} ({_COLUMNS})")
        with fleet(settings, processes) as started:
            meanwhile(started)
            measurements = started.stop()
        waiting = [*enqueued(store), *listed(store, "running")]
    finally:
        store.close()
    runs = _execute(database, f"select * from {settings.table}")
    return FleetOutcome(
        _observations(started, runs, waiting, measurements), measurements, started.errors()
    )


def _observations(
    started: Fleet,
    runs: Sequence[Any],
    waiting: Sequence[Job],
    measurements: Sequence[Measurements],
) -> FleetObservations:
    return FleetObservations(
        names=started.settings.names,
        starts=[Start(*line) for line in started.journal()],
        runs=[Run(*row) for row in runs],
        waiting=[_waiting(job) for job in waiting],
        missed=[
            (one[0], one[1], one[2]) for report in measurements for one in report["missed"]
        ],
        killed=started.killed,
        strict=started.settings.catch_up == ALL_OCCURRENCES,
    )


def _waiting(job: Job) -> Waiting:
    planned = job.occurrence
    assert planned is not None, job
    previous = None if planned.previous is None else to_microseconds(planned.previous)
    return Waiting(planned.recurrence.name, to_microseconds(planned.at), previous)


def _execute(database: Database, statement: str) -> list[Any]:
    connection = database.connect()
    try:
        with connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()
