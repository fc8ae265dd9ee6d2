"""One attempt: one call of a handler, and what its end means."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Any, cast, final

from anyio import CancelScope, CapacityLimiter, current_time, get_cancelled_exc_class, to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from bgjobs.clock import Clock
from bgjobs.config import AnyWorker
from bgjobs.context import JobContext
from bgjobs.errors import BgJobsError, PayloadError, unwrapped
from bgjobs.jobs import Discard, Job, Snooze
from bgjobs.outcomes import Cancelled, Discarded, Interrupted, Outcome, Raised, Snoozed
from bgjobs.runtime.own_context import InOwnContext
from bgjobs.texts import LONGEST_ERROR, clean_text, error_text


class HandlerCrashedError(BgJobsError):
    """A handler raised something that is no `Exception`; its queue goes down with it."""

    def __init__(self, worker: str, error: BaseException) -> None:
        self.worker = worker
        super().__init__(f"handler of worker {worker!r} raised {type(error).__name__}")


@final
class Attempt:
    """One call of the handler of a job, and how it ended.

    Returning is success, whatever happened around it. A handler that is cancelled by its
    timeout has failed; one that is cancelled by `interrupt`, or raises after that, was
    interrupted; one that an operator cancels ends so, too.
    """

    __slots__ = (
        "_context",
        "_interrupted",
        "_reason",
        "_scope",
        "_threads",
        "ended",
        "job",
        "started",
        "worker",
    )

    def __init__(self, worker: AnyWorker, job: Job, threads: CapacityLimiter) -> None:
        self.job: Job = job
        self.worker: AnyWorker = worker
        self.started: float = 0.0
        self.ended: float = 0.0
        self._threads = threads
        self._scope: CancelScope | None = None
        self._interrupted = False
        self._reason: str | None = None
        self._context: JobContext | None = None

    @property
    def completions(self) -> Sequence[Callable[[Any], object]]:
        """What the handler gave to `complete_with`."""
        return self._context.completions if self._context is not None else ()

    def interrupt(self) -> None:
        """Cancel the handler, because its queue stops."""
        self._interrupted = True
        if self._scope is not None:
            self._scope.cancel()

    def cancel(self, reason: str) -> None:
        """Cancel the handler, or do not call it at all, because an operator wants so."""
        if self.ended:  # its scope is the next one's by now
            return
        self._reason = reason
        if self._scope is not None:
            self._scope.cancel()

    @property
    def order(self) -> Cancelled | None:
        """What an operator has ordered; None when nobody has."""
        return None if self._reason is None else Cancelled(self._reason)

    async def call(self, scope: CancelScope, clock: Clock) -> None:
        """Call the handler inside `scope`, which its timeout and `interrupt` cancel.

        Raises whatever the handler raises, and `PayloadError`; see `outcome_of`.
        """
        self._scope = scope
        worker = self.worker
        args, kwargs = worker.decode(self.job.payload)
        if worker.takes_context:
            self._context = JobContext(self.job, self._deadline(clock))
            args = (self._context, *args)
        if worker.timeout is not None:
            await self._call_in_time(scope, args, kwargs)
        elif worker.is_async:
            await InOwnContext(worker.handler(*args, **kwargs))
        else:
            await self._call_in_thread(args, kwargs)

    def is_spent(self, scope: CancelScope) -> bool:
        """Say whether the scope was cancelled for this attempt, which ended all the same."""
        may_be = self._interrupted or self._reason is not None
        return (may_be or self.worker.timeout is not None) and scope.cancel_called

    async def outcome_of(self, error: BaseException) -> Outcome:
        """Say how the attempt ended that raised this, once its scope has been left.

        A cancellation from outside is raised again, and what is no `Exception` of the
        handler's becomes a `HandlerCrashedError`.
        """
        if isinstance(error, PayloadError):
            return Raised(error_text(error))
        if isinstance(error, Exception):  # whatever a handler raises is its outcome
            return self._outcome_of(error)
        if _holds(error, KeyboardInterrupt):
            raise error
        if _holds(error, get_cancelled_exc_class()):
            await checkpoint_if_cancelled()  # does not return when it is our cancellation
            # On asyncio, awaiting a task that somebody else has cancelled raises this, too.
            return Raised(error_text(error))
        raise HandlerCrashedError(self.worker.name, error) from error

    def cancelled(self) -> Outcome:
        """Say how the attempt ended whose scope was cancelled."""
        if self.order is not None:
            return self.order
        if self._interrupted:
            return Interrupted()
        return Raised(f"TimeoutError: timed out after {self.worker.timeout:g} seconds")

    def complete(self, connection: Any) -> None:
        """Do what the handler gave to `complete_with`; a driver's connection is Any."""
        try:
            for work in self.completions:
                work(connection)
        except BaseException as error:
            if isinstance(error, Exception):
                raise  # an error of the handler's, like any other
            raise HandlerCrashedError(self.worker.name, error) from error

    async def _call_in_time(
        self, scope: CancelScope, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        scope.deadline = current_time() + (self.worker.timeout or 0)
        try:
            if self.worker.is_async:
                await InOwnContext(self.worker.handler(*args, **kwargs))
            else:
                await self._call_in_thread(args, kwargs)
        finally:
            scope.deadline = inf

    async def _call_in_thread(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        call = partial(self.worker.handler, *args, **kwargs)
        await to_thread.run_sync(call, limiter=self._threads)

    def _deadline(self, clock: Clock) -> datetime | None:
        if self.worker.timeout is None:
            return None
        return clock.now() + timedelta(seconds=self.worker.timeout)

    def _outcome_of(self, error: Exception) -> Outcome:
        order = unwrapped(error)  # a handler with its own nursery raises its order in a group
        if isinstance(order, Discard):
            return Discarded(clean_text(order.reason, LONGEST_ERROR))
        if isinstance(order, Snooze):
            return Snoozed(order.delay)
        if self.order is not None:
            return self.order
        if self._interrupted:
            return Interrupted()
        return Raised(error_text(error))


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).split(kind)[0] is not None
    return isinstance(error, kind)
