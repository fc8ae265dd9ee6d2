"""Processes that are killed while they run jobs, and a record of their runs.

``python -m tests.integration.recovery SETTINGS`` is one of them. It runs jobs until it is
killed, and writes one line to its journal for each run that begins.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, final

import anyio
from attrs import asdict, frozen

import bgjobs
from bgjobs._core.ids import new_ids
from bgjobs._core.jobs import Job
from bgjobs._core.requests import JobRequest
from bgjobs.stores.types import NewJob
from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile
from tests.reliability.chaos.settings import monotonic

JOURNAL: Any = None
"""The open file to which all handlers append."""


@frozen(kw_only=True)
class ProcessSettings:
    """Where to run and how; passed as JSON on the command line."""

    store: str
    place: str
    schema: str
    journal: str
    concurrency: int = 4
    settings: dict[str, Any]
    """Arguments of `Config` that differ from the defaults."""


@bgjobs.worker
async def note(context: bgjobs.JobContext, number: int) -> None:
    """Return at once."""
    write(context)


@bgjobs.worker
async def hang(context: bgjobs.JobContext) -> None:
    """Never return, unless an earlier run crashed."""
    write(context)
    if context.job.crashes == 0:
        await anyio.sleep_forever()


@bgjobs.worker
async def die(context: bgjobs.JobContext) -> None:
    """Kill the process, in each run."""
    write(context)
    os.kill(os.getpid(), signal.SIGKILL)


def write(context: bgjobs.JobContext) -> None:
    """Write the start of a run to the journal, with one call, so that lines do not mix."""
    line = [context.job.name, str(context.job.id), os.getpid(), monotonic()]
    os.write(JOURNAL, f"{json.dumps(line)}\n".encode())


def store_of(process_settings: ProcessSettings) -> bgjobs.Store:
    """Return a closed store."""
    if process_settings.store == "postgres":
        return bgjobs.PostgresStore(
            process_settings.place, schema=process_settings.schema, pool_size=2
        )
    return bgjobs.SQLiteStore(process_settings.place)


async def main(process_settings: ProcessSettings) -> None:
    """Run jobs until killed."""
    queue = bgjobs.Queue(
        "all", workers=[note, hang, die], concurrency=process_settings.concurrency
    )
    config = bgjobs.Config(
        store=store_of(process_settings), queues=[queue], **process_settings.settings
    )
    async with bgjobs.run(config) as bg:
        sys.stdout.write("started\n")
        sys.stdout.flush()
        await bg.run_until_stopped()


PATIENCE = 60.0
"""Seconds to wait for a process or a condition."""
_ROOT = Path(__file__).parents[2]


@final
@frozen
class Run:
    """A run that has begun."""

    name: str
    job: str
    process: int
    began: float


@final
class Recovery:
    """A database, its store, and processes that run its jobs; a `with` block ends them."""

    def __init__(self, database: Database, folder: Path, **others: Any) -> None:
        self.database = database
        self._settings = settings_for(database, folder, **others)
        self._journal = Path(self._settings.journal)
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
        """Start a process, wait until it runs, and return its number."""
        command = [sys.executable, "-m", "tests.integration.recovery"]
        process = subprocess.Popen(
            [*command, json.dumps(asdict(self._settings))],
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
        """Kill a process, and return the time before."""
        now = monotonic()
        self._processes[process].kill()
        self.wait_ended(process)
        return now

    def wait_ended(self, process: int) -> int:
        """Wait until a process has ended, and return its exit code, or minus the signal."""
        ended = self._processes.pop(process)
        ended.communicate(timeout=PATIENCE)
        return ended.returncode

    def enqueue(self, *requests: JobRequest) -> list[Job]:
        """Store jobs."""
        new = zip(new_ids(len(requests)), requests, strict=True)
        return list(self.store.write([NewJob(*one) for one in new]).jobs)

    def runs(self, name: str) -> list[Run]:
        """Return the runs of the jobs of a worker so far."""
        text = self._journal.read_text() if self._journal.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [one for one in (Run(*json.loads(line)) for line in lines) if one.name == name]

    def wait_for_runs(self, name: str, count: int) -> list[Run]:
        """Wait until so many runs have begun, and return them."""
        wait_until(lambda: len(self.runs(name)) >= count)
        return self.runs(name)

    def _end(self) -> None:
        for process in tuple(self._processes):
            self.kill(process)


def settings_for(database: Database, folder: Path, **others: Any) -> ProcessSettings:
    """Return settings for a database."""
    others["journal"] = str(folder / "journal")
    if isinstance(database, PostgresSchema):
        dsn, schema = database.dsn, database.schema
        return ProcessSettings(store="postgres", place=dsn, schema=schema, **others)
    assert isinstance(database, SQLiteFile)
    return ProcessSettings(store="sqlite", place=str(database.path), schema="", **others)


def wait_until(reached: Callable[[], bool]) -> None:
    """Poll until a condition holds."""
    deadline = monotonic() + PATIENCE
    while not reached():
        assert monotonic() < deadline
        sleep(0.005)


if __name__ == "__main__":
    given = ProcessSettings(**json.loads(sys.argv[1]))
    JOURNAL = os.open(given.journal, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    anyio.run(main, given, backend="trio")
