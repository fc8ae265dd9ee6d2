"""A snapshot of a running system, and the rates at which jobs end between two snapshots."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Literal, final
from uuid import UUID

from attrs import field, frozen

import bgjobs
from bgjobs.cli.states import COUNT_LIMIT, state_time

Ended = Literal["succeeded", "failed"]
"""The ends that have a rate; a cancelled job is no failure."""
Samples = Mapping[Ended, Sequence[bgjobs.EndedJob]]
_HOUR = timedelta(hours=1)
_RUNNING_SHOWN = 10
_PARENTS_SHOWN = 5
_PARENTS_READ = 1_000
"""Waiting handlers, at most, that are read to find the oldest jobs that run."""
_FAILED_SHOWN = 5
_SCHEDULES_SHOWN = 5
_SAMPLED = 1_000


@final
@frozen
class QueueRow:
    """A queue, and the numbers of its jobs."""

    name: str
    paused: bool
    owners: int
    counts: bgjobs.Counts
    workers: frozenset[str] = frozenset()
    waits: int = 0
    """How many of the running jobs of its owners wait for children."""


@final
@frozen
class Snapshot:
    """What the store held at one time."""

    at: datetime
    seconds: float
    """The same time by the monotonic clock."""
    queues: Sequence[QueueRow]
    counts: bgjobs.Counts
    running: Sequence[bgjobs.Job]
    """The oldest running jobs, without those that wait for children."""
    failed: Sequence[bgjobs.FailedJob]
    """The newest failed jobs."""
    unhandled: Sequence[bgjobs.UnhandledJobs] = ()
    """Jobs that no process runs."""
    waiting_for: timedelta | None = None
    """How long the first due job has waited; None if none is due."""
    minutes: Sequence[bgjobs.Activity] = ()
    """What the queues did in each minute of the last hour, by worker."""
    next_runs: Sequence[bgjobs.ScheduleState] = ()
    """The scheduled jobs that run next, the first one first."""
    samples: Samples = field(factory=dict[Ended, Sequence[bgjobs.EndedJob]])
    """The newest jobs of the states whose counts reach the limit."""
    waits: int = 0
    """How many running jobs wait for children."""
    parents: Sequence[bgjobs.Job] = ()
    """The oldest of these."""
    waits_since: Mapping[UUID, datetime] = field(factory=dict[UUID, datetime])
    """When the waits of the parents were recorded."""
    ids: Mapping[UUID, str] = field(factory=dict[UUID, str])
    """The short forms of the ids of its jobs; ids that are missing here are shown whole."""

    @property
    def activity(self) -> Sequence[bgjobs.Activity]:
        """What the queues did in the last hour, by worker."""
        groups = groupby(self.minutes, key=lambda one: one.worker)
        return [first.plus(*others) for _, (first, *others) in groups]


@final
@frozen
class Outage:
    """A store that cannot be reached."""

    since: datetime
    """When the first snapshot that failed was begun."""
    at: datetime
    reason: str


async def queue_rows(
    client: bgjobs.Client, config: bgjobs.Config, owners: Sequence[bgjobs.LiveOwner]
) -> list[QueueRow]:
    """Return the queues of an application, in the order of its configuration."""
    paused = await client.admin.paused_queues()
    rows: list[QueueRow] = []
    for queue in config.queues:
        workers = frozenset(worker.name for worker in queue.workers)
        counts = await client.count(workers, at_most=COUNT_LIMIT)
        mine = [owner for owner in owners if owner.name == queue.name]
        is_paused = queue.name in paused
        rows.append(QueueRow(queue.name, is_paused, len(mine), counts, workers, waits_of(mine)))
    return rows


def waits_of(owners: Iterable[bgjobs.LiveOwner]) -> int:
    """Return how many handlers of these owners wait for children."""
    return sum(owner.waiting for owner in owners)


async def take_snapshot(client: bgjobs.Client, config: bgjobs.Config) -> Snapshot:
    """Read everything that the live view shows."""
    counts = await client.count(at_most=COUNT_LIMIT)
    owners = await client.admin.owners()
    waits = waits_of(owners)
    held = await _held(client, waits)
    since = await client.waits(*(held if waits else ()))
    return Snapshot(
        datetime.now(UTC),
        time.monotonic(),
        await queue_rows(client, config, owners),
        counts,
        [job for job in held if job.id not in since][:_RUNNING_SHOWN],
        await client.list(bgjobs.JobFilter("failed"), bgjobs.Page(_FAILED_SHOWN)),
        await client.admin.unhandled(),
        _waiting_for(await client.next_due()),
        await client.activity(_HOUR),
        _next_runs(await client.admin.schedules()),
        await _samples(client, counts),
        waits,
        [job for job in held if job.id in since][:_PARENTS_SHOWN],
        since,
    )


async def _held(client: bgjobs.Client, waits: int) -> Sequence[bgjobs.Job]:
    """Return the oldest running jobs: as many that run as are shown, and those that wait."""
    page = bgjobs.Page(_RUNNING_SHOWN + min(waits, _PARENTS_READ))
    return await client.list(bgjobs.JobFilter("running"), page)


def _waiting_for(due: timedelta | None) -> timedelta | None:
    return None if due is None or due > timedelta(0) else -due


def _next_runs(states: Sequence[bgjobs.ScheduleState]) -> Sequence[bgjobs.ScheduleState]:
    planned = [one for one in states if one.occurrence is not None and not one.paused]
    return sorted(planned, key=attrgetter("occurrence.at"))[:_SCHEDULES_SHOWN]


async def _samples(client: bgjobs.Client, counts: bgjobs.Counts) -> Samples:
    found: dict[Ended, Sequence[bgjobs.EndedJob]] = {}
    page = bgjobs.Page(_SAMPLED)
    if counts.succeeded >= COUNT_LIMIT:
        found["succeeded"] = await client.list(bgjobs.JobFilter("succeeded"), page)
    if counts.failed >= COUNT_LIMIT:
        found["failed"] = await client.list(bgjobs.JobFilter("failed"), page)
    return found


@final
@frozen
class Rate:
    """Jobs per second."""

    per_second: float
    is_least: bool = False
    """Whether the true rate may be higher."""

    def __str__(self) -> str:
        return f"{self.per_second:,.1f}{'+' if self.is_least else ''}"


def rate(
    state: Ended, before: Snapshot | None, now: Snapshot, queue: str | None = None
) -> Rate | None:
    """Return how many jobs of a queue, or of all, ended in a state per second.

    Returns:
        None if it cannot be known. Jobs that were deleted or retried between the two snapshots
        are not counted. Where a count reached its limit, the rate comes from the newest jobs.
    """
    if before is None or now.seconds <= before.seconds:
        return None
    seconds = now.seconds - before.seconds
    count = _count(state, now, queue)
    if count >= COUNT_LIMIT:
        return _sampled_rate(state, before, now, queue)
    return Rate(max(0, count - _count(state, before, queue)) / seconds)


def _count(state: Ended, snapshot: Snapshot, queue: str | None) -> int:
    counts = snapshot.counts if queue is None else _row(snapshot, queue).counts
    return counts.succeeded if state == "succeeded" else counts.failed


def _row(snapshot: Snapshot, queue: str) -> QueueRow:
    return next(row for row in snapshot.queues if row.name == queue)


def _sampled_rate(
    state: Ended, before: Snapshot, now: Snapshot, queue: str | None
) -> Rate | None:
    seen, newest = before.samples.get(state), now.samples.get(state)
    if not seen or not newest:
        return None
    # Both times are of the store's clock; the clock of this machine may differ from it.
    latest = max(map(state_time, seen))
    ended = [job for job in newest if state_time(job) > latest]
    mine = ended
    if queue is not None:
        mine = [job for job in ended if job.name in _row(now, queue).workers]
    seconds = now.seconds - before.seconds
    return Rate(len(mine) / seconds, is_least=len(ended) == len(newest))
