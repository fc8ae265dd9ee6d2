"""Writes the ends of jobs that processes without their workers have marked.

An operator or a monitor may end a job whose worker has an `on_failure` function. They mark the
end, and `MarkedEnds.run`, a child of the supervisor, writes it in a process that runs the
worker, in one transaction with what the function writes. `CommandListener` finds the marks. One
process at a time begins with a mark; if it dies, another one begins after the length of a
lease. `run` ends when it is cancelled, which leaves the marks that are not written yet. While
the store is unavailable it leaves them, too, until the commands are read again.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import final

from attrs import evolve

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.jobs import Owner
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.leases.monitor import report_release
from bgjobs._runtime.persistence.unreadable import set_apart, set_refused_apart
from bgjobs._runtime.persistence.with_work import end_with_hook, report_hook
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.operations import Operations, operations_of
from bgjobs.stores.pages import Page, unreadable_in
from bgjobs.stores.types import HookedEnd, MarkedEnd, Notice

PAGE = 100
"""Marks that are read at once."""
MOST_TRIES = 5
"""How often the function may be begun for one mark. One that ends the process never returns."""
_OWNER = Owner(HOOK_OWNER, "on_failure", "")


class UnfinishedHookError(Exception):
    """The function of `on_failure` was begun several times and never returned."""


@final
class MarkedEnds:
    """Writes marked ends of the workers that this process runs."""

    def __init__(self, services: WorkerServices) -> None:
        self._services = services

    async def run(self) -> None:
        """Write the ends whenever some were found, until cancelled."""
        operations = operations_of(self._services.store)
        if operations is None:
            return
        while True:
            names = await self._services.marks.take()
            with suppress(StoreUnavailableError):  # emitted as StoreFailed
                await self._end_all(operations, self._services.run_here(names))

    async def _end_all(self, operations: Operations, names: Collection[str]) -> None:
        page = Page(PAGE)
        while names:
            found: Sequence[MarkedEnd]
            found = await self._services.dispatch.once(operations.marked_ends, names, page)
            for marked in found:
                await self._try_to_end(operations, marked)
            is_less = await set_apart(self._services, unreadable_in(found))
            if len(found) < PAGE and not is_less:
                return
            if found:
                page = evolve(page, after=found[-1].job.id)

    async def _try_to_end(self, operations: Operations, marked: MarkedEnd) -> None:
        """Write an end; one that the database refuses affects its own job only."""
        try:
            await self._end(operations, marked)
        except StoreUnavailableError:
            raise
        except StoreError:  # emitted as StoreFailed
            await set_refused_apart(self._services, marked.job)

    async def _end(self, operations: Operations, marked: MarkedEnd) -> None:
        services, job, end = self._services, marked.job, marked.settlement
        begin, patience = operations.begin_marked, as_duration(services.config.lease)
        now = services.clock.store_now()
        tries = await services.dispatch.once(begin, job.id, patience, now=now)
        if not tries:
            return  # another process writes it, or has done so
        hook = services.workers.hook(job.name, end) if tries <= MOST_TRIES else None
        followers = services.planner.followers(job, end)
        done = await end_with_hook(services, end, hook, followers)
        if tries > MOST_TRIES:
            text = f"it was begun {MOST_TRIES} times and never returned"
            done = HookedEnd(done.kept, UnfinishedHookError(text))
        if done.kept:
            report_hook(services, services.bus, _OWNER.name, job, done)
            report_release(services, job, _OWNER.name, end, None)
            services.planner.settled(job, end, followers)
            services.announce(Notice(frozenset({job.name})))
            services.wakeups.notify_ended()
