"""The application whose web page is measured, and the other things that its pages show."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import anyio

import bgjobs
from benchmarks.databases.ports import Population, Tables, opened
from bgjobs._core.activity import LENGTH, MinuteTotals, ProcessReport
from bgjobs.events import Event, OccurrencePlanned
from bgjobs.stores.operations import Operations
from bgjobs.stores.types import Owner

WORKERS = Population(waiting=0, names=10).worker_names
QUEUES = {"mail": WORKERS[:4], "reports": WORKERS[4:8], "imports": WORKERS[8:]}
SCHEDULED = 10
PROCESSES = 4
UNREADABLE, AUDITED, HELD = 1_000, 500, 10
"""Unreadable rows, entries of the audit, and jobs that each queue of a process runs."""
LEASE = timedelta(hours=10)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)

Work: TypeAlias = bgjobs.Worker[[int, int], Any]


def application(store: bgjobs.Store, *listeners: bgjobs.Listener) -> bgjobs.Config:
    """Return its configuration."""
    workers = {name: _worker(name) for name in WORKERS}
    queues = [bgjobs.Queue(name, workers=[workers[n] for n in QUEUES[name]]) for name in QUEUES]
    scheduled = _scheduled(workers[WORKERS[0]])
    return bgjobs.Config(
        store=store, queues=queues, scheduled_jobs=scheduled, listeners=listeners
    )


def _worker(name: str) -> Work:
    @bgjobs.worker(name=name)
    async def work(i: int, t: int) -> None: ...

    return work


def _scheduled(busy: Work) -> Sequence[bgjobs.ScheduledJob]:
    """Return jobs of a worker of their own, and one whose worker has many other jobs."""

    @bgjobs.worker
    async def nightly() -> None: ...

    new_year = bgjobs.schedules.from_cron("30 2 1 1 *", "UTC")
    names = [f"nightly_{number}" for number in range(1, SCHEDULED)]
    return [
        *(bgjobs.ScheduledJob(nightly, new_year, name=name) for name in names),
        bgjobs.ScheduledJob(busy, new_year, name="nightly_import", request=busy.request(0, 0)),
    ]


def fill(tables: Tables, rows: int) -> None:
    """Store `rows` waiting, succeeded and failed jobs each, and what else pages show.

    Of that there are a week of activity, processes with queues that run jobs, scheduled jobs,
    entries of the audit and unreadable rows.
    """
    anyio.run(_plan, tables.store, backend="trio")
    tables.fill(Population(waiting=rows, finished=rows, names=len(WORKERS)))
    tables.fill_failed(rows, UNREADABLE, before=2 * rows)
    processes = [uuid4() for _ in range(PROCESSES)]
    now = datetime.now(UTC)
    with opened(tables) as store:
        operations = bgjobs.operations_of(store)
        assert operations is not None
        for process in processes:
            node = f"host:{process.int % 10_000}"
            _start_queues(store, node)
            report = ProcessReport(process, node, "1.0", "3", timedelta(0))
            operations.record_activity([], report)
        _count(operations, processes, now)
        _audit(operations)
    tables.analyze()


async def _plan(store: bgjobs.Store) -> None:
    """Store the first occurrences of the scheduled jobs, as a process does that runs them."""
    jobs = _scheduled(_worker(WORKERS[0]))
    planned, done = set[str](), anyio.Event()

    def listen(event: Event) -> None:
        if isinstance(event, OccurrencePlanned):
            planned.add(event.scheduled_job)
            if len(planned) == len(jobs):
                done.set()

    async with bgjobs.run(bgjobs.Config(store=store, scheduled_jobs=jobs, listeners=[listen])):
        await done.wait()


def _start_queues(store: bgjobs.Store, node: str) -> None:
    for queue, names in QUEUES.items():
        owner = Owner(uuid4(), queue, node)
        store.open_owner(owner, LEASE)
        store.reserve(owner.id, names, HELD)


def _count(operations: Operations, owners: Sequence[UUID], now: datetime) -> None:
    """Store what the workers did: by the minute for a day, by the hour for the days before."""
    this = now.replace(second=0, microsecond=0)
    for number in range(6 * DAY // HOUR):
        operations.record_activity([*_totals(this - DAY - HOUR * number, owners[:1])])
    operations.roll_up_activity(now=now)
    for hour in range(DAY // HOUR):
        minutes = [this - HOUR * hour - MINUTE * minute for minute in range(HOUR // MINUTE)]
        operations.record_activity([one for at in minutes for one in _totals(at, owners)])
    operations.roll_up_activity(now=now)  # as processes do every hour


def _totals(at: datetime, owners: Sequence[UUID]) -> Iterator[MinuteTotals]:
    counts = [50, 2, 3, *[1] * (LENGTH - 3)]
    for owner in owners:
        for name in WORKERS:
            yield MinuteTotals(at, name, owner, counts)


def _audit(operations: Operations) -> None:
    for number in range(AUDITED):
        entry = uuid4()
        author = f"user {number % 7}"
        operations.begin_audit(entry, "retry", f"{number} jobs", author=author)
        operations.end_audit(entry, number)
