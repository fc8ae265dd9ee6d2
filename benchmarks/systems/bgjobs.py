"""bgjobs as one of the systems, with its default settings but for the concurrency."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, final

import anyio
from attrs import field, frozen

from benchmarks.databases.scratch import PostgresSite, SQLiteSite
from benchmarks.processes.messages import Recorder
from benchmarks.processes.parameters import Plan
from benchmarks.systems.base import Client, Numbered, System
from bgjobs import BgJobs, Config, PostgresStore, Queue, SQLiteStore, Store, Worker, run, worker
from bgjobs.events import Event

CONCURRENCY = 500
"""Handlers at once in every comparison."""
IO_SECONDS = 0.001

Job = Literal["noop", "io", "sync"]
Hit = Callable[[int, int], None]
Handler = Worker[[int, int], Any]


@final
@frozen(kw_only=True)
class Settings:
    """What `Plan.options` may say of bgjobs."""

    store: Literal["sqlite", "postgres"]
    backend: str
    concurrency: int = CONCURRENCY
    job: Job = "noop"
    listener: bool = False
    """Whether all events are listened to."""
    workers: Sequence[str] = ("noop",)
    """The names of the queue's workers; the first is the one that is enqueued."""
    path: str = ""
    """The SQLite file, where it is not the plan's own."""
    schema: str = "bgjobs"


def make(plan: Plan) -> "Ours":
    """Give bgjobs as the plan wants it."""
    return Ours(plan, Settings(**plan.options))


@final
class Ours(System):
    """One store under one event loop."""

    has_tasks = True

    def __init__(self, plan: Plan, settings: Settings) -> None:
        self._settings = settings
        self.backend = settings.backend
        self.version = version("bgjobs")
        self.config = {
            "queue": f'Queue("bench", workers=[noop], concurrency={settings.concurrency})',
            "store": "SQLiteStore, synchronous=FULL (defaults)"
            if settings.store == "sqlite"
            else "PostgresStore (defaults)",
            "event loop": settings.backend,
        }
        self._file = Path(settings.path or Path(plan.folder, f"{plan.database}.db"))
        if settings.store == "sqlite":
            self.site = SQLiteSite(self._file)
            self._prefix = "bgjobs_"
        else:
            self.site = PostgresSite(plan.dsn, plan.database)
            self._prefix = f"{settings.schema}."
        self.live = f"select count(*) from {self._prefix}jobs"
        self.ended = f"select count(*) from {self._prefix}jobs_succeeded"

    def store(self) -> Store:
        """Describe a store on the site."""
        if isinstance(self.site, PostgresSite):
            return PostgresStore(self.site.url, schema=self._settings.schema)
        return SQLiteStore(self._file)

    async def install(self) -> None:
        """Migrate."""
        store = self.store()
        store.open()
        try:
            store.migrate()
        finally:
            store.close()

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        """Run an application that only enqueues."""
        handler = _worker(self._settings.workers[0], _ignore, "noop")
        async with run(Config(store=self.store(), enqueue_only=[handler])) as bg:
            yield OurClient(bg, handler)

    async def work(self, recorder: Recorder, stop: anyio.Event) -> None:
        """Run an application with one queue."""
        settings = self._settings
        workers = [_worker(name, recorder.hit, settings.job) for name in settings.workers]
        queue = Queue("bench", workers=workers, concurrency=settings.concurrency)
        listeners = [Heard()] if settings.listener else []
        async with run(Config(store=self.store(), queues=[queue], listeners=listeners)):
            recorder.ready()
            await stop.wait()


@final
@frozen
class OurClient:
    """Enqueues through a running application."""

    bg: BgJobs
    handler: Handler

    async def enqueue(self, i: int, t: int) -> None:
        await self.bg.enqueue(self.handler.request(i, t))

    async def enqueue_many(self, jobs: Sequence[Numbered]) -> None:
        await self.bg.enqueue_many([self.handler.request(i, t) for i, t in jobs])


@final
@frozen
class Heard:
    """A listener that counts."""

    counts: dict[str, int] = field(factory=dict)

    def __call__(self, event: Event) -> None:
        name = type(event).__name__
        self.counts[name] = self.counts.get(name, 0) + 1


def _worker(name: str, hit: Hit, job: Job) -> Handler:
    if job == "sync":

        @worker(name=name)
        def plain(i: int, t: int) -> None:
            hit(i, t)

        return plain
    if job == "io":

        @worker(name=name)
        async def waiting(i: int, t: int) -> None:
            hit(i, t)
            await anyio.sleep(IO_SECONDS)

        return waiting

    @worker(name=name)
    async def noop(i: int, t: int) -> None:
        hit(i, t)

    return noop


def _ignore(_: int, __: int) -> None:
    """Stand in for a handler that is never called."""
