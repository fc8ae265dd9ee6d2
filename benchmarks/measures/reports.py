"""Handlers that report progress every millisecond, and what other jobs feel of it."""

from collections import Counter
from functools import partial
from time import monotonic, monotonic_ns
from typing import final

import anyio
from attrs import define, field

import bgjobs
from benchmarks.databases.ports import Database
from benchmarks.report import goals
from benchmarks.report.figures import quantile
from bgjobs.events import Event, JobProgressed, OwnerDied

REPORTERS = 100
INTERVAL = 0.001
"""Seconds between two reports of a handler."""
PAUSE = 0.02
"""Seconds between two other jobs."""
LEASE = 4.0
"""Seconds, so that many heartbeats are due in a short time."""

Values = dict[str, tuple[float, str]]


@final
@define
class _Observed:
    """What a run shows."""

    reports: int = 0
    latencies: list[float] = field(factory=list[float])
    """Milliseconds from the call of `enqueue` to the start of the handler, of other jobs."""
    events: Counter[type] = field(factory=Counter[type])

    def __call__(self, event: Event) -> None:
        if isinstance(event, JobProgressed | OwnerDied):
            self.events[type(event)] += 1


def progress_reports(seconds: float, database: Database, backend: str) -> Values:
    """Measure `REPORTERS` handlers for some seconds, and other jobs beside them.

    The same handlers without reports show what their turns of the event loop cost.
    """
    silent = _observed(seconds, database, backend, reports=False)
    loud = _observed(seconds, database, backend, reports=True)
    stored = loud.events[JobProgressed]
    return {
        "reports of progress": (loud.reports / seconds, "reports/s"),
        goals.REPORT_WRITES: (stored / (REPORTERS * seconds), "writes/s"),
        "pickup p50 beside silent handlers": (quantile(silent.latencies, 0.5), "ms"),
        "pickup p50 beside reports": (quantile(loud.latencies, 0.5), "ms"),
        "pickup p99 beside silent handlers": (quantile(silent.latencies, 0.99), "ms"),
        "pickup p99 beside reports": (quantile(loud.latencies, 0.99), "ms"),
        goals.REPORT_LOSSES: (loud.events[OwnerDied], "leases"),
    }


def _observed(seconds: float, database: Database, backend: str, *, reports: bool) -> _Observed:
    observed = _Observed()
    with database.tables() as tables:
        run = partial(_run, tables.store, seconds, observed, reports=reports)
        anyio.run(run, backend=backend)
    return observed


async def _run(
    store: bgjobs.Store, seconds: float, observed: _Observed, *, reports: bool
) -> None:
    @bgjobs.worker
    async def report(context: bgjobs.JobContext) -> None:
        until = monotonic() + seconds
        while monotonic() < until:
            if reports:
                observed.reports += 1
                await context.report_progress(observed.reports)
            await anyio.sleep(INTERVAL)

    @bgjobs.worker
    async def noop(enqueued: int) -> None:
        observed.latencies.append((monotonic_ns() - enqueued) / 1e6)

    config = bgjobs.Config(
        store=store,
        queues=[
            bgjobs.Queue("reports", workers=[report], concurrency=REPORTERS),
            bgjobs.Queue("others", workers=[noop]),
        ],
        listeners=[observed],
        lease=LEASE,
    )
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many(report.request() for _ in range(REPORTERS))
        until = monotonic() + seconds
        while monotonic() < until:
            await bg.enqueue(noop.request(monotonic_ns()))
            await anyio.sleep(PAUSE)
        await bg.drain()
