"""One slot of a queue: it runs one attempt after the other, for as long as the queue lives.

Starting a task for every job would cost more than the rest of the job, and so would a cancel
scope for each: a slot stays in its scope until an attempt is cancelled or raises.
"""

from typing import final
from uuid import UUID

from anyio import CancelScope, get_cancelled_exc_class
from anyio.lowlevel import checkpoint
from attrs import define

from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import Interrupted, Outcome, Returned, TooLate, Unstarted
from bgjobs._core.recurrence import is_too_late
from bgjobs._runtime.bus import contains_error
from bgjobs._runtime.cancellation import clear_native_cancellation
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.inbox import Inbox
from bgjobs._runtime.queues.settler import Settler
from bgjobs._runtime.queues.state import QueueControl
from bgjobs._runtime.services import Services
from bgjobs.errors import LeaseLostError, NotRunningError, unwrapped
from bgjobs.events import JobStarted, QueueError

RETURNED = Returned()


@final
@define(eq=False)
class Slots:
    """What the slots of one start of a queue share."""

    control: QueueControl
    services: Services
    inbox: Inbox
    settler: Settler
    culprits: set[UUID]
    """The jobs that bring the queue down."""


@final
class Slot:
    """Takes jobs out of the inbox, calls their handlers and hands their ends on."""

    def __init__(self, shared: Slots) -> None:
        self._shared = shared
        self.attempt: Attempt | None = None
        """The one whose handler is being called."""
        self._cancellations = 0
        """How often the block had been cancelled natively when that began."""

    async def run(self) -> None:
        """Run jobs until the inbox is closed and empty."""
        try:
            while await self._run_in_a_scope():
                pass
        finally:
            self.attempt = None  # its handler has ended, also where that ends the queue

    async def _run_in_a_scope(self) -> bool:
        """Run jobs to the last one, or to one that is cancelled or raises; True for more."""
        more, outcome = True, None
        try:
            with CancelScope() as scope:
                more = await self._run_jobs(scope)
        except BaseException as error:
            if self.attempt is not None:
                outcome = await self._outcome_of(self.attempt, error)
            elif not await self._outlives(error):
                raise
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            await self._end(attempt, outcome or attempt.cancelled())
        return more

    async def _outlives(self, error: BaseException) -> bool:
        """Whether a slot without a job goes on: a handler that has ended cancels its task."""
        if not isinstance(error, get_cancelled_exc_class()):
            return False
        if not clear_native_cancellation():
            return False
        await checkpoint()  # where all tasks are cancelled, the queue has noticed it by then
        return True

    async def _run_jobs(self, scope: CancelScope) -> bool:
        """Run jobs until there will be no more, or the scope is spent; then it gives True."""
        shared, clock = self._shared, self._shared.services.clock
        inbox, host = shared.inbox, shared.services.lifecycle.host
        while (attempt := inbox.pop() or await inbox.next()) is not None:
            attempt.started = clock.monotonic()
            if host is not None:
                self._cancellations = host.cancelling()
            if outcome := self._reason_not_to_start(attempt):
                await self._end(attempt, outcome)
                continue
            self.attempt = attempt
            await attempt.call(scope, clock)
            self.attempt = None
            await self._end(attempt, RETURNED)
            if attempt.is_spent(scope):
                return True
            await inbox.pause(attempt.ended)
        return False

    def _reason_not_to_start(self, attempt: Attempt) -> Outcome | None:
        """Give the outcome of a job that is not to be started now; else tell that it is."""
        control, planner = self._shared.control, self._shared.services.planner
        job = attempt.job
        if attempt.order is not None:
            return attempt.order
        if control.stopping:
            return Unstarted()
        if is_too_late(job):
            return TooLate()
        planner.bus_of(job, control.bus).emit(JobStarted, control.name, job)
        return None

    async def _outcome_of(self, attempt: Attempt, error: BaseException) -> Outcome:
        cancelled, lifecycle = get_cancelled_exc_class(), self._shared.services.lifecycle
        if isinstance(error, cancelled) and lifecycle.is_torn_down(self._cancellations):
            raise error  # no failure of the handler's: the whole process ends
        if self._shared.control.stopping and _says_that_it_stops(error):
            return Interrupted()
        try:
            outcome = await attempt.outcome_of(error)
        except Exception as crash:
            self._blame(attempt.job, crash)
            raise
        if contains_error(error, cancelled):  # it must not reach the next handler
            clear_native_cancellation()
        return outcome

    async def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        try:
            if end := self._shared.settler.put(attempt, outcome):
                await self._shared.settler.write_alone(end)
        except LeaseLostError:
            raise
        except Exception as error:
            self._blame(attempt.job, error)
            raise

    def _blame(self, job: Job, error: Exception) -> None:
        """Count the crash for this job: the queue goes down with what is raised."""
        self._shared.culprits.add(job.id)
        # Told now: a plain handler's thread may keep the queue from ending.
        self._shared.control.bus.emit(QueueError, self._shared.control.name, error)


def _says_that_it_stops(error: BaseException) -> bool:
    """Whether a handler asked for what an application that stops no longer begins."""
    cause = unwrapped(error)
    return isinstance(cause, NotRunningError) and cause.removed is None
