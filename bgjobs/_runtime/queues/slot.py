"""One slot of a queue: a task that runs one attempt after another while the queue runs.

A task per job would cost more than all other work for the job, and so would a cancel scope per
job. A slot keeps its scope until an attempt is cancelled or raises. It ends when the inbox is
closed and empty, or when a handler that has waited takes its place. A cancellation of the queue
ends it with its handler; the job is released by the monitor. The end of each attempt goes to
the settler, so an unavailable store does not block a slot, except for ends that are written
alone.
"""

from collections.abc import Callable
from typing import final
from uuid import UUID

from anyio import CancelScope, get_cancelled_exc_class
from anyio.lowlevel import checkpoint
from attrs import define

from bgjobs._core.exceptions import unwrapped
from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import Interrupted, Outcome, Returned, TooLate, Unstarted
from bgjobs._core.recurrence import is_too_late
from bgjobs._runtime.bus import contains_error
from bgjobs._runtime.cancellation import clear_native_cancellation
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.inbox import Inbox
from bgjobs._runtime.queues.settler import Settler
from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import LeaseLostError, NotRunningError
from bgjobs.events import JobStarted, QueueError

RETURNED = Returned()


@final
@define(eq=False)
class Slots:
    """What the slots of one start of a queue share."""

    state: QueueState
    services: WorkerServices
    inbox: Inbox
    settler: Settler
    culprits: set[UUID]
    """The jobs whose errors end the queue."""
    ended: "Callable[[Slot], object]"
    """Called when a slot has ended."""


@final
class Slot:
    """Takes attempts from the inbox, calls their handlers and settles their ends."""

    def __init__(self, shared: Slots) -> None:
        self._shared = shared
        self.attempt: Attempt | None = None
        """The one whose handler runs now."""
        self._cancellations = 0
        """How often the task of `run` had been cancelled natively when the handler began."""

    async def run(self) -> None:
        """Run attempts until the inbox has none for this slot."""
        try:
            while await self._run_in_a_scope():
                pass
        finally:
            self.attempt = None  # its handler has ended, also if that ends the queue
            self._shared.ended(self)

    async def _run_in_a_scope(self) -> bool:
        """Run attempts up to the last, or one that is cancelled or raises; True to go on."""
        more, outcome = True, None
        try:
            with CancelScope() as scope:
                more = await self._run_attempts(scope)
        except BaseException as error:
            if self.attempt is not None:
                outcome = await self._outcome_of(self.attempt, error)
            elif not await self._survives(error):
                raise
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            await self._end(attempt, outcome or attempt.outcome_of_cancellation())
        return more

    async def _survives(self, error: BaseException) -> bool:
        """Whether a slot without an attempt goes on after this error.

        It does if a handler that has ended had cancelled the task of its slot.
        """
        if not isinstance(error, get_cancelled_exc_class()):
            return False
        if not clear_native_cancellation():
            return False
        await checkpoint()  # raises by now if all tasks of the queue were cancelled
        return True

    async def _run_attempts(self, scope: CancelScope) -> bool:
        """Run attempts until the inbox ends, or until `scope` is spent; then return True."""
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
            result = attempt.result
            await self._end(attempt, RETURNED if result is None else Returned(result))
            if attempt.is_spent(scope):
                return True
            await inbox.pause(attempt.ended)
        return False

    def _reason_not_to_start(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome of a job that must not start now; else emit `JobStarted`."""
        state, planner = self._shared.state, self._shared.services.planner
        job = attempt.job
        if attempt.cancelled is not None:
            return attempt.cancelled
        if state.stopping:
            return Unstarted()
        if is_too_late(job):
            return TooLate()
        planner.bus_for(job, state.bus).emit(JobStarted, state.name, job)
        return None

    async def _outcome_of(self, attempt: Attempt, error: BaseException) -> Outcome:
        cancelled, lifecycle = get_cancelled_exc_class(), self._shared.services.lifecycle
        if isinstance(error, cancelled) and lifecycle.is_torn_down(self._cancellations):
            raise error  # the whole process ends, so this is no failure of the handler
        if self._shared.state.stopping and _is_refused_by_the_stop(error):
            return Interrupted()
        try:
            outcome = await attempt.outcome_of(error)
        except Exception as crash:
            self._blame(attempt.job, crash)
            raise
        if contains_error(error, cancelled):  # or the next handler would count as cancelled
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
        """Count a crash for this job: the error ends the queue."""
        self._shared.culprits.add(job.id)
        # Emitted now: the thread of a plain handler may delay the end of the queue.
        self._shared.state.bus.emit(QueueError, self._shared.state.name, error)


def _is_refused_by_the_stop(error: BaseException) -> bool:
    """Whether a handler asked for something that a stopping application does not begin."""
    cause = unwrapped(error)
    return isinstance(cause, NotRunningError) and cause.removed is None
