"""bgjobs as a system under test: default settings, except for the concurrency.

The speed guard runs this module over two versions of bgjobs, whose internal modules differ. So
what runs imports only public names, and the names of types are imported for the type checker.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import anyio
from attrs import field, frozen

from benchmarks.databases.scratch import PostgresScratch, SQLiteScratch
from benchmarks.processes.messages import Recorder
from benchmarks.processes.parameters import Parameters
from benchmarks.systems.base import Client, Numbered, System, ignore
from bgjobs import Config, PostgresStore, Queue, SQLiteStore, run, worker

if TYPE_CHECKING:
    from bgjobs import BgJobs, Event, Store, Worker

    Handler = Worker[[int, int], Any]

CONCURRENCY = 500
"""Handlers that run at once, in every comparison."""
IO_SECONDS = 0.001

Job = Literal["noop", "io", "sync"]
Record = Callable[[int, int], None]


@final
@frozen(kw_only=True)
class Settings:
    """The `Parameters.options` of bgjobs."""

    store: Literal["sqlite", "postgres"]
    backend: str
    concurrency: int = CONCURRENCY
    job: Job = "noop"
    listener: bool = False
    """Whether a listener gets all events."""
    counted: bool = True
    """Whether bgjobs counts the runs, as it always does in an application."""
    workers: Sequence[str] = ("noop",)
    """The names of the queue's workers; the first is the one that is enqueued."""
    path: str = ""
    """The SQLite file, or "" for one in the folder of the parameters."""
    schema: str = "bgjobs"


def make(parameters: Parameters) -> "BgJobsSystem":
    """Return bgjobs with the options of the parameters."""
    return BgJobsSystem(parameters, Settings(**parameters.options))


@final
class BgJobsSystem(System):
    """One store under one event loop."""

    has_tasks = True

    def __init__(self, parameters: Parameters, settings: Settings) -> None:
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
        self._file = Path(settings.path or Path(parameters.folder, f"{parameters.database}.db"))
        if settings.store == "sqlite":
            self.scratch = SQLiteScratch(self._file)
            prefix = "bgjobs_"
        else:
            self.scratch = PostgresScratch(parameters.dsn, parameters.database)
            prefix = f"{settings.schema}."
        self.live = f"select count(*) from {prefix}jobs"
        self.ended = f"select count(*) from {prefix}jobs_succeeded"

    def store(self) -> "Store":
        """Return a new store on the scratch database."""
        if isinstance(self.scratch, PostgresScratch):
            return PostgresStore(self.scratch.url, schema=self._settings.schema)
        return SQLiteStore(self._file)

    async def install(self) -> None:
        """Run an application once, which migrates the database."""
        async with self.client():
            pass

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        """Run an application that only enqueues."""
        handler = _worker(self._settings.workers[0], ignore, "noop")
        async with run(Config(store=self.store(), enqueue_only=[handler])) as bg:
            yield BgJobsClient(bg, handler)

    async def work(self, recorder: Recorder, stop: anyio.Event) -> None:
        """Run an application with one queue."""
        settings = self._settings
        workers = [_worker(name, recorder.record, settings.job) for name in settings.workers]
        queue = Queue("bench", workers=workers, concurrency=settings.concurrency)
        listeners = [EventCounter()] if settings.listener else []
        config = Config(store=self.store(), queues=[queue], listeners=listeners)
        with nullcontext() if settings.counted else _uncounted():
            async with run(config):
                recorder.ready()
                await stop.wait()


@final
@frozen
class BgJobsClient:
    """Enqueues through a running application."""

    bg: "BgJobs"
    handler: "Handler"

    async def enqueue(self, i: int, t: int) -> None:
        await self.bg.enqueue(self.handler.request(i, t))

    async def enqueue_many(self, jobs: Sequence[Numbered]) -> None:
        await self.bg.enqueue_many([self.handler.request(i, t) for i, t in jobs])


@final
@frozen
class EventCounter:
    """A listener that counts events by name."""

    counts: dict[str, int] = field(factory=dict)

    def __call__(self, event: "Event") -> None:
        name = type(event).__name__
        self.counts[name] = self.counts.get(name, 0) + 1


def _uncounted() -> AbstractContextManager[None]:
    from benchmarks.processes.uncounted import uncounted  # noqa: PLC0415 - not in older versions

    return uncounted()


def _worker(name: str, record: Record, job: Job) -> "Handler":
    if job == "sync":

        @worker(name=name)
        def plain(i: int, t: int) -> None:
            record(i, t)

        return plain
    if job == "io":

        @worker(name=name)
        async def waiting(i: int, t: int) -> None:
            record(i, t)
            await anyio.sleep(IO_SECONDS)

        return waiting

    @worker(name=name)
    async def noop(i: int, t: int) -> None:
        record(i, t)

    return noop
