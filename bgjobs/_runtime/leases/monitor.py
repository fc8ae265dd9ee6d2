"""Releases the jobs of owners that have ended: in this process at once, elsewhere by lease.

`Monitor.run` is a child of the supervisor. The registry wakes it when an owner of this process
has ended; at every sweep interval it looks for leases that have ended in any process. It runs
until it is cancelled; releases that have begun are written to their end. While the store is
unavailable it waits, and the next round releases what was left.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import final
from uuid import UUID

from anyio import create_task_group, move_on_after
from attrs import frozen

from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import Crashed, Interrupted, cancelled_instead, settle_unfinished
from bgjobs._core.settlements import Fail, Requeue
from bgjobs._runtime.cancellation import run_shielded
from bgjobs._runtime.leases.registry import DeadOwner
from bgjobs._runtime.persistence.unreadable import listed, readable, set_refused_apart
from bgjobs._runtime.services import Services
from bgjobs.errors import RowRefusedError, StoreError, StoreUnavailableError
from bgjobs.events import (
    JobCancelled,
    JobReleased,
    MonitorFailed,
    MonitorReleased,
    MonitorReleasing,
)
from bgjobs.stores.pages import Page
from bgjobs.stores.types import NewJob

PAGE = 500
"""Jobs that are read at once, and committed together."""


@final
@frozen
class ReleasedJob:
    """What was written about a job that was released."""

    settlement: Fail | Requeue
    followers: Sequence[NewJob]
    kept: bool
    """Whether the reservation was still valid, so that it was written."""


async def end_cancelled(
    services: Services, job: Job, put_back: Requeue, reason: str
) -> ReleasedJob:
    """End a job that the store did not put back, because an operator has cancelled it.

    The store has ended it already, unless it is a run of a schedule: that is ended here,
    together with the next run.
    """
    settlement = cancelled_instead(put_back, reason)
    if job.occurrence is None:
        return ReleasedJob(settlement, (), kept=True)
    return await _fail(services, job, settlement)


async def running_jobs(services: Services, owner: UUID) -> AsyncIterator[Job]:
    """Yield all jobs that an owner holds; they are read page by page."""
    page = Page(PAGE)
    while jobs := await listed(services, services.store.get_running, owner, page):
        for job in jobs:
            yield job
        page = page.behind(jobs)


async def release_owner(services: Services, dead: DeadOwner) -> None:
    """Release the jobs that a dead owner of this process still holds, and remove the owner."""
    held = [job async for job in running_jobs(services, dead.owner.id)]
    if dead.died:
        services.bus.emit(MonitorReleasing, dead.owner.id, len(held))
    culprits = [job for job in held if job.id in dead.culprits]
    others = [job for job in held if job.id not in dead.culprits]
    await _give_back(services, culprits, Crashed(), dead)
    await _give_back(services, others, Interrupted(), dead)
    await services.dispatch.call(
        services.store.close_owners, [dead.owner.id], now=services.clock.store_now()
    )
    services.registry.released(dead)


async def sweep(services: Services) -> bool:
    """Release the jobs of all owners whose lease has ended. Return whether there were any."""
    store, clock = services.store, services.clock
    page, found = Page(PAGE), False

    async def ask(page: Page) -> Sequence[Job]:
        return await services.dispatch.once(store.abandoned, page, now=clock.store_now())

    while jobs := await readable(services, ask, page):
        abandoned = [job for job in jobs if not _is_ours(services, job)]
        if abandoned:
            services.bus.emit(MonitorReleasing, None, len(abandoned))
            await _give_back(services, abandoned, Crashed(), None)
        page, found = page.behind(jobs), True  # not the first page again: some jobs may stay
    return found


async def forget_ended(services: Services) -> None:
    """Delete the owners of any process whose lease has ended."""
    clock, store = services.clock, services.store
    await services.dispatch.once(store.close_owners, (), now=clock.store_now())


def _is_ours(services: Services, job: Job) -> bool:
    """Whether its owner belongs to this process, which ends the owner without a crash.

    For example after the machine slept: then the monitor wakes up together with the owner.
    """
    for lease in services.registry.alive():
        if lease.owner.id == job.reserved_by:
            lease.refused = True
            lease.over.set()
            return True
    return any(dead.owner.id == job.reserved_by for dead in services.registry.dead())


async def _give_back(
    services: Services,
    jobs: Iterable[Job],
    outcome: Crashed | Interrupted,
    dead: DeadOwner | None,
) -> None:
    async with create_task_group() as group:  # so that they are committed together
        for job in jobs:
            group.start_soon(
                run_shielded, partial(_give_one_back, services, job, outcome, dead)
            )


async def _give_one_back(
    services: Services, job: Job, outcome: Crashed | Interrupted, dead: DeadOwner | None
) -> None:
    settlement: Fail | Requeue = settle_unfinished(job, outcome, services.config.limits)
    try:
        written = await _write(services, job, settlement)
    except StoreError:
        return  # emitted as StoreFailed; the next sweep tries again, and others go on
    if written is None:
        return
    end, cancelled = written
    if end.kept:
        _report(services, job, end.settlement, cancelled, dead)
        services.planner.settled(job, end.settlement, end.followers)
    services.announce((job.name,))


async def _write(
    services: Services, job: Job, settlement: Fail | Requeue
) -> tuple[ReleasedJob, str | None] | None:
    """Return what was written, and why the job was cancelled; None if its row was refused."""
    try:
        if not isinstance(settlement, Requeue):
            return await _fail(services, job, settlement), None
        written = await services.settlements.settle(settlement)
        cancelled = written.cancelled.get(job.reservation)
        if cancelled is None:
            return ReleasedJob(settlement, (), not written.lost), None
        return await end_cancelled(services, job, settlement, cancelled), cancelled
    except RowRefusedError:
        await set_refused_apart(services, job)
        return None


async def _fail(services: Services, job: Job, settlement: Fail) -> ReleasedJob:
    followers = services.planner.followers(job, settlement)
    written = await services.settlements.settle(settlement, followers)
    return ReleasedJob(settlement, followers, not written.lost)


def _report(
    services: Services,
    job: Job,
    settlement: Fail | Requeue,
    cancelled: str | None,
    dead: DeadOwner | None,
) -> None:
    bus = services.planner.bus_for(job, services.bus)
    if cancelled is not None and dead is not None:
        bus.emit(JobCancelled, dead.owner.name, job, cancelled)
        services.wakeups.notify_idle()
    elif isinstance(settlement, Fail):
        bus.emit_failure(MonitorFailed, job, settlement.error)
        services.wakeups.notify_idle()  # it may have been the last one
    elif dead is None or dead.died:
        bus.emit(MonitorReleased, job)
    else:
        bus.emit(JobReleased, dead.owner.name, job)


FORGET_EVERY = 300.0
"""Seconds between two deletions of owners that held no job when their lease ended."""


@final
class Monitor:
    """Releases the jobs of dead owners, and of leases that have ended."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self) -> None:
        """Release the jobs of owners that are dead already, then watch, until cancelled."""
        forget_at, interval = -inf, self._services.config.sweep_interval
        while True:
            # Failures are emitted as StoreFailed; after one, the other steps are still done.
            with suppress(StoreUnavailableError):
                await self.release_dead()
            try:
                found, now = await sweep(self._services), self._services.clock.monotonic()
            except StoreUnavailableError:
                await self._services.dispatch.recovery.wait(interval)
                continue
            with suppress(StoreUnavailableError):  # the next round tries again
                if found or now >= forget_at:
                    await forget_ended(self._services)
                    forget_at = now + FORGET_EVERY
            with move_on_after(interval):
                await self._services.registry.wait_dead()

    async def release_dead(self) -> None:
        """Release the jobs of all dead owners of this process."""
        for dead in self._services.registry.dead():
            await release_owner(self._services, dead)
