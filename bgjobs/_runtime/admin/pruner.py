"""The service that applies the retention, and the deletion of old jobs in batches."""

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
"""Rows in one transaction: a fraction of a second, as other writes may have to wait for it."""
MOST_REFUSED = 10
"""Refused rows of one kind that a round skips; one more ends the round for this kind."""


@final
class Pruner:
    """Deletes ended jobs that are older than the retention, once per interval."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._skips: dict[str, int] = {}
        """Refused rows of each kind that the next round skips."""

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            # Reported as StoreFailed; the jobs stay for another round, which harms nothing.
            with suppress(StoreError):
                await self.prune()
            await sleep(self._services.config.retention.interval)

    async def prune(self) -> None:
        """Delete all jobs that are old enough now, except those that the database refuses."""
        services, retention = self._services, self._services.config.retention
        total = 0
        ages = {"succeeded_for": retention.succeeded, "failed_for": retention.failed}
        for kind, age in ages.items():
            if age is None:
                continue
            prune = partial(self._prune, {**dict.fromkeys(ages), kind: age})
            async with aclosing(self._prune_kind(kind, prune)) as counts:
                async for deleted in counts:
                    total += deleted
        if total:
            services.bus.emit(Pruned, total)

    async def _prune_kind(
        self, kind: str, prune: Callable[[int, int], Awaitable[int]]
    ) -> AsyncGenerator[int]:
        """Yield how many jobs each call has deleted, until all are or too many were refused.

        In the latter case the next round skips those rows. The round after one that has reached
        the end tries all rows again.
        """
        refused = partial(_skip, self._services.bus, count(1))
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


def _skip(bus: Bus, numbers: Iterator[int], error: RowRefusedError) -> None:
    """Report a refused row, and raise the error if too many were refused."""
    bus.emit(StoreFailed, "prune", error)
    if next(numbers) > MOST_REFUSED:
        raise error


Ended = SucceededJob | FailedJob


@final
@frozen
class Pruning:
    """Which jobs to delete: of one class, at least this old, and of one worker or of all."""

    operations: Operations
    name: str | None
    kind: type[Ended]
    age: timedelta
    now: datetime

    def ages(self) -> dict[str, timedelta | None]:
        """Return the ages of both kinds; None keeps the jobs of a kind."""
        is_failed = self.kind is FailedJob
        return {
            "succeeded_for": None if is_failed else self.age,
            "failed_for": self.age if is_failed else None,
        }

    def verb(self, store: Store) -> Callable[[str | None, Page], Sequence[Any]]:
        """Return the method of the store that lists jobs of this kind."""
        return store.get_failed if self.kind is FailedJob else store.get_succeeded


async def prune_kind(
    services: Services, pruning: Pruning, batch_size: int
) -> AsyncGenerator[int]:
    """Yield how many jobs each transaction has deleted.

    When all others are deleted, `ChangeRefused` reports the ones that the database refused.
    """
    call, errors = services.dispatch.call, list[RowRefusedError]()

    async def prune(limit: int, skip: int) -> int:
        values: dict[str, Any] = {**pruning.ages(), "limit": limit, "now": pruning.now}
        if skip:
            values["skip"] = skip
        if pruning.name is None:
            return answered(await call(answering(services.store.prune), **values))
        verb = answering(pruning.operations.prune_worker)
        return answered(await call(verb, pruning.name, **values))

    async with aclosing(prune_past_refused(prune, batch_size, errors.append)) as counts:
        async for count in counts:
            yield count
    if errors:
        refused = await _oldest(services, pruning, len(errors))
        for job, error in zip(refused, errors, strict=False):
            services.bus.emit(ChangeRefused, "prune", job.id, error)


async def _oldest(services: Services, pruning: Pruning, most: int) -> list[Ended]:
    """Return the jobs that are old enough, in the order in which the store skips them."""
    before = pruning.now - pruning.age
    old = [job async for job in _all(services, pruning) if ended_at(job) < before]
    return nsmallest(most, old, key=ended_at if pruning.name is None else _id)


async def _all(services: Services, pruning: Pruning) -> AsyncIterator[Ended]:
    page = Page(500)
    while jobs := await listed(services, pruning.verb(services.store), pruning.name, page):
        for job in jobs:
            yield job
        page = page.behind(jobs)


def ended_at(job: Ended) -> datetime:
    """Return when a job ended."""
    return job.failed_at if isinstance(job, FailedJob) else job.succeeded_at


def _id(job: Ended) -> UUID:
    return job.id
