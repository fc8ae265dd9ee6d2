"""Steps of test_recovery and recovery_figures: processes that are killed, and what they ran."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, final

from attrs import asdict, frozen

from bgjobs._core.ids import new_ids
from bgjobs._core.jobs import Job
from bgjobs._core.requests import JobRequest
from bgjobs.stores.types import NewJob
from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile
from tests.integration.recovery_worker import Orders
from tests.reliability.chaos.settings import monotonic

PATIENCE = 60.0
"""Seconds until waiting is given up; a safety net, not a measure."""
_ROOT = Path(__file__).parents[2]


@final
@frozen
class Run:
    """A run of a handler that has begun."""

    name: str
    job: str
    process: int
    began: float


@final
class Recovery:
    """A database, its store, and the processes that work on it; a `with` block ends them."""

    def __init__(self, database: Database, folder: Path, **others: Any) -> None:
        self.database = database
        self._commands = orders_on(database, folder, **others)
        self._journal = Path(self._commands.journal)
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._stack = ExitStack()
        self.store = database.store()

    def __enter__(self) -> "Recovery":
        self.store.open()
        self._stack.callback(self.store.close)
        self._stack.callback(self._end)
        with self._stack.pop_all() as undo:
            self.store.migrate()
            self._stack = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(self) -> int:
        """Start a process; gives its number when it runs."""
        command = [sys.executable, "-m", "tests.integration.recovery_worker"]
        process = subprocess.Popen(
            [*command, json.dumps(asdict(self._commands))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        self._processes[process.pid] = process
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        return process.pid

    def kill(self, process: int) -> float:
        """Kill a process; gives the monotonic before."""
        now = monotonic()
        self._processes[process].kill()
        self.wait_ended(process)
        return now

    def wait_ended(self, process: int) -> int:
        """Wait until a process has ended; gives minus the signal that ended it."""
        ended = self._processes.pop(process)
        ended.communicate(timeout=PATIENCE)
        return ended.returncode

    def enqueue(self, *requests: JobRequest) -> list[Job]:
        """Store jobs."""
        new = zip(new_ids(len(requests)), requests, strict=True)
        return list(self.store.write([NewJob(*one) for one in new]).jobs)

    def runs(self, name: str) -> list[Run]:
        """Give the runs of a worker's jobs so far."""
        text = self._journal.read_text() if self._journal.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [one for one in (Run(*json.loads(line)) for line in lines) if one.name == name]

    def wait_for_runs(self, name: str, count: int) -> list[Run]:
        """Wait until so many have begun."""
        wait_until(lambda: len(self.runs(name)) >= count)
        return self.runs(name)

    def _end(self) -> None:
        for process in tuple(self._processes):
            self.kill(process)


def orders_on(database: Database, folder: Path, **others: Any) -> Orders:
    """Give orders to work on one of the databases that tests have."""
    others["journal"] = str(folder / "journal")
    if isinstance(database, PostgresSchema):
        dsn, schema = database.dsn, database.schema
        return Orders(store="postgres", place=dsn, schema=schema, **others)
    assert isinstance(database, SQLiteFile)
    return Orders(store="sqlite", place=str(database.path), schema="", **others)


def wait_until(reached: Callable[[], bool]) -> None:
    """Look again and again: other processes announce nothing."""
    deadline = monotonic() + PATIENCE
    while not reached():
        assert monotonic() < deadline
        sleep(0.005)
