"""procrastinate over async psycopg."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, final

import anyio
import procrastinate
from attrs import frozen

from benchmarks.databases.scratch import PostgresScratch
from benchmarks.processes.messages import Recorder
from benchmarks.processes.parameters import Parameters
from benchmarks.systems.base import Client, Numbered, System, ignore

CONCURRENCY = 10
START = 0.3
"""Seconds until procrastinate listens, which it does not report."""
STOP_TIMEOUT = 3.0
Record = Callable[[int, int], None]


def make(parameters: Parameters) -> "ProcrastinatePeer":
    """Return procrastinate on a database of its own."""
    return ProcrastinatePeer(PostgresScratch(parameters.dsn, parameters.database))


@final
class ProcrastinatePeer(System):
    """Ten slots; every end is a statement of its own, so more slots do not make it faster."""

    live = "select count(*) from procrastinate_jobs where status in ('todo', 'doing')"

    def __init__(self, scratch: PostgresScratch) -> None:
        self.scratch = scratch
        self.config = {"driver": "psycopg", "concurrency": CONCURRENCY, "delete_jobs": "always"}
        self.version = version("procrastinate")

    async def install(self) -> None:
        app, _ = self._app(ignore, connections=2)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        app, task = self._app(ignore, connections=4)
        async with app.open_async():
            yield ProcrastinateClient(task)

    async def work(self, recorder: Recorder, stop: anyio.Event) -> None:
        app, _ = self._app(recorder.record, connections=CONCURRENCY + 4)
        async with app.open_async():
            running = asyncio.create_task(
                app.run_worker_async(
                    concurrency=CONCURRENCY,
                    wait=True,
                    install_signal_handlers=False,
                    delete_jobs="always",
                )
            )
            await asyncio.sleep(START)
            recorder.ready()
            await stop.wait()
            running.cancel()
            await asyncio.wait([running], timeout=STOP_TIMEOUT)

    def _app(self, record: Record, connections: int) -> tuple[procrastinate.App, Any]:
        connector = procrastinate.PsycopgConnector(
            conninfo=self.scratch.url, min_size=2, max_size=connections
        )
        app = procrastinate.App(connector=connector)

        @app.task(name="noop")
        async def noop(i: int, t: int) -> None:
            record(i, t)

        return app, noop


@final
@frozen
class ProcrastinateClient:
    """A task, which defers itself."""

    task: Any

    async def enqueue(self, i: int, t: int) -> None:
        await self.task.defer_async(i=i, t=t)

    async def enqueue_many(self, jobs: Sequence[Numbered]) -> None:
        await self.task.batch_defer_async(*[{"i": i, "t": t} for i, t in jobs])
