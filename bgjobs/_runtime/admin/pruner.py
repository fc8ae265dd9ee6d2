"""Deletes ended jobs that are old enough, a little at a time."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Sequence,
)
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from functools import partial
from heapq import nsmallest
from itertools import count
from typing import Any, final
from uuid import UUID

from anyio import sleep
from attrs import frozen

from bgjobs._core.jobs import FailedJob, SucceededJob
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.persistence.refusals import answered, answering, prune_past_refused
from bgjobs._runtime.persistence.unreadable import listed
from bgjobs._runtime.services import Services
from bgjobs.errors import RowRefusedError, StoreError
from bgjobs.events import ChangeRefused, Pruned, StoreFailed
from bgjobs.stores.operations import Operations
from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store

BATCH = 1000
"""Rows in one transaction: a fraction of a second, so that nobody waits long for it."""
MOST_REFUSED = 10
"""Rows of one kind that may be passed over in one round; the next one ends it for this kind."""


@final
class Pruner:
    """Applies the retention."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._skips: dict[str, int] = {}
        """How many of each kind the last round has passed over, and ended at the next one."""

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            # Told as StoreFailed; the old stays a round, and nothing else depends on it.
            with suppress(StoreError):
                await self.prune()
            await sleep(self._services.config.retention.interval)

    async def prune(self) -> None:
        """Delete everything that is old enough now, but what the database refuses to delete."""
        services, retention = self._services, self._services.config.retention
        total = 0
        ages = {"succeeded_for": retention.succeeded, "failed_for": retention.failed}
        for kind, age in ages.items():
            if age is None:
                continue
            prune = partial(self._prune, {**dict.fromkeys(ages), kind: age})
            async with aclosing(self._pruned(kind, prune)) as counts:
                async for deleted in counts:
                    total += deleted
        if total:
            services.bus.emit(Pruned, total)

    async def _pruned(
        self, kind: str, prune: Callable[[int, int], Awaitable[int]]
    ) -> AsyncGenerator[int]:
        """Yield how many each call has deleted, until the end or until too many are refused.

        The next round begins behind those, and the one that reaches the end lets all be tried.
        """
        refused = partial(_pass_over, self._services.bus, count(1))
        skip = self._skips.get(kind, 0)
        try:
            async with aclosing(prune_past_refused(prune, BATCH, refused, skip)) as counts:
                async for deleted in counts:
                    yield deleted
        except RowRefusedError:
            self._skips[kind] = skip + MOST_REFUSED
        else:
            self._skips[kind] = 0

    async def _prune(self, ages: dict[str, timedelta | None], limit: int, skip: int) -> int:
        services = self._services
        now = services.clock.store_now()
        prune = answering(services.store.prune)
        return answered(
            await services.dispatch.once(prune, **ages, limit=limit, skip=skip, now=now)
        )


def _pass_over(bus: Bus, numbers: Iterator[int], error: RowRefusedError) -> None:
    """Go on, unless too many were refused."""
    bus.emit(StoreFailed, "prune", error)
    if next(numbers) > MOST_REFUSED:
        raise error


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
    services: Services, chosen: Chosen, age: timedelta, limit: int, now: datetime
) -> AsyncGenerator[int]:
    """Yield how many of the chosen jobs each transaction has deleted.

    `ChangeRefused` tells those that the database refused, when all others are gone.
    """
    call, errors = services.dispatch.call, list[RowRefusedError]()

    async def prune(most: int, skip: int) -> int:
        values: dict[str, Any] = {**chosen.ages(age), "limit": most, "now": now}
        if skip:
            values["skip"] = skip
        if chosen.name is None:
            return answered(await call(answering(services.store.prune), **values))
        verb = answering(chosen.operations.prune_worker)
        return answered(await call(verb, chosen.name, **values))

    async with aclosing(prune_past_refused(prune, limit, errors.append)) as counts:
        async for count in counts:
            yield count
    if errors:
        left = await _first(services, chosen, now - age, len(errors))
        for job, error in zip(left, errors, strict=False):
            services.bus.emit(ChangeRefused, "prune", job.id, error)


async def _first(
    services: Services, chosen: Chosen, before: datetime, most: int
) -> list[Ended]:
    """Return the jobs that are passed over first, and ended before an instant."""
    old = [job async for job in _all(services, chosen) if ended_at(job) < before]
    # In the order in which the store passes over them.
    return nsmallest(most, old, key=ended_at if chosen.name is None else _id)


async def _all(services: Services, chosen: Chosen) -> AsyncIterator[Ended]:
    page = Page(500)
    while jobs := await listed(services, chosen.verb(services.store), chosen.name, page):
        for job in jobs:
            yield job
        page = page.behind(jobs)


def ended_at(job: Ended) -> datetime:
    """Return when a job ended."""
    return job.failed_at if isinstance(job, FailedJob) else job.succeeded_at


def _id(job: Ended) -> UUID:
    return job.id
