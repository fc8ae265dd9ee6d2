"""Releases what the dead leave behind: owners of this process at once, all others by lease."""

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
"""Jobs that are released in one transaction."""


@final
@frozen
class ReleasedJob:
    """What was written about a job that is given back."""

    settlement: Fail | Requeue
    followers: Sequence[NewJob]
    kept: bool
    """Whether the reservation was still there."""


async def end_cancelled(
    services: Services, job: Job, put_back: Requeue, reason: str
) -> ReleasedJob:
    """End a job that the store did not put back, because an operator has cancelled it.

    It has ended already, but for a run of a schedule: that ends with the run that follows.
    """
    settlement = cancelled_instead(put_back, reason)
    if job.occurrence is None:
        return ReleasedJob(settlement, (), kept=True)
    return await _fail(services, job, settlement)


async def running_jobs(services: Services, owner: UUID) -> AsyncIterator[Job]:
    """Yield all jobs that an owner holds, page by page."""
    page = Page(PAGE)
    while jobs := await listed(services, services.store.get_running, owner, page):
        for job in jobs:
            yield job
        page = page.behind(jobs)


async def release_owner(services: Services, dead: DeadOwner) -> None:
    """Give back what one owner of this process still holds, and forget it."""
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
    """Put back what owners of any process hold whose lease has ended; return if any did."""
    store, clock = services.store, services.clock
    page, found = Page(PAGE), False

    async def ask(page: Page) -> Sequence[Job]:
        return await services.dispatch.once(store.abandoned, page, now=clock.store_now())

    while jobs := await readable(services, ask, page):
        strangers = [job for job in jobs if not _is_ours(services, job)]
        if strangers:
            services.bus.emit(MonitorReleasing, None, len(strangers))
            await _give_back(services, strangers, Crashed(), None)
        page, found = page.behind(jobs), True  # not the first again: some may stay
    return found


async def forget_ended(services: Services) -> None:
    """Forget the owners whose lease has ended, of any process; the next sweep tries again."""
    clock, store = services.clock, services.store
    await services.dispatch.once(store.close_owners, (), now=clock.store_now())


def _is_ours(services: Services, job: Job) -> bool:
    """Say whether its owner is one of this process, which sees to it without any crash.

    After the machine slept, say: then the monitor wakes up together with the owner.
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
        return  # told as StoreFailed; it stays for the next sweep and holds up nobody else
    if written is None:
        return
    end, cancelled = written
    if end.kept:
        _report(services, job, end.settlement, cancelled, dead)
        services.planner.tell(job, end.settlement, end.followers)
    services.announce((job.name,))


async def _write(
    services: Services, job: Job, settlement: Fail | Requeue
) -> tuple[ReleasedJob, str | None] | None:
    """Return what was written, and why it was cancelled; None if its row was refused."""
    try:
        if not isinstance(settlement, Requeue):
            return await _fail(services, job, settlement), None
        settled = await services.settlements.put_back(settlement)
        cancelled = settled.cancelled.get(job.reservation)
        if cancelled is None:
            return ReleasedJob(settlement, (), not settled.lost), None
        return await end_cancelled(services, job, settlement, cancelled), cancelled
    except RowRefusedError:
        await set_refused_apart(services, job)
        return None


async def _fail(services: Services, job: Job, settlement: Fail) -> ReleasedJob:
    followers = services.planner.followers(job, settlement)
    kept = await services.settlements.settle(settlement, followers)
    return ReleasedJob(settlement, followers, kept)


def _report(
    services: Services,
    job: Job,
    settlement: Fail | Requeue,
    cancelled: str | None,
    dead: DeadOwner | None,
) -> None:
    bus = services.planner.bus_of(job, services.bus)
    if cancelled is not None and dead is not None:
        bus.emit(JobCancelled, dead.owner.name, job, cancelled)
        services.wakeups.idle()
    elif isinstance(settlement, Fail):
        bus.emit_failure(MonitorFailed, job, settlement.error)
        services.wakeups.idle()  # it may have been the last one
    elif dead is None or dead.died:
        bus.emit(MonitorReleased, job)
    else:
        bus.emit(JobReleased, dead.owner.name, job)


FORGET_EVERY = 300.0
"""Seconds after which owners are forgotten that held nothing when their lease ended."""


@final
class Monitor:
    """Told of every owner's death by the registry; sweeps ended leases on an interval."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self) -> None:
        """Release first for those who are dead already, then watch, until cancelled."""
        forget_at, interval = -inf, self._services.config.sweep_interval
        while True:
            # All failures are told as StoreFailed; one does not keep the rest from being done.
            with suppress(StoreUnavailableError):
                await self.release_dead()
            try:
                found, now = await sweep(self._services), self._services.clock.monotonic()
            except StoreUnavailableError:
                await self._services.dispatch.recovery.wait(interval)
                continue
            with suppress(StoreUnavailableError):  # it waits for the next round
                if found or now >= forget_at:
                    await forget_ended(self._services)
                    forget_at = now + FORGET_EVERY
            with move_on_after(interval):
                await self._services.registry.wait_dead()

    async def release_dead(self) -> None:
        """Release what the dead owners of this process hold."""
        for dead in self._services.registry.dead():
            await release_owner(self._services, dead)
