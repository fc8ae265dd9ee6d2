"""The nursery of a handler: its parent is the running job.

While the handler waits for children it holds no slot. It is interrupted at once when its queue
stops: another process, or the next start, runs it again, and it adopts its children.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from itertools import takewhile
from typing import final

from anyio.lowlevel import checkpoint

from bgjobs._core.history import PastReservation
from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import Snooze
from bgjobs._runtime.nurseries.nursery import JobNursery, open_nursery
from bgjobs._runtime.nurseries.parent import Parent
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.places import Places
from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import TooManyWaitingError
from bgjobs.events import JobPostponed

POSTPONED, MOST_DOUBLED = 1, 6
"""Seconds after which a job is run again that found too many handlers waiting, doubled for each
time in a row, so often at most: the jobs for which they wait may have a lower priority."""


@final
class HandlerParent(Parent):
    """The job that one attempt runs, as the parent of its children."""

    def __init__(
        self,
        services: WorkerServices,
        state: QueueState,
        places: Places,
        notice_cancellation: Callable[[], Awaitable[None]],
        attempt: Attempt,
    ) -> None:
        super().__init__(services, attempt.job.reservation, attempt.job.priority)
        self._worker_services = services
        self._state = state
        self._places = places
        self._attempt = attempt
        self._notice_cancellation = notice_cancellation
        self.waits: int = 0
        """In how many tasks the handler waits for children."""

    @property
    def label(self) -> str:
        """The id and the worker of the job."""
        return f"job {self._attempt.job.id} of worker {self._attempt.job.name!r}"

    async def notice_interruption(self) -> None:
        """Return after the parent was cut off, if its slot is cancelled at this moment."""
        await self._notice_cancellation()

    def open(self, *, cancel_on_failure: bool) -> AbstractAsyncContextManager[JobNursery]:
        """Open one of the nurseries of the handler."""
        return open_nursery(self, cancel_on_failure=cancel_on_failure)

    @asynccontextmanager
    async def waiting(self) -> AsyncGenerator[None]:
        """Wait without a slot during the block, and be interrupted at once if the queue stops.

        Raises:
            TooManyWaitingError: As many handlers of the queue wait as it allows.
            Snooze: Half as many wait, and the job has no parent.
        """
        self._check_room()
        self.waits += 1
        try:
            if self._state.stopping:
                self._attempt.interrupt(counted=False)
                await checkpoint()
            with self._worker_services.waits.recorded(self._attempt.job.reservation):
                async with self._places.given_away(self._attempt):
                    yield
        finally:
            self.waits -= 1

    @property
    def _own_waiting(self) -> int:
        """How many of its children wait: if they counted, it might be put back without end."""
        job_id = self._attempt.job.id
        return sum(attempt.job.parent_id == job_id for attempt in self._state.waiting)

    def _check_room(self) -> None:
        job, state = self._attempt.job, self._state
        most = state.config.max_waiting
        others = len(state.waiting.keys() - {self._attempt})
        half = max(1, most // 2)
        if job.parent_id is None and others >= half and others - self._own_waiting >= half:
            self.services.bus.emit(JobPostponed, state.name, job, others)
            raise Snooze(for_=postponement(job))
        if others >= most:
            raise TooManyWaitingError(state.name, most)


def postponement(job: Job) -> timedelta:
    """Return for how long a job is put back that found too many handlers waiting."""
    ends = (isinstance(one, PastReservation) and one.ended for one in reversed(job.history))
    times = sum(1 for _ in takewhile(lambda ended: ended == "snoozed", ends))
    return timedelta(seconds=POSTPONED * 2 ** min(times, MOST_DOUBLED))


def parent_of(
    services: WorkerServices,
    state: QueueState,
    places: Places,
    notice_cancellation: Callable[[], Awaitable[None]],
    attempt: Attempt,
) -> HandlerParent:
    """Return the parent for the nurseries of an attempt; raise if its worker may have none.

    `notice_cancellation` returns after the attempt was cut off, if its slot is cancelled.

    Raises:
        TypeError: The handler is a plain function.
        ValueError: The worker has a limit. Its jobs count for it while they wait for children,
            so that children of the same worker might never run.
    """
    worker = attempt.worker
    if not worker.is_async:
        raise TypeError(
            f"open_nursery: worker {worker.name!r}: expected an async handler, found a plain "
            "function, which cannot open a nursery"
        )
    if worker.cap is not None:
        raise ValueError(
            f"open_nursery: worker {worker.name!r} has a global limit or a rate limit, for "
            "which a job counts while it waits for its children: open the nursery in a worker "
            "without a limit"
        )
    state.nesting |= {worker.name}
    return HandlerParent(services, state, places, notice_cancellation, attempt)
