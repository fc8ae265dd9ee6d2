"""`JobNursery`: starts jobs as children, and ends after them.

While the block runs, a task of the nursery looks for children that have ended without success.
When the block has ended, the nursery itself looks until no child is live. A look asks about a
few hundred live children at most, so it costs the same for ten children and for ten thousand.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from math import inf
from typing import Any, TypeVar, final
from uuid import UUID

from anyio import CancelScope, current_time, move_on_after, sleep_until
from anyio.lowlevel import checkpoint
from attrs import evolve

from bgjobs._core.exceptions import leaves, unwrapped
from bgjobs._core.jobs import AnyJob, CancelledJob, FailedJob, Job, SucceededJob
from bgjobs._core.outcomes import Cancelled, Discard, Snooze
from bgjobs._core.requests import JobRequest
from bgjobs._runtime.notifications.wakeups import ChildEnds, Wakeup
from bgjobs._runtime.nurseries.child import ChildJob
from bgjobs._runtime.nurseries.parent import Parent, checked_requests
from bgjobs._runtime.persistence.reads import find
from bgjobs._runtime.persistence.results import with_known_reader
from bgjobs._runtime.task_groups import task_group
from bgjobs.errors import (
    ChildCancelledError,
    ChildFailedError,
    ParentLostError,
    StoreUnavailableError,
    UnknownJobError,
)
from bgjobs.stores.pages import Page

R = TypeVar("R")

ENDED = (SucceededJob, FailedJob, CancelledJob)
AMONG = 200
"""Live children about which a look asks."""
AT_ONCE = 1_000
"""Children that are stored in one transaction, and read at once."""
FIRST_LOOK, LONGEST_LOOK, LONGEST_VIRTUAL_LOOK = 0.05, 1.0, 60.0
"""Seconds between two looks, doubling, while no end of a child is noticed.

In virtual time there is no other process whose notices may be lost.
"""
LOOK_PAUSE = 0.005
"""Seconds between two looks of all nurseries of the process, while no end is noticed."""
REST = 0.00005
"""Seconds for each live child between two looks after noticed ends, up to `CHANGE_PAUSE`: looks
for each end would delay the other children, and the handler of a small nursery goes on at once.
"""
CHANGE_PAUSE = 0.1
"""Seconds between two looks while it is only known that the database has changed."""
OVERLAP = timedelta(seconds=30)
"""How long before the last look an end may have been stored that it did not find: the time of
an end is that of its transaction, which commits later."""

SIBLING = "another job of its nursery ended without success"
"""The reason with which the siblings of an unsuccessful child are cancelled."""
LEFT = "the block of its nursery was left by an exception"
"""The reason with which children are cancelled whose parent has raised or was cancelled."""


@final
class JobNursery:
    """Starts jobs as children of a handler or of an application, and ends after them.

    `JobContext.open_nursery` and `BgJobs.open_nursery` make it. It is used in their block.
    """

    def __init__(self, parent: Parent, *, cancel_on_failure: bool) -> None:
        self._parent = parent
        self._cancel_on_failure = cancel_on_failure
        self._children: dict[UUID, ChildJob[Any]] = {}
        """All children, in the order in which they were started."""
        self._live: dict[UUID, ChildJob[Any]] = {}
        """Those that have not ended, as far as is known."""
        self._has_failed = False
        """Whether a child is known to have ended without success."""
        self._are_cancelled = False
        """Whether the live children were asked to end."""
        self._since: datetime | None = None
        self._looked_at = -inf
        self._pause = FIRST_LOOK
        is_virtual = parent.services.clock.inline
        self._longest_look = LONGEST_VIRTUAL_LOOK if is_virtual else LONGEST_LOOK
        self._rest = 0.0 if is_virtual else REST  # a look takes no virtual time
        self._is_open = True
        self._started = Wakeup()
        self.body: CancelScope = CancelScope()
        """Cancelled when a child ends without success."""

    async def enqueue(self, request: JobRequest[R], *, key: str | None = None) -> ChildJob[R]:
        """Start one job as a child. It is stored when this returns.

        If an earlier run of the handler has started the same child, and it is live or has
        succeeded, that child is returned, and nothing is stored. A child that failed or was
        cancelled in an earlier run is started again.

        If this call is cancelled, the child is stored or not; in any case the nursery cancels
        it and waits for it.

        Args:
            request: The job. A request without a priority gets that of the parent less one, so
                that children run before other jobs of their queue.
            key: What identifies the child among the children of its parent: 1 to 200
                printable characters. By default it is made from the worker and the arguments,
                and from a number for equal requests. Set it if the arguments of the same child
                differ between two runs, such as a time or a signed URL.

        Raises:
            TypeError: An argument is not of its type.
            ValueError: The request has a unique key, or `key` is not valid or is taken. Nothing
                was stored.
            NoWorkerForJobError: The configuration has no worker of this name. Nothing was
                stored.
            RuntimeError: The block of the nursery has ended.
            ParentLostError: The parent does not hold any longer, as its process was taken for
                dead. Another one may run the handler again. Nothing was stored.
            NestedTooDeeplyError: 100 parents are above the handler's job. Nothing was stored.
            StoreError: The database refused the job, or has no nurseries. While it is
                unavailable, this waits.
        """
        [asked] = checked_requests([request])
        [child] = await self._start([asked], [self._parent.keys.key_of(asked, key)])
        return child

    async def enqueue_many(self, requests: Iterable[JobRequest[R]]) -> Sequence[ChildJob[R]]:
        """Start many jobs as children; see `enqueue`.

        Each thousand is stored in one transaction. If a request is refused, none is stored.

        Returns:
            The children, in the order of the requests.

        Raises:
            Exception: The same exceptions as `enqueue`.
        """
        asked = checked_requests(requests)
        return await self._start(asked, [self._parent.keys.key_of(one) for one in asked])

    async def _start(
        self, requests: Sequence[JobRequest], keys: Sequence[str]
    ) -> Sequence[ChildJob[Any]]:
        if not self._is_open:
            raise RuntimeError("the block of this nursery has ended, so it starts no job")
        new, started = self._parent.new_children(requests, keys), list[ChildJob[Any]]()
        for first in range(0, len(new), AT_ONCE):
            some = new[first : first + AT_ONCE]
            jobs = await self._parent.start(some)
            started += [
                self._add(job, child.key) for job, child in zip(jobs, some, strict=True)
            ]
        await checkpoint()
        return started

    def _add(self, job: AnyJob[Any], key: str) -> ChildJob[Any]:
        child = self._children[job.id] = ChildJob(job, key, self._wait_for)
        if isinstance(job, Job):
            self._live[job.id] = child
            self._started.set()
        return child

    async def _wait_for(self, child: ChildJob[Any]) -> None:
        if not child.ended.is_set():
            async with self._parent.waiting():
                await child.ended.wait()
        if isinstance(child.job, Job):
            found = await find(self._parent.services, child.id)
            if isinstance(found, ENDED):
                child.end(found)

    async def watch(self) -> None:
        """Look for ends of children until cancelled; end the block after a failure."""
        while True:
            await self._started.wait()
            with self._parent.ends() as ends:
                while self._live:
                    await self._next_look(ends)
                    if self._is_failing:
                        self.body.cancel()
                        return

    async def close(self) -> None:
        """Wait until all children have ended, and read how they ended."""
        self._is_open = False
        await self._look()
        if self._live:
            async with self._parent.waiting():
                await self._follow()
        await self._load()

    async def leave(self, error: BaseException) -> None:
        """Raise what the block has raised, after the end of its children, or without them.

        They are left for the next run of the handler after a `Snooze` and an interruption, and
        if the process ends. Otherwise they are cancelled and waited for.
        """
        self._is_open = False
        if _ends_the_process(error) or isinstance(unwrapped(error), Snooze):
            raise error
        with self._parent.shielded(), suppress(ParentLostError):
            await self._parent.notice_interruption()
            await checkpoint()  # raises if the parent is cut off
            if self._live:
                await self._cancel_live(LEFT)
                async with self._parent.waiting():
                    await self._follow()
            await self._load()
        failed = [one for one in self.errors() if isinstance(one, ChildFailedError)]
        if failed and isinstance(error, Exception) and not isinstance(error, Discard):
            raise ExceptionGroup(self._summary, [error, *failed])
        raise error

    def check(self) -> None:
        """Raise a group of errors if children have ended without success."""
        if errors := self.errors():
            raise ExceptionGroup(self._summary, errors)

    def errors(self) -> list[Exception]:
        """Return an error for each child that has ended without success, in their order."""
        return [
            error
            for child in self._children.values()
            if (error := _error_of(child)) is not None
        ]

    @property
    def _summary(self) -> str:
        return f"{self._parent.label}: children have ended without success"

    @property
    def _is_failing(self) -> bool:
        return self._has_failed and self._cancel_on_failure

    async def _follow(self) -> None:
        """Look until no child is live; cancel those that are left after a failure."""
        with self._parent.ends() as ends:
            while self._live:
                if self._is_failing and not self._are_cancelled:
                    await self._cancel_live(SIBLING)
                await self._next_look(ends)

    async def _next_look(self, ends: ChildEnds) -> None:
        """Wait until a child has ended or for a while, and look."""
        crowd = LOOK_PAUSE * self._parent.services.wakeups.parents
        at = current_time() + max(self._pause, crowd)
        pause = min(2 * self._pause, self._longest_look)
        while not ends.is_known and (left := at - current_time()) > 0:
            with move_on_after(left):
                await ends.wakeup.wait()
                at, pause = min(at, self._looked_at + max(CHANGE_PAUSE, crowd)), FIRST_LOOK
        if ends.is_known:
            ends.is_known, pause = False, FIRST_LOOK
            await sleep_until(self._looked_at + min(CHANGE_PAUSE, self._rest * len(self._live)))
        self._pause, ends.may_have_changed = pause, False
        await self._look()

    async def _look(self) -> None:
        """Find out which children have ended, as far as the first ones are concerned."""
        with suppress(StoreUnavailableError):  # the next look comes after a pause
            while self._live:
                among = [*islice(self._live, AMONG)]
                state = await self._parent.look(among, self._since)
                self._looked_at = current_time()
                self._since = state.now - OVERLAP
                self._has_failed |= any(one in self._children for one in state.unsuccessful)
                for one in set(among).difference(state.live):
                    self._live.pop(one).ended.set()
                if state.live:
                    break

    async def _cancel_live(self, reason: str) -> None:
        self._are_cancelled = True
        cancelled = Cancelled(reason)
        while True:
            with suppress(StoreUnavailableError):
                await self._parent.cancel([*self._live], cancelled)
                break
        await self._look()

    async def _load(self) -> None:
        """Read the children that have ended since they were started."""
        missing = {one for one, child in self._children.items() if isinstance(child.job, Job)}
        if not missing:
            return
        page = Page(AT_ONCE, after=UUID(int=max(0, min(one.int for one in missing) - 1)))
        while missing:
            found = await self._parent.children(page)
            for child in found:
                if child.id in missing and isinstance(child.job, ENDED):
                    ended = with_known_reader(self._parent.services, child.job)
                    self._children[child.id].end(ended)
                missing.discard(child.id)
            if found.after is None:
                return
            page = evolve(page, after=found.after)


@asynccontextmanager
async def open_nursery(
    parent: Parent, *, cancel_on_failure: bool
) -> AsyncGenerator[JobNursery]:
    """Open a nursery for the length of a block; see `JobContext.open_nursery`."""
    nursery = JobNursery(parent, cancel_on_failure=cancel_on_failure)
    try:
        async with task_group() as group:
            group.start_soon(nursery.watch)
            try:
                with nursery.body:
                    yield nursery
            finally:
                group.cancel_scope.cancel()
        await nursery.close()
    except BaseException as error:  # noqa: BLE001 - `leave` raises it again
        await nursery.leave(error)
    nursery.check()


def _ends_the_process(error: BaseException) -> bool:
    return any(isinstance(one, (KeyboardInterrupt, GeneratorExit)) for one in leaves(error))


def _error_of(child: ChildJob[Any]) -> Exception | None:
    match child.job:
        case SucceededJob():
            return None
        case FailedJob():
            return ChildFailedError(child.job)
        case CancelledJob():
            return ChildCancelledError(child.job)
        case _:  # it has ended, and its record was deleted or cannot be read
            return UnknownJobError(child.id)
