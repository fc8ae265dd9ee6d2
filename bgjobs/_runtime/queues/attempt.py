"""One attempt: one call of a handler, and what its end means."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from datetime import datetime, timedelta
from functools import partial
from inspect import isawaitable
from math import inf
from types import CoroutineType
from typing import Any, final

from anyio import CancelScope, CapacityLimiter, current_time, get_cancelled_exc_class, to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from bgjobs._core.clock import Clock
from bgjobs._core.config import AnyWorker
from bgjobs._core.context import JobContext
from bgjobs._core.exceptions import leaves
from bgjobs._core.jobs import Job
from bgjobs._core.lazy import (
    close_coroutines,
    description,
    is_unfinished,
    refuse_unfinished,
)
from bgjobs._core.outcomes import (
    Cancelled,
    Discard,
    Discarded,
    Interrupted,
    Outcome,
    Raised,
    Snooze,
    Snoozed,
    as_reason,
    as_snooze_delay,
)
from bgjobs._core.text import LONGEST_ERROR, clean_text, error_text
from bgjobs._runtime.bus import CallbackFailedError, contains_error
from bgjobs._runtime.queues.isolated_context import IsolatedContext, other_loop_hint
from bgjobs.errors import BgJobsError, PayloadError, StoreUnavailableError, unwrapped

MOST_AWAITS = 10
"""How often what a handler has returned is awaited: one decorator may hide behind another."""


class HandlerCrashedError(BgJobsError):
    """A handler raised neither an `Exception` nor `SystemExit`; its queue goes down with it."""

    def __init__(self, worker: str, error: BaseException) -> None:
        self.worker = worker
        super().__init__(f"handler of worker {worker!r} raised {type(error).__name__}")


class WorkUnavailableError(BgJobsError):
    """A function given to `complete_with` raised what a store raises when it is away.

    It may come from another store, which says nothing about the one that completes the job.
    """

    def __init__(self, error: StoreUnavailableError) -> None:
        self.error = error
        super().__init__(str(error))


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
        "_on_loop",
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
        self._on_loop: bool = worker.is_async
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
            scope.deadline = current_time() + worker.timeout
        try:
            if worker.is_async:
                context = copy_context()
                answer: Any = context.run(worker.handler, *args, **kwargs)
                if type(answer) is CoroutineType:  # one may only look like an async function
                    answer = await IsolatedContext(answer, context)  # pyright: ignore[reportUnknownArgumentType] - whatever it returns
            else:
                answer, context = await call_in_thread(
                    worker.handler, args, kwargs, self._threads
                )
            if answer is not None and is_unfinished(answer):
                await self._finish(answer, context)
        finally:
            if worker.timeout is not None:
                scope.deadline = inf

    def is_spent(self, scope: CancelScope) -> bool:
        """Say whether the scope was cancelled for this attempt, which ended all the same."""
        may_be = self._interrupted or self._reason is not None
        return (may_be or self.worker.timeout is not None) and scope.cancel_called

    async def outcome_of(self, error: BaseException) -> Outcome:
        """Say how the attempt ended that raised this, once its scope has been left.

        A cancellation from outside is raised again. `SystemExit` is a failure like any
        `Exception`; what else the handler raises becomes a `HandlerCrashedError`.
        """
        if isinstance(error, PayloadError):
            return Raised(error_text(error))
        if is_failure(error):  # whatever a handler raises is its outcome
            return self._outcome_of(error)
        if contains_error(error, KeyboardInterrupt):
            raise error
        cancelled = get_cancelled_exc_class()
        if contains_error(error, cancelled):
            await checkpoint_if_cancelled()  # does not return when it is our cancellation
        if is_failure(error, cancelled):
            # On asyncio, awaiting a task that somebody else has cancelled raises this, too.
            return self._outcome_of(error)
        raise HandlerCrashedError(self.worker.name, error) from error

    def cancelled(self) -> Outcome:
        """Say how the attempt ended whose scope was cancelled."""
        if self.order is not None:
            return self.order
        if self._interrupted:
            return Interrupted()
        return Raised(f"TimeoutError: timed out after {self.worker.timeout:g} seconds")

    def completing(self) -> Callable[[Any], None]:
        """Return what does the work that the handler gave to `complete_with`.

        To be asked for on the event loop: the store calls it in a thread, where no loop tells
        which class its cancellations have.
        """
        return partial(self._complete, get_cancelled_exc_class())

    def _complete(self, cancelled: type[BaseException], connection: Any) -> None:
        """Do that work; a driver's connection is Any."""
        try:
            for work in self.completions:
                if (answer := work(connection)) is not None:
                    refuse_unfinished(f"worker {self.worker.name!r}: complete_with", answer)
        except StoreUnavailableError as error:
            raise WorkUnavailableError(error) from error  # the store decides whose it is
        except Exception:
            raise  # an error of the handler's, like any other
        except BaseException as error:
            if is_failure(error, cancelled):  # a store is used to an `Exception`
                what = "the function given to complete_with"
                raise CallbackFailedError(what, error) from error
            raise HandlerCrashedError(self.worker.name, error) from error

    async def _finish(self, answer: object, context: Context) -> None:
        """Await what a handler has returned; `TypeError` for work that cannot be awaited."""
        self._on_loop = True
        try:
            await checkpoint_if_cancelled()
        except BaseException:
            close_coroutines(answer)
            raise
        await IsolatedContext(self._awaited(answer), context)

    async def _awaited(self, answer: Any) -> None:
        for _ in range(MOST_AWAITS):
            before = answer
            if _has_ended(answer):
                answer = answer.result()
            elif isawaitable(answer):
                answer = await answer
            else:
                break
            if answer is before or not is_unfinished(answer):
                return
        close_coroutines(answer)
        is_future = isinstance(answer, Future)
        missing = "which has not ended" if is_future else "of which nothing has run"
        raise TypeError(
            f"worker {self.worker.name!r}: its handler returned {description(answer)}, "
            f"{missing}; do the work before returning"
        )

    def _deadline(self, clock: Clock) -> datetime | None:
        if self.worker.timeout is None:
            return None
        return clock.now() + timedelta(seconds=self.worker.timeout)

    def _outcome_of(self, error: BaseException) -> Outcome:
        order = unwrapped(error)  # a handler with its own nursery raises its order in a group
        if isinstance(order, Discard):
            return Discarded(clean_text(_reason_of(order), LONGEST_ERROR))
        if isinstance(order, Snooze):
            try:
                return Snoozed(as_snooze_delay(order.delay))
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - a subclass has set it
                error = fault
        if self.order is not None:
            return self.order
        if self._interrupted:
            return Interrupted()
        hint = other_loop_hint(error, on_loop=self._on_loop)
        return Raised(error_text(error, hint=hint))


async def call_in_thread(
    handler: Callable[..., object],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    threads: CapacityLimiter,
) -> tuple[object, Context]:
    """Call a plain handler in a thread; return its answer and the context it left."""

    def call() -> tuple[object, Context]:
        return handler(*args, **kwargs), copy_context()

    return await to_thread.run_sync(call, limiter=threads)


def is_failure(error: BaseException, *more: type[BaseException]) -> bool:
    """Whether all of `error` is what a failed attempt may raise, or is one of `more`."""
    kinds: tuple[type[BaseException], ...] = (Exception, SystemExit, *more)
    return all(isinstance(one, kinds) for one in leaves(error))


def _has_ended(answer: object) -> bool:
    return isinstance(answer, Future) and answer.done()


def _reason_of(order: Discard) -> str:
    try:
        return as_reason(order.reason)
    except (Exception, SystemExit) as fault:  # noqa: BLE001 - a subclass may spoil its attribute
        return error_text(fault)


def raised_by_work(error: Exception) -> BaseException:
    """Return what a function given to `complete_with` has raised."""
    if isinstance(error, CallbackFailedError | WorkUnavailableError):
        return error.error
    return error
