"""Deleting ended jobs for an operator, who is told what the database refuses to delete."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from heapq import nsmallest
from typing import Any, final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import FailedJob, SucceededJob
from bgjobs._runtime.engine import Engine
from bgjobs._runtime.persistence.refusals import answered, answering, prune_past_refused
from bgjobs._runtime.persistence.unreadable import listed
from bgjobs.errors import RowRefusedError
from bgjobs.events import ChangeRefused
from bgjobs.stores.abc import Store
from bgjobs.stores.operations import Operations
from bgjobs.stores.pages import Page

Ended = SucceededJob | FailedJob


@final
@frozen
class Chosen:
    """Which jobs are to be deleted: of one kind, and of one worker or of all."""

    operations: Operations
    name: str | None
    kind: type[Ended]

    def ages(self, age: timedelta) -> dict[str, timedelta | None]:
        """Return the ages of both kinds; None keeps the other one."""
        is_failed = self.kind is FailedJob
        return {
            "succeeded_for": None if is_failed else age,
            "failed_for": age if is_failed else None,
        }

    def verb(self, store: Store) -> Callable[[str | None, Page], Sequence[Any]]:
        """Return the verb that lists this kind."""
        return store.get_failed if self.kind is FailedJob else store.get_succeeded


async def prune_kind(
    engine: Engine, chosen: Chosen, age: timedelta, limit: int, now: datetime
) -> AsyncGenerator[int]:
    """Yield how many of the chosen jobs each transaction has deleted.

    `ChangeRefused` tells those that the database refused, when all others are gone.
    """
    call, errors = engine.dispatch.call, list[RowRefusedError]()

    async def prune(most: int, skip: int) -> int:
        values: dict[str, Any] = {**chosen.ages(age), "limit": most, "now": now}
        if skip:
            values["skip"] = skip
        if chosen.name is None:
            return answered(await call(answering(engine.store.prune), **values))
        verb = answering(chosen.operations.prune_worker)
        return answered(await call(verb, chosen.name, **values))

    async with aclosing(prune_past_refused(prune, limit, errors.append)) as counts:
        async for count in counts:
            yield count
    if errors:
        left = await _first(engine, chosen, now - age, len(errors))
        for job, error in zip(left, errors, strict=False):
            engine.bus.emit(ChangeRefused, "prune", job.id, error)


async def _first(engine: Engine, chosen: Chosen, before: datetime, most: int) -> list[Ended]:
    """Return the jobs that are passed over first, and ended before an instant."""
    old = [job async for job in _all(engine, chosen) if ended_at(job) < before]
    # In the order in which the store passes over them.
    return nsmallest(most, old, key=ended_at if chosen.name is None else _id)


async def _all(engine: Engine, chosen: Chosen) -> AsyncIterator[Ended]:
    page = Page(500)
    while jobs := await listed(engine, chosen.verb(engine.store), chosen.name, page):
        for job in jobs:
            yield job
        page = page.behind(jobs)


def ended_at(job: Ended) -> datetime:
    """Return when a job ended."""
    return job.failed_at if isinstance(job, FailedJob) else job.succeeded_at


def _id(job: Ended) -> UUID:
    return job.id
