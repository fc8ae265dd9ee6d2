"""The start page of a system: what waits, what was done, what fails, what comes next."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, final

from attrs import frozen

from bgjobs import (
    Activity,
    Client,
    Config,
    Counts,
    JobFilter,
    LiveOwner,
    Page,
    ScheduleState,
)
from bgjobs.web.links import Links
from bgjobs.web.pages.attention import concerns_of
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.pages.parts import by_worker
from bgjobs.web.present.charts import Bucket, stacked_bars
from bgjobs.web.present.error_groups import ErrorGroup, error_groups
from bgjobs.web.present.text import plural

AT_MOST = 100_000
"""Where counting stops."""
FAILURES = 200
"""How many of the latest failed jobs are grouped by their errors."""
SHOWN = 10
"""Rows of each table, at most."""
FRESH, EXAMINED = 2.0, 60.0
"""Seconds for which requests share what was read, and what takes longer to examine."""
STATES = ("waiting", "delayed", "running", "succeeded", "failed", "cancelled", "unreadable")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@final
@frozen
class ShownTime:
    """A time that the page can show, and the length of its parts."""

    name: str
    title: str
    last: timedelta
    step: timedelta


SPANS = (
    ShownTime("1h", "the last hour", HOUR, MINUTE),
    ShownTime("24h", "the last 24 hours", 24 * HOUR, 15 * MINUTE),
    ShownTime("7d", "the last 7 days", 7 * 24 * HOUR, 2 * HOUR),
)


@final
@frozen
class QueueUse:
    """A queue of the configuration, in all processes."""

    name: str
    paused: bool
    running: int
    slots: int
    """The jobs that all processes together run at once."""
    waits: int
    """The jobs that wait for children, and hold no slot."""


@final
@frozen
class Overview:
    """What the page shows, as it was read at one time."""

    at: datetime
    counts: Counts
    waiting_for: timedelta | None
    """How long the first due job has waited; None if none is due."""
    parts: Sequence[Activity]
    """What each worker did in each part of the time shown."""
    waits: int
    """How many running jobs wait for children."""
    queues: Sequence[QueueUse]
    failures: Sequence[ErrorGroup]
    next_runs: Sequence[ScheduleState]


async def read_overview(client: Client, config: Config, span: ShownTime) -> Overview:
    """Read what the page shows."""
    counts = await client.count(at_most=AT_MOST)
    due = await client.next_due()
    parts = await client.activity(span.last, span.step)
    failed = await client.list(JobFilter("failed"), Page(FAILURES))
    owners = await client.admin.owners()
    return Overview(
        config.clock.now(),
        counts,
        -due if due is not None and due < timedelta(0) else None,
        parts,
        sum(one.waiting for one in owners),
        _queues(config, await client.admin.paused_queues(), owners),
        error_groups(failed)[:SHOWN],
        _next_runs(await client.admin.schedules()),
    )


def _queues(
    config: Config, paused: Collection[str], owners: Sequence[LiveOwner]
) -> Sequence[QueueUse]:
    rows: list[QueueUse] = []
    for queue in config.queues:
        mine = [owner for owner in owners if owner.name == queue.name]
        waits, slots = sum(one.waiting for one in mine), queue.concurrency * len(mine)
        running = sum(one.running for one in mine) - waits
        rows.append(QueueUse(queue.name, queue.name in paused, running, slots, waits))
    return rows


def _next_runs(states: Sequence[ScheduleState]) -> Sequence[ScheduleState]:
    planned = [one for one in states if one.occurrence is not None and not one.paused]
    return sorted(planned, key=attrgetter("occurrence.at"))[:SHOWN]


def buckets(parts: Sequence[Activity], span: ShownTime, now: datetime) -> Sequence[Bucket]:
    """Return the ends of all workers in each part of a time, also where nothing ended."""
    found: dict[datetime, list[Activity]] = defaultdict(list)
    for one in parts:
        found[one.at].append(one)
    first = now - span.last
    begin = first - (first - _EPOCH) % span.step
    count = (now - begin) // span.step + 1
    return [_bucket(at, found[at]) for at in (begin + span.step * n for n in range(count))]


def _bucket(at: datetime, parts: Sequence[Activity]) -> Bucket:
    if not parts:
        return Bucket(at)
    whole = parts[0].plus(*parts[1:])
    return Bucket(at, whole.succeeded, whole.failed, whole.retried, whole.cancelled)


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return what the page shows, for the time in its query."""
    query = page.request.query_params
    span = next((one for one in SPANS if one.name == query.get("span")), SPANS[0])
    worker = query.get("worker") or None
    read = partial(read_overview, page.client, page.config, span)
    found = await page.shared.get(("overview", span.name), read, FRESH)
    examine = partial(concerns_of, page.client, page.config)
    return {
        "found": found,
        "states": [(state, getattr(found.counts, state)) for state in STATES],
        "at_most": AT_MOST,
        "failures_read": FAILURES,
        "spans": SPANS,
        "address": partial(_address, page.links),
        **_runs(found, span, worker),
        "concerns": await page.shared.get("concerns", examine, EXAMINED),
    }


def _address(links: Links, span: ShownTime, worker: str | None) -> str:
    """Return the address of this page for a time, and for one worker or all."""
    of_worker = {} if worker is None else {"worker": worker}
    return links.page("/", span=span.name, **of_worker)


def _runs(found: Overview, span: ShownTime, worker: str | None) -> Mapping[str, Any]:
    """Return what the page shows of the runs of one worker, or of all."""
    parts = [one for one in found.parts if worker in (None, one.worker)]
    workers = sorted(by_worker(parts).values(), key=attrgetter("ended"), reverse=True)
    title = f"Runs that ended in {span.title}, in parts of {_words(span.step)}"
    return {
        "span": span,
        "worker": worker,
        "workers": workers[:SHOWN],
        "more_workers": max(0, len(workers) - SHOWN),
        "total": workers[0].plus(*workers[1:]) if workers else None,
        "minutes": span.last / MINUTE,
        "chart": stacked_bars(title, buckets(parts, span, found.at)),
        "durations": _durations(workers[:SHOWN]),
    }


def _words(step: timedelta) -> str:
    if step < HOUR:
        return plural(step // MINUTE, "minute")
    return plural(step // HOUR, "hour")


def _durations(workers: Sequence[Activity]) -> Mapping[str, Sequence[timedelta | None]]:
    """Return p50, p95 and p99 of each worker; None where no run has a duration."""

    def of(found: Activity, share: float) -> timedelta | None:
        seconds = found.quantile(share)
        return None if seconds is None else timedelta(seconds=seconds)

    return {one.worker: [of(one, share) for share in (0.5, 0.95, 0.99)] for one in workers}


OVERVIEW = WebPage("/", "Overview", "overview.html", load, live="overview_live.html")
