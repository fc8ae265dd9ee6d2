"""One look at a running system, and what happened between two."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import final

from attrs import frozen

import bgjobs
from bgjobs.cli.counting import AT_MOST
from bgjobs.cli.states import AnyJob

_RUNNING_SHOWN = 10
_FAILED_SHOWN = 5


@final
@frozen
class QueueRow:
    """A queue with what is in it."""

    name: str
    paused: bool
    owners: int
    counts: bgjobs.Counts


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


@final
@frozen
class Rates:
    """Jobs per second that ended between two looks; None where counting ended too early."""

    succeeded: float | None
    failed: float | None


UNKNOWN = Rates(None, None)


async def queue_rows(admin: bgjobs.Admin, config: bgjobs.Config) -> list[QueueRow]:
    """Look at the queues of an application."""
    paused = await admin.paused_queues()
    owners = await admin.owners()
    return [
        QueueRow(
            queue.name,
            queue.name in paused,
            sum(1 for owner in owners if owner.name == queue.name),
            await admin.count([worker.name for worker in queue.workers], at_most=AT_MOST),
        )
        for queue in config.queues
    ]


async def look(admin: bgjobs.Admin, config: bgjobs.Config) -> Look:
    """Look at everything that a live view shows."""
    return Look(
        datetime.now(UTC),
        time.monotonic(),
        await queue_rows(admin, config),
        await admin.count(at_most=AT_MOST),
        await admin.list("running", page=bgjobs.Page(_RUNNING_SHOWN)),
        await admin.list("failed", page=bgjobs.Page(_FAILED_SHOWN)),
    )


def rates(before: bgjobs.Counts, now: bgjobs.Counts, seconds: float) -> Rates:
    """Compare two counts; jobs that were deleted or retried meanwhile are not seen."""
    return Rates(
        _rate(before.succeeded, now.succeeded, seconds),
        _rate(before.failed, now.failed, seconds),
    )


def _rate(before: int, now: int, seconds: float) -> float | None:
    if now >= AT_MOST or seconds <= 0:
        return None
    return max(0, now - before) / seconds


def queue_rates(before: Look | None, now: Look) -> dict[str, Rates]:
    """Compare the queues of two looks."""
    if before is None:
        return {row.name: UNKNOWN for row in now.queues}
    past = {row.name: row.counts for row in before.queues}
    seconds = now.seconds - before.seconds
    return {row.name: rates(past[row.name], row.counts, seconds) for row in now.queues}


def all_rates(before: Look | None, now: Look) -> Rates:
    """Compare all jobs of two looks."""
    if before is None:
        return UNKNOWN
    return rates(before.counts, now.counts, now.seconds - before.seconds)
