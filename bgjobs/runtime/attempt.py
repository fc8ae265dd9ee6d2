"""One attempt: one call of a handler, inside a cancel scope of its own."""

from datetime import timedelta
from functools import partial
from typing import Any, cast, final

from anyio import CancelScope, CapacityLimiter, current_time, get_cancelled_exc_class, to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from bgjobs.clock import Clock
from bgjobs.config import AnyWorker
from bgjobs.context import JobContext
from bgjobs.errors import BgJobsError, PayloadError, unwrapped
from bgjobs.jobs import Discard, Job, Snooze
from bgjobs.outcomes import Discarded, Interrupted, Outcome, Raised, Returned, Snoozed
from bgjobs.texts import LONGEST_ERROR, clean_text, error_text


class HandlerCrashedError(BgJobsError):
    """A handler raised something that is no `Exception`; its queue goes down with it."""

    def __init__(self, worker: str, error: BaseException) -> None:
        self.worker = worker
        super().__init__(f"handler of worker {worker!r} raised {type(error).__name__}")


@final
class Attempt:
    """Runs the handler once and says how it ended.

    Returning is success, whatever happened around it. A handler that is cancelled by its
    timeout has failed; one that is cancelled by `interrupt`, or raises after that, was
    interrupted.
    """

    def __init__(
        self, worker: AnyWorker, job: Job, clock: Clock, threads: CapacityLimiter
    ) -> None:
        self.job = job
        self.worker = worker
        self.started = clock.monotonic()
        self._threads = threads
        self._scope = CancelScope()
        self._interrupted = False
        deadline = None
        if worker.timeout is not None:
            deadline = clock.now() + timedelta(seconds=worker.timeout)
        self.context = JobContext(job, deadline)

    def interrupt(self) -> None:
        """Cancel the handler, because its queue stops."""
        self._interrupted = True
        self._scope.cancel()

    async def run(self) -> Outcome:
        """Call the handler. Cancellation from outside passes through."""
        if self.worker.timeout is not None:
            self._scope.deadline = current_time() + self.worker.timeout
        try:
            args, kwargs = self.worker.decode(self.job.payload)
            with self._scope:
                await self._call(args, kwargs)
                return Returned()
        except PayloadError as error:
            return Raised(error_text(error))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its outcome
            return self._outcome_of(error)
        except BaseException as error:
            if _holds(error, KeyboardInterrupt):
                raise
            if _holds(error, get_cancelled_exc_class()):
                await checkpoint_if_cancelled()  # does not return when it is our cancellation
                # On asyncio, awaiting a task that somebody else has cancelled raises this, too.
                return Raised(error_text(error))
            raise HandlerCrashedError(self.worker.name, error) from error
        return self._cancelled()

    def complete(self, connection: Any) -> None:
        """Do what the handler gave to `complete_with`; a driver's connection is Any."""
        try:
            for work in self.context.completions:
                work(connection)
        except BaseException as error:
            if isinstance(error, Exception):
                raise  # an error of the handler's, like any other
            raise HandlerCrashedError(self.worker.name, error) from error

    async def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        call = partial(self.worker.handler, *args, **kwargs)
        if self.worker.takes_context:
            call = partial(self.worker.handler, self.context, *args, **kwargs)
        if self.worker.is_async:
            await call()
        else:
            await to_thread.run_sync(call, limiter=self._threads)

    def _cancelled(self) -> Outcome:
        if self._interrupted:
            return Interrupted()
        return Raised(f"TimeoutError: timed out after {self.worker.timeout:g} seconds")

    def _outcome_of(self, error: Exception) -> Outcome:
        order = unwrapped(error)  # a handler with its own nursery raises its order in a group
        if isinstance(order, Discard):
            return Discarded(clean_text(order.reason, LONGEST_ERROR))
        if isinstance(order, Snooze):
            return Snoozed(order.delay)
        if self._interrupted:
            return Interrupted()
        return Raised(error_text(error))


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).split(kind)[0] is not None
    return isinstance(error, kind)
