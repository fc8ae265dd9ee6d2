"""pgqueuer over asyncpg, with uvloop as in pgqueuer's own benchmark."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import Any, final

import anyio
import asyncpg
from attrs import frozen
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver

from benchmarks.databases.scratch import PostgresScratch
from benchmarks.processes.messages import Recorder
from benchmarks.processes.parameters import Parameters
from benchmarks.systems.base import Client, Numbered, System

BATCH = 1000
START = 0.5
"""Seconds until pgqueuer listens, which it does not report."""
STOP_TIMEOUT = 3.0


def make(parameters: Parameters) -> "PgQueuerPeer":
    """Return pgqueuer on a database of its own."""
    return PgQueuerPeer(PostgresScratch(parameters.dsn, parameters.database))


@final
class PgQueuerPeer(System):
    """One connection; finished jobs move from their table to a log in batches."""

    uvloop = True
    live = "select count(*) from pgqueuer"

    def __init__(self, scratch: PostgresScratch) -> None:
        self.scratch = scratch
        self.config = {"driver": "asyncpg", "uvloop": True, "batch_size": BATCH}
        self.version = version("pgqueuer")

    async def install(self) -> None:
        async with self._connection() as connection:
            await Queries(AsyncpgDriver(connection)).install()

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        async with self._connection() as connection:
            yield PgQueuerClient(Queries(AsyncpgDriver(connection)))

    async def work(self, recorder: Recorder, stop: anyio.Event) -> None:
        async with self._connection() as connection:
            app = PgQueuer(AsyncpgDriver(connection))

            @app.entrypoint("noop")
            async def noop(job: Any) -> None:
                i, t = job.payload.split()
                recorder.record(int(i), int(t))

            running = asyncio.create_task(
                app.run(batch_size=BATCH, dequeue_timeout=timedelta(seconds=30))
            )
            await asyncio.sleep(START)
            recorder.ready()
            await stop.wait()
            app.shutdown.set()
            await asyncio.wait([running], timeout=STOP_TIMEOUT)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any]:
        connection = await asyncpg.connect(self.scratch.url)
        try:
            yield connection
        finally:
            await connection.close(timeout=STOP_TIMEOUT)


@final
@frozen
class PgQueuerClient:
    """pgqueuer's queries, on one connection."""

    queries: Any

    async def enqueue(self, i: int, t: int) -> None:
        await self.queries.enqueue("noop", b"%d %d" % (i, t), 0)

    async def enqueue_many(self, jobs: Sequence[Numbered]) -> None:
        payloads = [b"%d %d" % job for job in jobs]
        await self.queries.enqueue(["noop"] * len(jobs), payloads, [0] * len(jobs))
