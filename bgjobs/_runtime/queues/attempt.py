"""One attempt of a job: the call of its handler, and the outcome of that call.

The task of a slot runs it, for plain handlers in a thread. It ends when the handler has ended,
and with it everything that the handler returned to be awaited, and when its middleware is left.
The timeout of the worker, the end of the grace and an operator cancel it through the cancel
scope of the slot. It does not use the store. What its handler reports
goes through `JobProgress`.
"""

from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from datetime import datetime, timedelta
from functools import partial
from math import inf
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast, final

from anyio import CancelScope, CapacityLimiter, current_time, get_cancelled_exc_class
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled
from attrs import frozen

from bgjobs._core.clock import Clock
from bgjobs._core.config import AnyWorker
from bgjobs._core.context import ClientSource, JobContext
from bgjobs._core.exceptions import is_failure, unwrapped
from bgjobs._core.jobs import Job
from bgjobs._core.lazy import close_coroutines, is_unfinished
from bgjobs._core.middleware import Middleware
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
from bgjobs._core.retries import decision
from bgjobs._core.text import LONGEST_ERROR, clean_text, error_text
from bgjobs._runtime.bus import contains_error
from bgjobs._runtime.queues.answers import awaited, call_in_thread
from bgjobs._runtime.queues.completions import completing
from bgjobs._runtime.queues.handler_errors import HandlerCrashedError
from bgjobs._runtime.queues.isolated_context import IsolatedContext, other_loop_hint
from bgjobs._runtime.queues.middleware import MiddlewareStack
from bgjobs._runtime.queues.progress import JobProgress, ProgressChannel, SilenceLimit
from bgjobs.errors import PayloadError

if TYPE_CHECKING:  # the methods of a client reach the queues, which import this module
    from contextlib import AbstractAsyncContextManager

    from bgjobs._runtime.client import Client
    from bgjobs._runtime.nurseries.handler import HandlerParent
    from bgjobs._runtime.nurseries.nursery import JobNursery


@final
@frozen(eq=False)
class Environment:
    """What all attempts of one start of a queue share."""

    threads: CapacityLimiter
    """For plain handlers."""
    progress: ProgressChannel
    """Takes what handlers report."""
    resources: Any
    """What the lifespan has yielded, of any type."""
    client_of: "Callable[[Attempt], Client]"
    """Makes the client of an attempt, when its handler asks for it."""
    cancelled: "Callable[[Attempt], object]"
    """Called after the handler of an attempt was cancelled, other than by its timeout."""
    report_callback: Callable[[Job, str, BaseException], None]
    """Called with what a function that decides about a failed attempt of the job has raised."""
    parent_of: "Callable[[Attempt], HandlerParent] | None" = None
    """Makes what the nurseries of an attempt share; None where no queue runs their children."""
    middleware: tuple[Middleware, ...] = ()
    """Entered around each handler, the outermost first."""


@final
class Attempt(ClientSource):
    """One call of the handler of a job, and how it ended.

    A handler that returns has succeeded, even if it was cancelled before. One that its timeout
    cancels has failed. One that `interrupt` cancels, or that raises after that, was
    interrupted. One that `cancel` cancels, or that raises after that, ends as cancelled. What
    its middleware raises when it is left counts as raised by the handler.
    """

    __slots__ = (
        "_environment",
        "_interrupted",
        "_is_counted",
        "_on_loop",
        "_scope",
        "cancelled",
        "completions",
        "ended",
        "job",
        "parent",
        "progress",
        "result",
        "started",
        "worker",
    )

    def __init__(self, worker: AnyWorker, job: Job, environment: Environment) -> None:
        self.job: Job = job
        self.worker: AnyWorker = worker
        self.started: float = 0.0
        self.ended: float = 0.0
        self._environment = environment
        self._scope: CancelScope | None = None
        self._interrupted = False
        self._is_counted = True
        self._on_loop: bool = worker.is_async
        self.cancelled: Cancelled | None = None
        """The outcome if an operator has cancelled the job."""
        self.completions: Sequence[Callable[[Any], object]] = ()
        """The functions that the handler gave to `complete_with`."""
        self.parent: HandlerParent | None = None
        """What its nurseries share, once it has opened one."""
        self.progress: JobProgress | None = None
        """What the handler has reported, if anything."""
        self.result: str | None = None
        """What the handler returned, as JSON text, if its worker keeps results."""

    def interrupt(self, *, counted: bool = True) -> None:
        """Cancel the handler because its queue stops; its children go on."""
        if not self._interrupted:
            self._is_counted = counted
        self._interrupted = True
        self.cut_off()
        self._cancel_handler()

    def cut_off(self) -> None:
        """End a handler that is cancelled without waiting for its children."""
        if self.parent is not None:
            self.parent.cut_off()

    def cancel(self, cancelled: Cancelled) -> None:
        """Cancel the handler, or prevent its call, because an operator cancelled the job."""
        if self.ended:  # the slot uses its scope for the next attempt
            return
        self.cancelled = cancelled
        self._cancel_handler()

    def _cancel_handler(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
            self._environment.cancelled(self)

    @property
    def client(self) -> "Client":
        """The client of the handler."""
        return self._environment.client_of(self)

    def open_nursery(
        self, *, cancel_on_failure: bool
    ) -> "AbstractAsyncContextManager[JobNursery]":
        """Open a nursery of the handler."""
        if self.parent is None:
            if self._environment.parent_of is None:
                raise RuntimeError(
                    "open_nursery: no queue runs children in a test of one job; use run_virtual"
                )
            self.parent = self._environment.parent_of(self)
            if self._interrupted:
                self.cut_off()
        return self.parent.open(cancel_on_failure=cancel_on_failure)

    @property
    def cancel_at(self) -> float:
        """When the handler is cancelled, by the clock of the event loop, as far as is known."""
        if self._scope is None or self._scope.cancel_called:
            return -inf
        return self._scope.deadline

    def report(self, done: float, total: float | None, note: str | None) -> None:
        """Take a report of the handler, from any thread."""
        if self.progress is None:
            if self.ended:  # what the handler has left behind reports
                return
            channel = self._environment.progress
            with channel.opening:
                self.progress = self.progress or JobProgress(self.job, channel)
        self.progress.report(done, total, note)

    async def checkpoint(self) -> None:
        """Wait until other tasks have had a turn; raise a cancellation."""
        await checkpoint()

    async def call(self, scope: CancelScope, clock: Clock) -> None:
        """Call the handler inside `scope`, which its timeout, `interrupt` and `cancel` cancel.

        Raises what the handler raises, `PayloadError` and `ResultError`; see `outcome_of`.
        """
        self._scope = scope
        worker, middleware = self.worker, self._environment.middleware
        given, args, kwargs = self._arguments(clock)
        if worker.is_limited:
            self._limit(scope)
        try:
            if middleware and given is not None:
                await self._call_inside(given, args, kwargs)
                return
            if worker.is_async:
                context = copy_context()
                answer: Any = context.run(worker.handler, *args, **kwargs)
                if type(answer) is CoroutineType:  # a function may only be marked as async
                    answer = await IsolatedContext(answer, context)  # pyright: ignore[reportUnknownArgumentType] - whatever it returns
            else:
                threads = self._environment.threads
                answer, context = await call_in_thread(worker.handler, args, kwargs, threads)
            if answer is not None and is_unfinished(answer):
                answer = await self._finish(answer, context)
            if worker.results is not None:
                self.result = worker.results.encode(answer)
        finally:
            if worker.is_limited or self.progress is not None:
                self._end_limits(scope)

    def is_spent(self, scope: CancelScope) -> bool:
        """Whether the scope was cancelled for this attempt, though its handler returned."""
        may_be = self._interrupted or self.cancelled is not None
        return (may_be or self.worker.is_limited) and scope.cancel_called

    async def outcome_of(self, error: BaseException) -> Outcome:
        """Return how the attempt ended that raised `error`, after its scope was left.

        A cancellation from outside is raised again. `SystemExit` is a failure like any
        `Exception`. Any other `BaseException` is raised as a `HandlerCrashedError`.
        """
        if isinstance(error, PayloadError):
            return self.raised(error)
        if is_failure(error):  # the error is the outcome of the handler
            return self._outcome_of(error)
        if contains_error(error, KeyboardInterrupt):
            raise error
        cancelled = get_cancelled_exc_class()
        if contains_error(error, cancelled):
            await checkpoint_if_cancelled()  # raises if the slot itself is cancelled
        if is_failure(error, cancelled):
            # On asyncio, awaiting a task that other code has cancelled raises this, too.
            return self._outcome_of(error)
        raise HandlerCrashedError(self.worker.name, error) from error

    def outcome_of_cancellation(self) -> Outcome:
        """Return how the attempt ended, given that its scope was cancelled."""
        if self.cancelled is not None:
            return self.cancelled
        if self._interrupted:
            return Interrupted(self._is_counted)
        silence = self.progress and self.progress.silence
        if silence and silence.is_next:
            text = f"no progress for {silence.seconds:g} seconds"
        else:
            text = f"timed out after {self.worker.timeout:g} seconds"
        return self.raised(TimeoutError(text), f"TimeoutError: {text}")

    def raised(self, error: BaseException, text: str | None = None) -> Raised:
        """Return the outcome of an attempt that raised `error`, as `retry_on` decides about it.

        If `retry_on` fails, that is reported, and the job is retried as without it. `text` is
        stored as the error of the attempt.
        """
        text = error_text(error) if text is None else text
        rule = self.worker.retry_on
        if rule is None:
            return Raised(text)
        try:
            return Raised(text, decision(rule, error, self.job.attempts + 1))
        except BaseException as problem:  # noqa: BLE001 - a user's function may raise anything
            self._environment.report_callback(self.job, "retry_on", problem)
            return Raised(text)

    def completing(self) -> Callable[[Any], None]:
        """Return a function that does the work which the handler gave to `complete_with`.

        Call this on the event loop. The store calls the function in a thread.
        """
        return completing(self.worker.name, self.completions)

    def _arguments(
        self, clock: Clock
    ) -> tuple[JobContext | None, tuple[Any, ...], dict[str, Any]]:
        """Return the context, if anything takes one, and the arguments of the handler."""
        worker = self.worker
        args, kwargs = worker.decode(self.job.payload)
        if not (worker.takes_context or self._environment.middleware):
            return None, args, kwargs
        context = self._made_context(clock)
        return context, (context, *args) if worker.takes_context else args, kwargs

    def _made_context(self, clock: Clock) -> JobContext:
        context = JobContext(
            self.job,
            self._deadline(clock),
            resources=self._environment.resources,
            client=self,
            reporter=self,
        )
        self.completions = context.completions  # not all of it, as that has this attempt
        return context

    async def _call_inside(
        self, context: JobContext, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Call the handler inside the middleware, in context variables that they share."""
        self._on_loop = True
        call = partial(self._call_handler, args, kwargs)
        stack = MiddlewareStack(self._environment.middleware, self.job, context, call)
        await IsolatedContext(stack.run(), copy_context())

    async def _call_handler(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Do what `call` does without middleware, but in the current context."""
        worker = self.worker
        if worker.is_async:
            answer: Any = worker.handler(*args, **kwargs)
            if type(answer) is CoroutineType:
                answer = cast("Any", await answer)
            context = copy_context()
        else:
            self._on_loop = False
            threads = self._environment.threads
            answer, context = await call_in_thread(worker.handler, args, kwargs, threads)
            self._on_loop = True
        if answer is not None and is_unfinished(answer):
            answer = await self._finish(answer, context)
        if worker.results is not None:
            self.result = worker.results.encode(answer)

    async def _finish(self, answer: object, context: Context) -> object:
        """Await what a handler has returned, and return its result.

        Raises `TypeError` if that is impossible.
        """
        self._on_loop = True
        try:
            await checkpoint_if_cancelled()
        except BaseException:
            close_coroutines(answer)
            raise
        return await IsolatedContext(awaited(self.worker.name, answer), context)

    def _limit(self, scope: CancelScope) -> None:
        """Begin to count the timeout, and the time without a report of progress."""
        worker = self.worker
        if worker.timeout is not None:
            scope.deadline = current_time() + worker.timeout
        if worker.max_silence is not None:
            silence = SilenceLimit(worker.max_silence, scope)
            self.progress = JobProgress(self.job, self._environment.progress, silence)

    def _end_limits(self, scope: CancelScope) -> None:
        """Leave the scope to the next attempt, and take no further reports."""
        if self.progress is not None:
            self.progress.is_over = True
        scope.deadline = inf

    def _deadline(self, clock: Clock) -> datetime | None:
        if self.worker.timeout is None:
            return None
        return clock.now() + timedelta(seconds=self.worker.timeout)

    def _outcome_of(self, error: BaseException) -> Outcome:
        request = unwrapped(error)  # a handler with a task group raises it in a group
        if isinstance(request, Discard):
            return Discarded(clean_text(_reason_of(request), LONGEST_ERROR))
        if isinstance(request, Snooze):
            try:
                return Snoozed(as_snooze_delay(request.delay))
            except (Exception, SystemExit) as problem:  # noqa: BLE001 - a subclass has set it
                error = problem
        if self.cancelled is not None:
            return self.cancelled
        if self._interrupted:
            return Interrupted(self._is_counted)
        hint = other_loop_hint(error, on_loop=self._on_loop)
        return self.raised(error, error_text(error, hint=hint))


def _reason_of(request: Discard) -> str:
    try:
        return as_reason(request.reason)
    except (Exception, SystemExit) as problem:  # noqa: BLE001 - a subclass may break its attribute
        return error_text(problem)
