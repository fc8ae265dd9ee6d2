"""The queues: what runs them, what waits for them, and how fast they are."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, final

from attrs import frozen

from bgjobs import Activity, Config, Counts, LiveOwner, Queue
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.pages.parts import by_worker, part, portion
from bgjobs.web.present.numbers import rate_text

MOST_COUNTED, LEAST_COUNTED = 100_000, 1_000
"""Where counting the jobs of a queue stops: with one queue, and with many."""
MOST_ELSEWHERE = 100
_HOUR, _STEP = timedelta(hours=1), timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_ENDS = ("succeeded", "failed", "retried", "cancelled")


@final
@frozen
class ListedQueue:
    """A queue of the configuration; what the store refused to return is None."""

    queue: Queue
    is_paused: bool | None
    owners: Sequence[LiveOwner] | None
    counts: Counts | None
    rates: Sequence[str] | None
    """How many runs ended per minute, by how they ended."""

    @property
    def processes(self) -> int | None:
        """How many processes run it."""
        return None if self.owners is None else len(self.owners)

    @property
    def slots(self) -> int | None:
        """How many of its jobs may run at once, if all processes have these settings."""
        return None if self.owners is None else len(self.owners) * self.queue.concurrency

    @property
    def running(self) -> int | None:
        """How many jobs its processes run, without those that wait for children."""
        found = self.owners
        return None if found is None else sum(one.running - one.waiting for one in found)

    @property
    def waits(self) -> int | None:
        """How many jobs of its processes wait for children."""
        return None if self.owners is None else sum(one.waiting for one in self.owners)


@final
@frozen
class OtherQueue:
    """A queue or a scheduled job that only other configurations have."""

    name: str
    is_paused: bool
    processes: int
    running: int
    waits: int


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return the queues of the configuration, and those that run without being in it."""
    paused = await part(page.client.admin.paused_queues())
    owners = await part(page.client.admin.owners())
    shown = portion(page, "/queues", page.config.queues)
    at_most = max(LEAST_COUNTED, MOST_COUNTED // max(1, len(shown.rows)))
    rates = await _rates(page, shown.rows)
    elsewhere = [*_elsewhere(page.config, owners or (), paused or frozenset())]
    return {
        "portion": shown,
        "rows": [
            ListedQueue(
                queue=queue,
                is_paused=None if paused is None else queue.name in paused,
                owners=None if owners is None else _of(queue, owners),
                counts=await _counts(page, queue, at_most),
                rates=None if rates is None else rates[queue.name],
            )
            for queue in shown.rows
        ],
        "at_most": at_most,
        "kinds": _ENDS,
        "elsewhere": elsewhere[:MOST_ELSEWHERE],
        "more_elsewhere": len(elsewhere) - MOST_ELSEWHERE,
        "is_complete": paused is not None and owners is not None,
        "has_rates": rates is not None,
        "has_waits": any(one.waiting for one in owners or ()),
    }


def _of(queue: Queue, owners: Sequence[LiveOwner]) -> Sequence[LiveOwner]:
    return [one for one in owners if one.name == queue.name]


async def _counts(page: PageRequest, queue: Queue, at_most: int) -> Counts | None:
    names = [worker.name for worker in queue.workers]
    return await part(page.client.count(names, at_most=at_most))


async def _rates(
    page: PageRequest, queues: Sequence[Queue]
) -> Mapping[str, Sequence[str]] | None:
    """Return the rates of each queue, or None if the store refuses to return them."""
    names = sorted({worker.name for queue in queues for worker in queue.workers})
    activity = await part(page.client.activity(_HOUR, _STEP, names=names))
    if activity is None:
        return None
    sums = by_worker(activity)
    # The first part begins before the hour, at a whole multiple of the step.
    minutes = (_HOUR + (page.config.clock.now() - _EPOCH) % _STEP) / _MINUTE
    return {
        queue.name: _rates_of([sums[w.name] for w in queue.workers if w.name in sums], minutes)
        for queue in queues
    }


def _rates_of(parts: Sequence[Activity], minutes: float) -> Sequence[str]:
    return [rate_text(sum(getattr(one, kind) for one in parts) / minutes) for kind in _ENDS]


def _elsewhere(
    config: Config, owners: Sequence[LiveOwner], paused: frozenset[str]
) -> Iterator[OtherQueue]:
    known = {queue.name for queue in config.queues}
    known |= {job.name for job in config.scheduled_jobs}
    others = [one for one in owners if one.name not in known]
    processes = Counter(one.name for one in others)
    running, waits = Counter[str](), Counter[str]()
    for one in others:
        running[one.name] += one.running - one.waiting
        waits[one.name] += one.waiting
    for name in sorted({*processes, *(paused - known)}):
        yield OtherQueue(name, name in paused, processes[name], running[name], waits[name])


QUEUES = WebPage("/queues", "Queues", "queues.html", load, live="queues_live.html")
