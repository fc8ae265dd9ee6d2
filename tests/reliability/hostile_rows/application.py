"""The application that runs over the rows, and what was heard of it."""

from collections import Counter
from typing import final

import anyio.lowlevel
from anyio import sleep
from attrs import define, field

import bgjobs
from bgjobs.events import ChildCrashed, JobSucceeded, QueueError, StoreFailed

QUEUES = ("one", "two")
WORKERS = ("plain", "capped", "failing")
"""Those of the two queues; the schedule runs `tick`."""
_TOLD = (ChildCrashed, QueueError, StoreFailed)
_KEPT = 8
"""Errors of which the text is kept."""


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
class Heard:
    """Counts what happens; nothing of it is kept, so that memory can be watched."""

    counts: Counter[str] = field(factory=Counter[str])
    ticks: int = 0
    errors: Counter[str] = field(factory=Counter[str])

    def __call__(self, event: bgjobs.Event) -> None:
        """Count an event."""
        self.counts[type(event).__name__] += 1
        if isinstance(event, JobSucceeded) and event.job.name == "tick":
            self.ticks += 1
        if isinstance(event, _TOLD):
            text = f"{type(event).__name__}: {str(event.error)[:300]}"
            if text in self.errors or len(self.errors) < _KEPT:
                self.errors[text] += 1


def config_of(store: bgjobs.Store, heard: Heard | None = None) -> bgjobs.Config:
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
        listeners=[] if heard is None else [heard],
        retention=bgjobs.Retention(interval=2.0),
        sweep_interval=1.0,
        lease=20.0,
        heartbeat_interval=1.0,
        migrate=False,
    )
