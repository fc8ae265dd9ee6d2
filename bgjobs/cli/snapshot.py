"""One look at a running system."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import final
from uuid import UUID

from attrs import field, frozen

import bgjobs
from bgjobs.cli.counting import AT_MOST
from bgjobs.cli.states import AnyJob, State

_RUNNING_SHOWN = 10
_FAILED_SHOWN = 5
_SAMPLED = 1_000


@final
@frozen
class QueueRow:
    """A queue with what is in it."""

    name: str
    paused: bool
    owners: int
    counts: bgjobs.Counts
    workers: frozenset[str] = frozenset()


@final
@frozen
class Look:
    """How it was at one moment."""

    at: datetime
    seconds: float
    """By a clock that is never set."""
    queues: Sequence[QueueRow]
    counts: bgjobs.Counts
    running: Sequence[AnyJob]
    """The oldest."""
    failed: Sequence[AnyJob]
    """The newest."""
    unhandled: Sequence[bgjobs.UnhandledJobs] = ()
    """Those that no process runs."""
    samples: Mapping[State, Sequence[AnyJob]] = field(factory=dict[State, Sequence[AnyJob]])
    """Newest jobs of those states of which there are too many to be counted."""
    ids: Mapping[UUID, str] = field(factory=dict[UUID, str])
    """What is shown of the ids of its jobs; the others are shown whole."""


@final
@frozen
class Away:
    """A store that cannot be reached."""

    since: datetime
    """When the first look began that failed."""
    at: datetime
    reason: str


async def queue_rows(admin: bgjobs.Admin, config: bgjobs.Config) -> list[QueueRow]:
    """Look at the queues of an application."""
    paused = await admin.paused_queues()
    owners = [owner.name for owner in await admin.owners()]
    rows: list[QueueRow] = []
    for queue in config.queues:
        workers = frozenset(worker.name for worker in queue.workers)
        counts = await admin.count(workers, at_most=AT_MOST)
        is_paused, running = queue.name in paused, owners.count(queue.name)
        rows.append(QueueRow(queue.name, is_paused, running, counts, workers))
    return rows


async def look(admin: bgjobs.Admin, config: bgjobs.Config) -> Look:
    """Look at everything that a live view shows."""
    counts = await admin.count(at_most=AT_MOST)
    return Look(
        datetime.now(UTC),
        time.monotonic(),
        await queue_rows(admin, config),
        counts,
        await admin.list("running", page=bgjobs.Page(_RUNNING_SHOWN)),
        await admin.list("failed", page=bgjobs.Page(_FAILED_SHOWN)),
        await admin.unhandled(),
        await _samples(admin, counts),
    )


async def _samples(
    admin: bgjobs.Admin, counts: bgjobs.Counts
) -> Mapping[State, Sequence[AnyJob]]:
    found: dict[State, Sequence[AnyJob]] = {}
    if counts.succeeded >= AT_MOST:
        found["succeeded"] = await admin.list("succeeded", page=bgjobs.Page(_SAMPLED))
    if counts.failed >= AT_MOST:
        found["failed"] = await admin.list("failed", page=bgjobs.Page(_SAMPLED))
    return found
