"""The service that applies the retention, and the deletion of old jobs in batches."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from functools import partial
from heapq import nsmallest
from itertools import count
from typing import final
from uuid import UUID

from anyio import sleep
from attrs import frozen

from bgjobs._core.jobs import EndedJob, EndState, FailedJob, SucceededJob
from bgjobs._core.retention import Retention
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.persistence.reads import each_page
from bgjobs._runtime.persistence.refusals import answered, answering, prune_past_refused
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import RowRefusedError, StoreError
from bgjobs.events import ChangeRefused, Pruned, StoreFailed
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.operations import operations_of

BATCH = 1000
"""Rows in one transaction: a fraction of a second, as other writes may have to wait for it."""
LISTED = 500
"""Jobs that are read at once."""
MOST_REFUSED = 10
"""Refused rows of one state that a round skips; one more ends the round for this state."""


@final
class Pruner:
    """Deletes what is older than the retention, once per interval."""

    def __init__(self, services: ClientServices) -> None:
        self._services = services
        self._skips: dict[EndState, int] = {}
        """Refused rows of each state that the next round skips."""

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            # Reported as StoreFailed; the jobs stay for another round, which harms nothing.
            with suppress(StoreError):
                await self.prune()
            await sleep(self._services.config.retention.interval)

    async def prune(self) -> None:
        """Delete all jobs that are old enough now, except those that the database refuses."""
        total = 0
        for state, age in _ages(self._services.config.retention).items():
            async with aclosing(self._prune_state(state, age)) as counts:
                async for deleted in counts:
                    total += deleted
        if total:
            self._services.bus.emit(Pruned, total)
        await self._prune_audit()

    async def _prune_audit(self) -> None:
        """Delete all entries of the audit that are old enough now."""
        services, age = self._services, self._services.config.retention.audit
        operations = operations_of(services.store)
        if age is None or operations is None:
            return
        now, prune = services.clock.store_now(), operations.prune_audit
        while await services.dispatch.once(prune, age, limit=BATCH, now=now) == BATCH:
            pass

    async def _prune_state(self, state: EndState, age: timedelta) -> AsyncGenerator[int]:
        """Yield how many jobs each call has deleted, until all are or too many were refused.

        In the latter case the next round skips those rows. The round after one that has reached
        the end tries all rows again.
        """
        refused = partial(_skip, self._services.bus, count(1))
        prune = partial(self._prune, state, age)
        skip = self._skips.get(state, 0)
        try:
            async with aclosing(prune_past_refused(prune, BATCH, refused, skip)) as counts:
                async for deleted in counts:
                    yield deleted
        except RowRefusedError:
            self._skips[state] = skip + MOST_REFUSED
        else:
            self._skips[state] = 0

    async def _prune(self, state: EndState, age: timedelta, limit: int, skip: int) -> int:
        services = self._services
        now, prune = services.clock.store_now(), answering(services.store.prune)
        return answered(
            await services.dispatch.once(prune, state, age, limit=limit, skip=skip, now=now)
        )


def _ages(retention: Retention) -> dict[EndState, timedelta]:
    """Return how long ended jobs are kept, for the states that are not kept forever."""
    ages: dict[EndState, timedelta | None] = {
        "succeeded": retention.succeeded,
        "failed": retention.failed,
        "cancelled": retention.cancelled,
    }
    return {state: age for state, age in ages.items() if age is not None}


def _skip(bus: Bus, numbers: Iterator[int], error: RowRefusedError) -> None:
    """Report a refused row, and raise the error if too many were refused."""
    bus.emit(StoreFailed, "prune", error)
    if next(numbers) > MOST_REFUSED:
        raise error


@final
@frozen
class Pruning:
    """Which jobs to delete: of one state, at least this old, and of one worker or of all."""

    state: EndState
    name: str | None
    age: timedelta
    now: datetime


async def prune_jobs(
    services: ClientServices, pruning: Pruning, batch_size: int
) -> AsyncGenerator[int]:
    """Yield how many jobs each transaction has deleted.

    When all others are deleted, `ChangeRefused` reports the ones that the database refused.
    """
    errors, verb = list[RowRefusedError](), answering(services.store.prune)

    async def prune(limit: int, skip: int) -> int:
        call = services.dispatch.call(
            verb,
            pruning.state,
            pruning.age,
            name=pruning.name,
            limit=limit,
            skip=skip,
            now=pruning.now,
        )
        return answered(await call)

    async with aclosing(prune_past_refused(prune, batch_size, errors.append)) as counts:
        async for count in counts:
            yield count
    if errors:
        refused = await _oldest(services, pruning, len(errors))
        for job, error in zip(refused, errors, strict=False):
            services.bus.emit(ChangeRefused, "prune", job.id, error)


async def _oldest(services: ClientServices, pruning: Pruning, most: int) -> list[EndedJob]:
    """Return the jobs that are old enough, in the order in which the store skips them."""
    before, old = pruning.now - pruning.age, list[EndedJob]()
    wanted: JobFilter[EndState] = JobFilter(pruning.state, name=pruning.name)
    async with aclosing(each_page(services, wanted, LISTED)) as pages:
        async for page in pages:
            old += (job for job in page if ended_at(job) < before)
    return nsmallest(most, old, key=ended_at if pruning.name is None else _id)


def ended_at(job: EndedJob) -> datetime:
    """Return when a job ended."""
    if isinstance(job, SucceededJob):
        return job.succeeded_at
    return job.failed_at if isinstance(job, FailedJob) else job.cancelled_at


def _id(job: EndedJob) -> UUID:
    return job.id
