"""Releases the jobs of owners that have ended: in this process at once, elsewhere by lease.

`Monitor.run` is a child of the supervisor. The registry wakes it when an owner of this process
has ended; at every sweep interval it looks for leases that have ended in any process. It runs
until it is cancelled; releases that have begun are written to their end. While the store is
unavailable it waits, and the next round releases what was left.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from math import inf
from typing import final
from uuid import UUID

from anyio import create_task_group, move_on_after
from attrs import frozen

from bgjobs._core.jobs import Job, Owner, Reservation
from bgjobs._core.outcomes import (
    Crashed,
    Interrupted,
    cancelled_instead,
    settle_unfinished,
)
from bgjobs._core.settlements import Cancel, Fail, Requeue
from bgjobs._runtime.cancellation import run_shielded
from bgjobs._runtime.leases.registry import DeadOwner
from bgjobs._runtime.persistence.reads import each_page, readable
from bgjobs._runtime.persistence.unreadable import set_refused_apart
from bgjobs._runtime.persistence.with_work import end_with_hook, mark_end, report_hook
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import RowRefusedError, StoreError, StoreUnavailableError
from bgjobs.events import (
    JobCancelled,
    JobReleased,
    MonitorFailed,
    MonitorReleased,
    MonitorReleasing,
)
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.nurseries import nurseries_of
from bgjobs.stores.operations import operations_of
from bgjobs.stores.pages import Page
from bgjobs.stores.types import NewJob, Notice, Written

PAGE = 500
"""Jobs that are read at once, and committed together."""


@final
@frozen
class ReleasedJob:
    """What was written about a job that was released."""

    settlement: Fail | Cancel | Requeue
    followers: Sequence[NewJob]
    kept: bool
    """Whether the reservation was still valid, so that it was written."""


@final
@frozen
class Held:
    """A reserved job, and how its run has ended without its handler."""

    job: Job
    owner: Owner
    outcome: Crashed | Interrupted


async def end_cancelled(
    services: WorkerServices, job: Job, put_back: Requeue, written: Written
) -> ReleasedJob | None:
    """End a job that the store did not put back, because an operator has cancelled it.

    Returns:
        What the store has written already; or, for a job that it left reserved, what is written
        here. None if the end was marked, so that `MarkedEnds` writes it.
    """
    held = job.reservation
    settlement = cancelled_instead(put_back, written.cancelled[held])
    if held not in written.still_reserved:
        return ReleasedJob(settlement, (), kept=True)
    return await _end(services, job, settlement)


async def running_jobs(services: WorkerServices, owner: UUID) -> AsyncIterator[Job]:
    """Yield all jobs that an owner holds; they are read page by page."""
    wanted = JobFilter("running", owner=owner)
    async with aclosing(each_page(services, wanted, PAGE)) as pages:
        async for jobs in pages:
            for job in jobs:
                yield job


async def release_owner(services: WorkerServices, dead: DeadOwner) -> None:
    """Release the jobs that a dead owner of this process still holds, and remove the owner."""
    held = [job async for job in running_jobs(services, dead.owner.id)]
    waiting = await _waiting_among(services, held)
    if dead.died:
        services.bus.emit(MonitorReleasing, dead.owner.id, len(held))
    await _give_back(
        services,
        [
            Held(
                job,
                dead.owner,
                Crashed()
                if job.id in dead.culprits
                else Interrupted(counted=job.reservation not in waiting),
            )
            for job in held
        ],
        dead,
    )
    await services.dispatch.call(
        services.store.close_owners, [dead.owner.id], now=services.clock.store_now()
    )
    services.registry.released(dead)


async def sweep(services: WorkerServices) -> bool:
    """Release the jobs of all owners whose lease has ended. Return whether there were any."""
    store, clock = services.store, services.clock
    page, found = Page(PAGE), False

    async def ask(page: Page) -> Sequence[Job]:
        return await services.dispatch.once(store.abandoned, page, now=clock.store_now())

    while jobs := await readable(services, ask, page):
        abandoned = [job for job in jobs if not _is_ours(services, job)]
        if abandoned:
            services.bus.emit(MonitorReleasing, None, len(abandoned))
            await _give_back(services, await _crashed(services, abandoned), None)
        page, found = page.behind(jobs), True  # not the first page again: some jobs may stay
    return found


async def _crashed(services: WorkerServices, jobs: Sequence[Job]) -> Sequence[Held]:
    """Return jobs with the owners that have died; one that is not known has no name."""
    ids = {job.reservation.owner for job in jobs}
    known = await services.dispatch.once(services.store.find_owners, ids)
    owners = {owner.id: owner for owner in known}
    waiting = await _waiting_among(services, jobs)
    return [
        Held(
            job,
            owners.get(held.owner, Owner(held.owner, "", "")),
            Crashed(counted=held not in waiting),
        )
        for job in jobs
        for held in [job.reservation]
    ]


async def _waiting_among(
    services: WorkerServices, jobs: Sequence[Job]
) -> Collection[Reservation]:
    """Return the reservations of jobs whose handlers waited for children."""
    nurseries = nurseries_of(services.store)
    if nurseries is None or not jobs:
        return ()
    reservations = [job.reservation for job in jobs]
    return await services.dispatch.once(nurseries.waiting_among, reservations)


async def forget_ended(services: WorkerServices) -> None:
    """Delete the owners of any process whose lease has ended, and end jobs without parent.

    Rows that the database refuses stay, and are emitted as `StoreFailed`.
    """
    clock, store = services.clock, services.store
    with suppress(RowRefusedError):
        await services.dispatch.once(store.close_owners, (), now=clock.store_now())
    if nurseries := nurseries_of(store):
        with suppress(RowRefusedError):
            await services.dispatch.once(nurseries.end_orphans, now=clock.store_now())
        services.wakeups.notify(Notice(commands=True))


def _is_ours(services: WorkerServices, job: Job) -> bool:
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
    services: WorkerServices, jobs: Iterable[Held], dead: DeadOwner | None
) -> None:
    async with create_task_group() as group:  # so that they are committed together
        for held in jobs:
            group.start_soon(run_shielded, partial(_give_one_back, services, held, dead))


async def _give_one_back(services: WorkerServices, held: Held, dead: DeadOwner | None) -> None:
    job, now = held.job, services.time.shown()
    limits = services.config.limits
    settlement = settle_unfinished(job, held.outcome, limits, now, held.owner)
    try:
        end = await _write(services, job, settlement)
    except StoreError:
        return  # emitted as StoreFailed; the next sweep tries again, and others go on
    if end is None:
        return
    if end.kept:
        report_release(services, job, held.owner.name, end.settlement, dead)
        services.planner.settled(job, end.settlement, end.followers)
    services.announce(Notice(frozenset({job.name})))


async def _write(
    services: WorkerServices, job: Job, settlement: Fail | Requeue
) -> ReleasedJob | None:
    """Return what was written; None if the row was refused, or if the end was marked."""
    try:
        if not isinstance(settlement, Requeue):
            return await _end(services, job, settlement)
        written = await services.settlements.settle(settlement)
        if not written.cancelled:
            return ReleasedJob(settlement, (), not written.lost)
        return await end_cancelled(services, job, settlement, written)
    except RowRefusedError:
        await set_refused_apart(services, job)
        return None


async def _end(
    services: WorkerServices, job: Job, settlement: Fail | Cancel
) -> ReleasedJob | None:
    """End a job; None if its end was marked, as its worker has a function for it."""
    operations = operations_of(services.store)
    if operations is not None and await mark_end(services, operations, settlement):
        services.announce(Notice(commands=True))
        return None
    followers = services.planner.followers(job, settlement)
    if hook := services.workers.hook(job.name, settlement):
        done = await end_with_hook(services, settlement, hook, followers)
        report_hook(services, services.bus, "monitor", job, done)
        return ReleasedJob(settlement, followers, done.kept)
    written = await services.settlements.settle(settlement, followers)
    return ReleasedJob(settlement, followers, not written.lost)


def report_release(
    services: WorkerServices,
    job: Job,
    queue: str,
    settlement: Fail | Cancel | Requeue,
    dead: DeadOwner | None,
) -> None:
    """Emit how the job of an owner was released; `dead` is the owner if it ran here."""
    if job.parent_id is not None:
        services.announce(Notice(parents=frozenset({job.parent_id})))
    services.counts.process.add(job, settlement, None)
    bus = services.planner.bus_for(job, services.bus)
    if isinstance(settlement, Cancel):
        bus.emit(JobCancelled, queue, job, settlement.reason, settlement.by)
        services.wakeups.notify_idle()
    elif isinstance(settlement, Fail):
        bus.emit_failure(MonitorFailed, job, settlement.error)
        services.wakeups.notify_idle()  # it may have been the last one
    elif dead is None or dead.died:
        bus.emit(MonitorReleased, job)
    else:
        bus.emit(JobReleased, queue, job)


FORGET_EVERY = 300.0
"""Seconds between two deletions of owners that held no job when their lease ended."""


@final
class Monitor:
    """Releases the jobs of dead owners, and of leases that have ended."""

    def __init__(self, services: WorkerServices) -> None:
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
