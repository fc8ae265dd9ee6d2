"""The upper limit on PostgreSQL: only the necessary SQL, in one Python process, over psycopg.

There are no retries and no heartbeats, and leases are written but never read. One connection
listens, one claims and one completes: while a batch is completed, the next one is claimed and
its handlers run.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any, final

import anyio
import psycopg
from attrs import frozen

from benchmarks.databases.scratch import PostgresScratch
from benchmarks.processes.messages import Recorder
from benchmarks.processes.parameters import Parameters
from benchmarks.systems.base import Client, Numbered, System

BATCH = 500
SCHEMA = (
    """
    create table jobs (
        id bigint generated always as identity primary key, queue text not null,
        kind text not null, state text not null default 'available',
        priority smallint not null default 0, attempt smallint not null default 0,
        run_at timestamptz not null default now(),
        created_at timestamptz not null default now(),
        leased_by text, leased_until timestamptz, args jsonb not null
    )
    """,
    """
    create index jobs_fetch on jobs (queue, priority, run_at, id) where state = 'available'
    """,
    """
    create table done (
        id bigint primary key, queue text not null, kind text not null, args jsonb not null,
        finished_at timestamptz not null default now()
    )
    """,
)
INSERT = """
with new as (insert into jobs (queue, kind, args) values ('q', 'noop', %s::jsonb) returning id)
select id, pg_notify('bg', 'q') from new
"""
INSERT_MANY = """
with new as (
    insert into jobs (queue, kind, args)
    select 'q', 'noop', one::jsonb from unnest(%s::text[]) as one returning id
), notified as (select pg_notify('bg', 'q'))
select id from new, notified
"""
CLAIM = """
update jobs set
    state = 'running', attempt = attempt + 1,
    leased_by = 'w', leased_until = now() + interval '30 s'
where id in (
    select id from jobs where state = 'available' and queue = 'q' and run_at <= now()
    order by priority, run_at, id for update skip locked limit %s
)
returning id, args::text
"""
DONE = """
with deleted as (
    delete from jobs where id = any(%s::bigint[]) and state = 'running'
    returning id, queue, kind, args
)
insert into done (id, queue, kind, args) select * from deleted
"""


def make(parameters: Parameters) -> "BarePostgres":
    """Return the loop on a database of its own."""
    return BarePostgres(PostgresScratch(parameters.dsn, parameters.database))


@final
class BarePostgres(System):
    """The most that one Python process can do."""

    live = "select count(*) from jobs"
    ended = "select count(*) from done"

    def __init__(self, scratch: PostgresScratch) -> None:
        self.scratch: PostgresScratch = scratch
        self.config = {"driver": "psycopg", "connections": 3, "batch": BATCH}
        self.version = version("psycopg")

    async def install(self) -> None:
        async with await self._connect() as connection:
            for statement in SCHEMA:
                await connection.execute(statement)

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        async with await self._connect() as connection:
            yield BareClient(connection)

    async def work(self, recorder: Recorder, stop: anyio.Event) -> None:
        async with (
            await self._connect() as claiming,
            await self._connect() as completing,
            await self._connect() as listening,
            asyncio.TaskGroup() as tasks,
        ):
            loop = Loop(recorder, claiming, completing)
            await listening.execute("listen bg")
            others = [
                tasks.create_task(loop.listen(listening)),
                tasks.create_task(loop.complete()),
                tasks.create_task(loop.claim()),
            ]
            recorder.ready()
            await stop.wait()
            for task in others:
                task.cancel()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(self.scratch.url, autocommit=True)
        connection.prepare_threshold = 1
        return connection


@final
@frozen
class BareClient:
    """One connection."""

    connection: psycopg.AsyncConnection[Any]

    async def enqueue(self, i: int, t: int) -> None:
        cursor = await self.connection.execute(INSERT, (json.dumps({"i": i, "t": t}),))
        await cursor.fetchall()

    async def enqueue_many(self, jobs: Sequence[Numbered]) -> None:
        texts = [json.dumps({"i": i, "t": t}) for i, t in jobs]
        cursor = await self.connection.execute(INSERT_MANY, (texts,))
        await cursor.fetchall()


@final
class Loop:
    """Tasks that claim, run and complete jobs concurrently."""

    def __init__(
        self,
        recorder: Recorder,
        claiming: psycopg.AsyncConnection[Any],
        completing: psycopg.AsyncConnection[Any],
    ) -> None:
        self._recorder = recorder
        self._claiming = claiming
        self._completing = completing
        self._wake, self._ended = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[int] = []

    async def listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        async for _ in connection.notifies():
            self._wake.set()

    async def claim(self) -> None:
        while True:
            self._wake.clear()
            cursor = await self._claiming.execute(CLAIM, (BATCH,))
            rows = await cursor.fetchall()
            for job, args in rows:
                task = asyncio.create_task(self._run(job, args))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            while len(self._tasks) + len(self._done) > 2 * BATCH:
                await asyncio.sleep(0)
            if not rows:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), 1.0)

    async def complete(self) -> None:
        while True:
            await self._ended.wait()
            self._ended.clear()
            done, self._done = self._done, []
            await self._completing.execute(DONE, (done,))

    async def _run(self, job: int, args: str) -> None:
        await self._noop(**json.loads(args))
        self._done.append(job)
        self._ended.set()

    async def _noop(self, i: int, t: int) -> None:
        self._recorder.record(i, t)
