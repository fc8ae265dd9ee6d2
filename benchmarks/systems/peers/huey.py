"""huey on SQLite: plain functions, as it has no others, on one thread.

It deletes a job before the handler runs and stores no end, so a crash loses what was running.
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

from benchmarks.databases.scratch import SQLiteSite
from benchmarks.processes.messages import Recorder
from benchmarks.processes.parameters import Plan
from benchmarks.systems.base import Client, Numbered, System

POLL = 0.01
STARTING = 0.5
"""Seconds until its thread looks for jobs; it does not say when."""
Hit = Callable[[int, int], None]


def make(plan: Plan) -> "HueyPeer":
    """Give it on a file of its own."""
    logging.getLogger("huey").setLevel(logging.ERROR)
    site = SQLiteSite(Path(plan.folder, f"{plan.database}.db"))
    return HueyPeer(site, fsync=plan.options["fsync"])


@final
class HueyPeer(System):
    """With a sync of the log at every commit, or with none at all."""

    has_many = False
    live = "select count(*) from task"

    def __init__(self, site: SQLiteSite, *, fsync: bool) -> None:
        self.site = site
        self.version = version("huey")
        self.config = {"fsync": fsync, "workers": "1 thread", "poll": POLL, "journal": "wal"}
        self._fsync = fsync

    async def install(self) -> None:
        huey, _ = self._huey(_ignore)
        huey.storage.close()

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        huey, task = self._huey(_ignore)
        try:
            yield HueyClient(task)
        finally:
            huey.storage.close()

    async def work(self, recorder: Recorder, stop: anyio.Event) -> None:
        huey, _ = self._huey(recorder.hit)
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
        await asyncio.sleep(STARTING)
        recorder.ready()
        await stop.wait()

    def _huey(self, hit: Hit) -> tuple[Any, Any]:
        huey = SqliteHuey(
            "bench", filename=str(self.site.file), fsync=self._fsync, results=False
        )

        @huey.task()
        def noop(i: int, t: int) -> None:
            hit(i, t)

        return huey, noop


@final
@frozen
class HueyClient:
    """Its task, which enqueues when it is called; on the thread of the caller."""

    task: Any

    async def enqueue(self, i: int, t: int) -> None:
        self.task(i, t)

    async def enqueue_many(self, jobs: Sequence[Numbered]) -> None:
        raise NotImplementedError


def _ignore(_: int, __: int) -> None:
    """Stand in for a handler that is never called."""
