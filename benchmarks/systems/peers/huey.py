"""huey on SQLite, with one thread; its tasks are plain functions.

huey deletes a job before its handler runs and stores no end, so a crash loses running jobs.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import anyio
from attrs import frozen
from huey import SqliteHuey

from benchmarks.databases.scratch import SQLiteScratch
from benchmarks.processes.messages import Recorder
from benchmarks.processes.parameters import Parameters
from benchmarks.systems.base import Client, Numbered, System, ignore

POLL = 0.01
START = 0.5
"""Seconds until its thread looks for jobs, which huey does not report."""
Record = Callable[[int, int], None]


def make(parameters: Parameters) -> "HueyPeer":
    """Return huey on a file of its own."""
    logging.getLogger("huey").setLevel(logging.ERROR)
    scratch = SQLiteScratch(Path(parameters.folder, f"{parameters.database}.db"))
    return HueyPeer(scratch, fsync=parameters.options["fsync"])


@final
class HueyPeer(System):
    """huey with a sync of the log at every commit, or without any."""

    has_many = False
    live = "select count(*) from task"

    def __init__(self, scratch: SQLiteScratch, *, fsync: bool) -> None:
        self.scratch = scratch
        self.version = version("huey")
        self.config = {"fsync": fsync, "workers": "1 thread", "poll": POLL, "journal": "wal"}
        self._fsync = fsync

    async def install(self) -> None:
        huey, _ = self._huey(ignore)
        huey.storage.close()

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        huey, task = self._huey(ignore)
        try:
            yield HueyClient(task)
        finally:
            huey.storage.close()

    async def work(self, recorder: Recorder, stop: anyio.Event) -> None:
        huey, _ = self._huey(recorder.record)
        consumer = huey.create_consumer(
            workers=1,
            worker_type="thread",
            periodic=False,
            initial_delay=POLL,
            backoff=1.0,
            max_delay=POLL,
            check_worker_health=False,
        )
        consumer.start()
        await asyncio.sleep(START)
        recorder.ready()
        await stop.wait()

    def _huey(self, record: Record) -> tuple[Any, Any]:
        huey = SqliteHuey(
            "bench", filename=str(self.scratch.file), fsync=self._fsync, results=False
        )

        @huey.task()
        def noop(i: int, t: int) -> None:
            record(i, t)

        return huey, noop


@final
@frozen
class HueyClient:
    """A task, which enqueues when it is called, on the thread of the caller."""

    task: Any

    async def enqueue(self, i: int, t: int) -> None:
        self.task(i, t)

    async def enqueue_many(self, jobs: Sequence[Numbered]) -> None:
        raise NotImplementedError
