"""Deleting ended jobs for an operator, who is told what the database refuses to delete."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from heapq import nsmallest
from typing import Any

from bgjobs.errors import RowRefusedError
from bgjobs.events import ChangeRefused
from bgjobs.jobs import FailedJob, SucceededJob
from bgjobs.runtime.engine import Engine
from bgjobs.runtime.isolating import prune_past_refused
from bgjobs.runtime.unreadable import listed
from bgjobs.stores.pages import Page

Ended = SucceededJob | FailedJob


async def prune_kind(
    engine: Engine, kind: type[Ended], age: timedelta, limit: int, now: datetime
) -> AsyncGenerator[int]:
    """Yield how many jobs of one kind each transaction has deleted.

    `ChangeRefused` tells those that the database refused, when all others are gone.
    """
    store, call = engine.store, engine.dispatch.call
    is_failed = kind is FailedJob
    before, errors = now - age, list[RowRefusedError]()

    async def prune(most: int, skip: int) -> int:
        return await call(
            store.prune,
            succeeded_for=None if is_failed else age,
            failed_for=age if is_failed else None,
            limit=most,
            now=now,
            **({"skip": skip} if skip else {}),
        )

    async with aclosing(prune_past_refused(prune, limit, errors.append)) as counts:
        async for count in counts:
            yield count
    if errors:
        get = store.get_failed if is_failed else store.get_succeeded
        left = await _oldest(engine, get, before, len(errors))
        for job, error in zip(left, errors, strict=False):
            engine.bus.emit(ChangeRefused, "prune", job.id, error)


async def _oldest(
    engine: Engine,
    get: Callable[[str | None, Page], Sequence[Any]],
    before: datetime,
    most: int,
) -> list[Ended]:
    """Return the jobs that ended first, and before an instant: those that are left."""
    old = [job async for job in _all(engine, get) if ended_at(job) < before]
    return nsmallest(most, old, key=ended_at)


async def _all(
    engine: Engine, get: Callable[[str | None, Page], Sequence[Any]]
) -> AsyncIterator[Ended]:
    page = Page(500)
    while jobs := await listed(engine, get, None, page):
        for job in jobs:
            yield job
        page = page.behind(jobs)


def ended_at(job: Ended) -> datetime:
    """Return when a job ended."""
    return job.failed_at if isinstance(job, FailedJob) else job.succeeded_at
