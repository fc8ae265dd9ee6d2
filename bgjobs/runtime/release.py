"""Gives back what owners hold that have ended, whoever they were.

Everything goes through the same fenced settlements as a finished run, so two processes that
release the same job at once cannot both do it.
"""

from collections.abc import AsyncIterator, Sequence
from itertools import chain
from uuid import UUID

from bgjobs.events import (
    JobReleased,
    MonitorFailed,
    MonitorReleased,
    MonitorReleasing,
    OwnerDied,
)
from bgjobs.jobs import Job
from bgjobs.outcomes import Crashed, Interrupted, settle_unfinished
from bgjobs.runtime.engine import Engine
from bgjobs.runtime.leases import DeadOwner
from bgjobs.settlements import Fail, Requeue
from bgjobs.stores.abc import Page

PAGE = 500
"""Jobs that are released in one transaction."""


async def running_jobs(engine: Engine, owner: UUID) -> AsyncIterator[Job]:
    """Give all jobs that an owner holds, page by page."""
    page = Page(PAGE)
    while jobs := await engine.dispatch.call(engine.store.get_running, owner, page):
        for job in jobs:
            yield job
        page = Page(PAGE, after=jobs[-1].id)


async def release_owner(engine: Engine, dead: DeadOwner) -> None:
    """Give back what one owner of this process still holds, and forget it."""
    if dead.died:
        engine.bus.emit(OwnerDied, dead.owner.id, dead.owner.name)
    held = [job async for job in running_jobs(engine, dead.owner.id)]
    if dead.died:
        engine.bus.emit(MonitorReleasing, dead.owner.id, len(held))
    culprits = [job for job in held if job.id in dead.culprits]
    others = [job for job in held if job.id not in dead.culprits]
    await _give_back(engine, culprits, Crashed(), dead)
    await _give_back(engine, others, Interrupted(), dead)
    await engine.dispatch.call(
        engine.store.close_owners, [dead.owner.id], now=engine.clock.store_now()
    )
    engine.registry.released(dead)


async def sweep(engine: Engine) -> None:
    """Give back what owners of any process hold whose lease has ended."""
    store, clock = engine.store, engine.clock
    while jobs := await engine.dispatch.call(store.abandoned, PAGE, now=clock.store_now()):
        engine.bus.emit(MonitorReleasing, None, len(jobs))
        await _give_back(engine, jobs, Crashed(), None)
    await engine.dispatch.call(store.close_owners, (), now=clock.store_now())


async def _give_back(
    engine: Engine, jobs: Sequence[Job], outcome: Crashed | Interrupted, dead: DeadOwner | None
) -> None:
    if not jobs:
        return
    decided = [(job, settle_unfinished(job, outcome, engine.config.limits)) for job in jobs]
    followers = {job.id: engine.planner.followers(job, one) for job, one in decided}
    written = await engine.dispatch.call(
        engine.store.write,
        list(chain.from_iterable(followers.values())),
        [one for _, one in decided],
        now=engine.clock.store_now(),
    )
    for job, settlement in decided:
        if job.reservation not in written.lost:
            _report(engine, job, settlement, dead)
            engine.planner.tell(job, settlement, followers[job.id])
    engine.announce({job.name for job in jobs})


def _report(
    engine: Engine, job: Job, settlement: Fail | Requeue, dead: DeadOwner | None
) -> None:
    bus = engine.planner.bus_of(job, engine.bus)
    if isinstance(settlement, Fail):
        bus.emit(MonitorFailed, job, settlement.error)
    elif dead is None or dead.died:
        bus.emit(MonitorReleased, job)
    else:
        bus.emit(JobReleased, dead.owner.name, job)
