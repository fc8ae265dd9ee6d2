"""Parents of children: the run of a handler, or a block of an application.

A parent makes the calls of the store about its children. Each write has the parent as its
fence, so that a process that has lost the parent changes nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from datetime import datetime
from uuid import UUID

from anyio import CancelScope
from attrs import evolve

from bgjobs._core.arguments import as_requests
from bgjobs._core.ids import new_ids
from bgjobs._core.jobs import AnyJob, Job, Reservation
from bgjobs._core.nurseries import ChildKeys, priority_of_children
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs._runtime.notifications.wakeups import ChildEnds
from bgjobs._runtime.persistence.enqueue import check_known, prepared
from bgjobs._runtime.persistence.results import with_known_reader
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import ParentLostError, StoreError, StoreUnavailableError
from bgjobs.events import JobEnqueued
from bgjobs.stores.nurseries import (
    ChildrenState,
    NewChild,
    Nurseries,
    StoredChild,
    nurseries_of,
)
from bgjobs.stores.pages import Listing, Page
from bgjobs.stores.types import NewJob, Notice

DEFAULT_OPTIONS = JobOptions()


class Parent(ABC):
    """What nurseries share that one handler or one block of an application has opened."""

    def __init__(
        self, services: ClientServices, fence: Reservation | UUID, priority: int
    ) -> None:
        self.services = services
        self.fence = fence
        self.keys: ChildKeys = ChildKeys()
        self.is_cut_off: bool = False
        """Whether it ends without its children, which a later run of the handler adopts."""
        self._options = JobOptions(priority=priority_of_children(priority))
        """Those of a child whose request has none."""
        self._waits: set[CancelScope] = set()

    @property
    def id(self) -> UUID:
        """The id by which the store knows the parent."""
        return self.fence.job_id if isinstance(self.fence, Reservation) else self.fence

    @property
    @abstractmethod
    def label(self) -> str:
        """What it is, for messages."""

    @abstractmethod
    def waiting(self) -> AbstractAsyncContextManager[None]:
        """Return a block in which the parent waits for children, and holds no slot."""

    @abstractmethod
    async def notice_interruption(self) -> None:
        """Return after `cut_off` was called, if that is about to happen.

        What interrupts the parent and what has cancelled its block may be the same.
        """

    @property
    def nurseries(self) -> Nurseries:
        """The methods of the store; `StoreError` if it has none."""
        found = nurseries_of(self.services.store)
        if found is None:
            label = self.services.store.label
            raise StoreError(f"{label}: expected a store with nurseries, found none")
        return found

    def ends(self) -> AbstractContextManager[ChildEnds]:
        """Return a block in which ends of children are noticed."""
        return self.services.wakeups.child_ends(self.id)

    def cut_off(self) -> None:
        """End the waits for children, which are left running."""
        self.is_cut_off = True
        for scope in self._waits:
            scope.cancel()

    @contextmanager
    def shielded(self) -> Generator[None]:
        """Shield the block from every cancellation but that by `cut_off`."""
        with CancelScope(shield=True) as scope:
            self._waits.add(scope)
            if self.is_cut_off:
                scope.cancel()
            try:
                yield
            finally:
                self._waits.remove(scope)

    def new_children(
        self, requests: Sequence[JobRequest], keys: Sequence[str]
    ) -> Sequence[NewChild]:
        """Return what to store for these requests, checked and as `before_enqueue` has it."""
        ready = prepared(self.services, requests)
        check_known(self.services, {request.name for request in ready})
        ids = new_ids(len(ready))
        return [
            NewChild(key, NewJob(one, self._as_child(request)))
            for key, one, request in zip(keys, ids, ready, strict=True)
        ]

    def _as_child(self, request: JobRequest) -> JobRequest:
        options = request.options
        if options == DEFAULT_OPTIONS:  # mostly; to make new options takes longer
            options = self._options
        elif not options.priority:
            options = evolve(options, priority=self._options.priority)
        return JobRequest(request.name, request.payload, options)

    async def start(self, children: Sequence[NewChild]) -> Sequence[AnyJob]:
        """Store children, or find those that an earlier run has stored; one job for each.

        A cancellation is raised between two tries, never while the store is called: so it is
        known afterwards whether the children are stored, unless the store is unavailable.
        """
        tries, dispatch = 0, self.services.dispatch
        while True:
            try:
                with CancelScope(shield=True):
                    return await self._start_once(children)
            except StoreUnavailableError:
                await dispatch.pause(tries)
                tries += 1

    async def _start_once(self, children: Sequence[NewChild]) -> Sequence[AnyJob]:
        jobs = await self.services.dispatch.once(
            self.nurseries.start_children, self.fence, children, now=self._now()
        )
        if jobs is None:
            raise ParentLostError(self.label)
        self._announce(children, jobs)
        return [with_known_reader(self.services, job) for job in jobs]

    def _announce(self, children: Sequence[NewChild], jobs: Sequence[AnyJob]) -> None:
        new = {child.job.id for child in children}
        stored = [job for job in jobs if job.id in new and isinstance(job, Job)]
        for job in stored:
            self.services.bus.emit(JobEnqueued, job)
        if stored:
            self.services.announce(Notice(frozenset(job.name for job in stored)))

    async def look(self, among: Collection[UUID], since: datetime | None) -> ChildrenState:
        """Return which of these are live, and which children ended without success."""
        call = self.services.dispatch.call
        return await call(self.nurseries.look, self.id, among, since, now=self._now())

    async def children(self, page: Page) -> Listing[StoredChild]:
        """Return a page of the children as they are stored."""
        call = self.services.dispatch.call
        return await call(self.nurseries.children, [self.id], page, now=self._now())

    async def cancel(self, children: Collection[UUID], cancelled: Cancelled) -> None:
        """Cancel children, and make the processes that run them notice it at once."""
        call = self.services.dispatch.call
        done = await call(
            self.nurseries.cancel_children, self.fence, cancelled, children, now=self._now()
        )
        if done is None:
            raise ParentLostError(self.label)
        if done.asked:
            self.services.announce(Notice(commands=True))
        if done.ended:
            self.services.wakeups.notify_idle()

    def _now(self) -> datetime | None:
        return self.services.clock.store_now()


def checked_requests(requests: object) -> Sequence[JobRequest]:
    """Return requests for children; raise for what is no request or has a unique key."""
    asked = as_requests("enqueue_many", requests)
    for request in asked:
        if request.options.unique_key is not None:
            raise ValueError(
                f"enqueue: worker {request.name!r}: a child of a nursery cannot have a unique "
                "key: leave .unique(...) out, and pass key= to choose its key in the nursery"
            )
    return asked
