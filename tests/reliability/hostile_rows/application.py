"""The application that runs while hostile rows are written, and what was observed."""

import resource
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from random import Random
from typing import final
from uuid import UUID

import anyio
import anyio.lowlevel
from anyio import sleep
from anyio.to_thread import run_sync
from attrs import define, field

import bgjobs
from bgjobs.events import ChildCrashed, JobSucceeded, QueueError, StoreFailed
from tests.reliability.hostile_rows.database import TestedDatabase
from tests.reliability.hostile_rows.rows import WORKERS, Row, Rows
from tests.reliability.hostile_rows.values import MOST_LARGE, Values

_WITH_ERROR = (ChildCrashed, QueueError, StoreFailed)
_KEPT = 8
"""The number of errors whose text is kept."""


@bgjobs.worker
async def plain(n: int) -> None:
    await sleep(n % 2 / 50)  # so that rows change while they run


@bgjobs.worker(rate_limit=bgjobs.RateLimit(10_000, 1.0))
async def capped(n: int) -> None: ...


@bgjobs.worker
async def failing(n: int) -> None:
    await anyio.lowlevel.checkpoint()
    raise ValueError("\x1b[31mno")


@bgjobs.worker
async def tick() -> None: ...


@final
@define(eq=False)
class EventCounts:
    """Counts events without keeping them, so that the growth of memory can be measured."""

    counts: Counter[str] = field(factory=Counter[str])
    ticks: int = 0
    errors: Counter[str] = field(factory=Counter[str])

    def __call__(self, event: bgjobs.Event) -> None:
        """Count an event."""
        self.counts[type(event).__name__] += 1
        if isinstance(event, JobSucceeded) and event.job.name == "tick":
            self.ticks += 1
        if isinstance(event, _WITH_ERROR):
            text = f"{type(event).__name__}: {str(event.error)[:300]}"
            if text in self.errors or len(self.errors) < _KEPT:
                self.errors[text] += 1


def config_of(store: bgjobs.Store, events: EventCounts | None = None) -> bgjobs.Config:
    """Return the configuration of this application over a store that has its schema."""
    once = bgjobs.backoff.IMMEDIATE
    return bgjobs.Config(
        store=store,
        queues=[
            bgjobs.Queue(
                "one", workers=[plain], max_retries=1, backoff=once, poll_interval=0.5
            ),
            bgjobs.Queue(
                "two", workers=[capped, failing], max_retries=1, backoff=once, poll_interval=0.5
            ),
        ],
        scheduled_jobs=[bgjobs.ScheduledJob(tick, bgjobs.every(seconds=1), poll_interval=0.5)],
        listeners=[] if events is None else [events],
        retention=bgjobs.Retention(interval=2.0),
        sweep_interval=1.0,
        lease=20.0,
        heartbeat_interval=1.0,
        migrate=False,
    )


BATCH = 25
"""The number of rows that are written before a regular job is enqueued for each queue."""
PATIENCE = 240.0
"""Seconds within which jobs have to end."""
_STATM = Path("/proc/self/statm")


@final
@define(eq=False)
class Observations:
    """What was observed of a run."""

    events: EventCounts = field(factory=EventCounts)
    later_events: EventCounts = field(factory=EventCounts)
    """The events of the application that drained the queues."""
    regular_jobs: set[UUID] = field(factory=set[UUID])
    resident_bytes: list[int] = field(factory=list[int])
    """The resident memory of this process in bytes, after each batch of rows."""

    @property
    def growth(self) -> int:
        """The growth of the process in bytes since a tenth of the rows was written."""
        warm = self.resident_bytes[len(self.resident_bytes) // 10 :]
        return max(warm) - warm[0]


async def run_application(
    database: TestedDatabase, seed: int, rows: int, observed: Observations
) -> None:
    """Write rows while the application runs, half of them without limits of the schema."""
    random = Random(seed)
    made = Rows(random, Values(random, database.is_postgres, MOST_LARGE / 2 / rows)).make(rows)
    config = config_of(database.store("worker"), observed.events)
    async with bgjobs.run(config) as bg:
        for number, batch in enumerate(_batches(made)):
            if number == rows // BATCH // 2:
                await run_sync(database.remove_limits)
            await run_sync(database.write, batch)
            await _enqueue_regular_jobs(bg, observed, number)
            observed.resident_bytes.append(_resident_bytes())
        await _check_alive(bg, observed.events)
        observed.resident_bytes.append(_resident_bytes())


async def drain(database: TestedDatabase, observed: Observations) -> None:
    """Run the application until no job of its workers is due any more."""
    database.free_all()
    async with bgjobs.run(config_of(database.store("worker"), observed.later_events)) as bg:
        with anyio.move_on_after(PATIENCE):
            while await run_sync(database.unfinished, WORKERS):
                await anyio.sleep(0.2)
        await _check_alive(bg, observed.later_events)


async def _enqueue_regular_jobs(bg: bgjobs.BgJobs, observed: Observations, number: int) -> None:
    for worker in (plain, capped):
        job = await bg.enqueue(worker.request(n=number))
        observed.regular_jobs.add(job.id)


async def _check_alive(bg: bgjobs.BgJobs, events: EventCounts) -> None:
    """Wait until a new job of each queue has succeeded, and the schedule has run again."""
    ticks = events.ticks
    with anyio.fail_after(PATIENCE):
        for worker in (plain, capped):
            job = await bg.enqueue(worker.request(n=0))
            assert isinstance(await bg.wait_for(job), bgjobs.SucceededJob)
        while events.ticks < ticks + 2:
            await anyio.sleep(0.1)


def _batches(rows: Iterable[Row]) -> Iterable[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _resident_bytes() -> int:
    return int(_STATM.read_text().split()[1]) * resource.getpagesize()
