"""`@worker`, which makes a `Worker` from a function: a name, a codec and typed requests."""

import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar, final, overload

from attrs import field, frozen

from bgjobs._core.context import JobContext
from bgjobs._core.generics import NotKept, R_co
from bgjobs._core.hooks import FailureHook, OnEnded, OnFailed, check_hook
from bgjobs._core.lazy import is_async_function
from bgjobs._core.limits import Cap, RateLimit
from bgjobs._core.payloads import Codec, ResultCodec, read_signature
from bgjobs._core.requests import JobRequest
from bgjobs._core.retries import (
    RetryOn,
    RetryRule,
    as_optional_backoff,
    as_rule,
    retry_problems,
)
from bgjobs._core.worker_checks import (
    check_flag,
    check_kind,
    checked_cap,
    checked_name,
    checked_seconds,
)
from bgjobs.backoff import Backoff, BackoffSetting
from bgjobs.errors import WorkerDefinitionError

P = ParamSpec("P")
Q = ParamSpec("Q")
S = TypeVar("S")


@final
@frozen(eq=False, repr=False, slots=False)  # no slots: it has the handler's __doc__
class Worker(Generic[P, R_co]):
    """A function whose calls can be stored as jobs; made by `worker`.

    `P` are the parameters of the function without a `JobContext`. `R_co` is the type of the
    results that it keeps: what the function returns, awaited; `NotKept` if it keeps none.
    """

    name: str
    """The name by which stored jobs find their worker, unique in a configuration.

    With another name, the jobs that are stored already no longer find it.
    """
    handler: Callable[..., Any]
    """The function itself."""
    timeout: float | None
    """Seconds after which an attempt is cancelled and fails; None for no timeout."""
    max_silence: float | None
    """Seconds without a report of progress after which an attempt is cancelled and fails."""
    cap: Cap | None
    """The limits of its jobs on all nodes together; None for no limit."""
    is_async: bool
    """Whether the handler is an `async def`. A plain function runs in a worker thread.

    If a plain function returns a coroutine, as a decorated `async def` may do, the queue awaits
    it on the event loop.
    """
    takes_context: bool
    """Whether the first parameter of the handler is a `JobContext`."""
    resources: Any
    """The type of ``context.resources`` by the handler's annotation; None without one."""
    results: ResultCodec | None
    """Encodes what the handler returns; None if it is not kept."""
    max_retries: int | None
    """How often its jobs are retried; None for `max_retries` of the queue."""
    backoff: Backoff | None
    """The delay before a retry; None for `backoff` of the queue."""
    retry_on: RetryRule | None
    """The exception types after which its jobs are retried, or the function that decides; None
    retries after each."""
    redacted: frozenset[str]
    """The names of fields with ``repr=False`` in its arguments and its result, at any depth."""
    _codec: Codec = field(alias="codec")
    is_limited: bool = field(init=False)
    """Whether an attempt may be cancelled by `timeout` or `max_silence`."""
    failure_hook: FailureHook | None = field(default=None, init=False)
    """The function that was given to `on_failure`; None without one."""

    @property
    def parameters(self) -> Sequence[inspect.Parameter]:
        """The parameters without a `JobContext`, with evaluated annotations."""
        return self._codec.parameters

    def encode_defaults(self) -> Mapping[str, str]:
        """Return the defaults of parameters as JSON texts, where they can be stored."""
        return self._codec.encode_defaults()

    def request(self, /, *args: P.args, **kwargs: P.kwargs) -> JobRequest[R_co]:
        """Return a request for a job with these arguments, to be passed to `BgJobs.enqueue`.

        The arguments are checked and encoded as JSON; nothing is stored.

        Raises:
            TypeError: The handler cannot be called with these arguments.
            PayloadError: An argument does not match its annotation or cannot be stored as JSON;
                every such argument is listed.
        """
        return JobRequest(self.name, self._codec.encode(args, kwargs))

    def decode(self, payload: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and the keyword arguments of a stored job.

        Raises:
            PayloadError: The payload does not match the annotations of the handler.
        """
        # Any: their types are those of the handler, which a stored row does not contain.
        return self._codec.decode(payload)

    @overload
    def on_failure(self, function: OnFailed, /) -> OnFailed: ...
    @overload
    def on_failure(
        self, /, *, cancelled: Literal[False] = False
    ) -> Callable[[OnFailed], OnFailed]: ...
    @overload
    def on_failure(self, /, *, cancelled: Literal[True]) -> Callable[[OnEnded], OnEnded]: ...
    def on_failure(self, function: Any = None, /, *, cancelled: bool = False) -> Any:
        """Register a function that writes in the transaction that ends a job as failed.

        Used as ``@send.on_failure`` or ``@send.on_failure(cancelled=True)``. An exception takes
        back what the function wrote, and is reported as `FailureHookFailed`; the job ends all
        the same. The function is called again if the transaction could not be committed.

        Args:
            function: A plain function of the driver's connection and of the `FailedJob`, called
                in a thread of the store. It must not end the transaction.
            cancelled: Whether it is also called with the `CancelledJob` of a cancelled job.

        Returns:
            The function itself; with settings, a decorator that returns it.

        Raises:
            WorkerDefinitionError: The function is not plain or cannot take two arguments, or
                the worker has such a function already.
        """
        check_flag(self.name, "on_failure: cancelled", cancelled)
        if function is None:
            return partial(self._registered, cancelled=cancelled)
        return self._registered(function, cancelled=False)

    def _registered(self, function: Any, /, *, cancelled: bool) -> Any:
        check_hook(self.name, function)
        if self.failure_hook is not None:
            problem = "on_failure: expected one function, found a second one"
            raise WorkerDefinitionError(self.name, problem)
        # The decorator needs the worker, so the worker is made before its function is known.
        object.__setattr__(self, "failure_hook", FailureHook(function, cancelled))
        return function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the handler directly, without a queue, and return what it returns.

        Raises:
            TypeError: The handler takes a `JobContext`; call ``.handler(context, ...)``.
        """
        if self.takes_context:
            advice = "call its .handler(context, ...) with a context that you made"
            raise TypeError(f"worker {self.name!r} takes a JobContext: {advice}")
        return self.handler(*args, **kwargs)

    def __attrs_post_init__(self) -> None:
        """Copy the names of the handler, for `help`, `inspect` and documentation tools."""
        for name, value in (
            ("is_limited", self.timeout is not None or self.max_silence is not None),
            ("__name__", getattr(self.handler, "__name__", self.name)),
            ("__qualname__", getattr(self.handler, "__qualname__", self.name)),
            ("__module__", getattr(self.handler, "__module__", __name__)),
            ("__doc__", self.handler.__doc__),
            ("__wrapped__", self.handler),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<Worker {self.name!r}>"

    def __reduce__(self) -> str:
        """Pickle the worker by its name, as functions are."""
        module = getattr(self, "__module__", None)
        path = str(getattr(self, "__qualname__", self.name))
        found: Any = sys.modules.get(str(module))
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is not self:
            raise TypeError(
                f"worker {self.name!r}: expected to find it as {module}.{path}, found "
                f"{type(found).__name__}; to be pickled, it has to be in its module under the "
                "name of its function"
            )
        return path

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


@frozen
class _Settings:
    """What `worker(...)` with settings was given."""

    name: str | None
    timeout: float | timedelta | None
    max_silence: float | timedelta | None = None
    global_limit: int | None = None
    rate_limit: RateLimit | None = None
    keep_result: bool = False
    max_retries: int | None = None
    backoff: BackoffSetting | None = None
    retry_on: RetryOn | None = None


@final
@frozen
class WorkerMaker:
    """The decorator that `worker(...)` with settings returns; it keeps the signature."""

    _settings: _Settings

    @overload
    def __call__(
        self, handler: Callable[Concatenate[JobContext[Any], Q], object], /
    ) -> Worker[Q, NotKept]: ...
    @overload
    def __call__(self, handler: Callable[Q, object], /) -> Worker[Q, NotKept]: ...
    def __call__(self, handler: Callable[..., object], /) -> Worker[..., Any]:
        """Return the worker of a function."""
        return _made(handler, self._settings)


@final
@frozen
class KeepingWorkerMaker:
    """The decorator that ``worker(keep_result=True)`` returns; it keeps the result's type."""

    _settings: _Settings

    @overload
    def __call__(
        self, handler: Callable[Concatenate[JobContext[Any], Q], Coroutine[Any, Any, S]], /
    ) -> Worker[Q, S]: ...
    @overload
    def __call__(
        self, handler: Callable[Concatenate[JobContext[Any], Q], S], /
    ) -> Worker[Q, S]: ...
    @overload
    def __call__(self, handler: Callable[Q, Coroutine[Any, Any, S]], /) -> Worker[Q, S]: ...
    @overload
    def __call__(self, handler: Callable[Q, S], /) -> Worker[Q, S]: ...
    def __call__(self, handler: Callable[..., Any], /) -> Worker[..., Any]:
        """Return the worker of a function."""
        return _made(handler, self._settings)


@overload
def worker(
    handler: Callable[Concatenate[JobContext[Any], Q], object], /
) -> Worker[Q, NotKept]: ...
@overload
def worker(handler: Callable[Q, object], /) -> Worker[Q, NotKept]: ...
@overload
def worker(
    *,
    name: str | None = None,
    timeout: float | timedelta | None = None,
    max_silence: float | timedelta | None = None,
    global_limit: int | None = None,
    rate_limit: RateLimit | None = None,
    keep_result: Literal[False] = False,
    max_retries: int | None = None,
    backoff: BackoffSetting | None = None,
    retry_on: RetryOn | None = None,
) -> WorkerMaker: ...
@overload
def worker(
    *,
    name: str | None = None,
    timeout: float | timedelta | None = None,
    max_silence: float | timedelta | None = None,
    global_limit: int | None = None,
    rate_limit: RateLimit | None = None,
    keep_result: Literal[True],
    max_retries: int | None = None,
    backoff: BackoffSetting | None = None,
    retry_on: RetryOn | None = None,
) -> KeepingWorkerMaker: ...
def worker(
    handler: Callable[..., object] | None = None,
    /,
    *,
    name: str | None = None,
    timeout: float | timedelta | None = None,
    max_silence: float | timedelta | None = None,
    global_limit: int | None = None,
    rate_limit: RateLimit | None = None,
    keep_result: bool = False,
    max_retries: int | None = None,
    backoff: BackoffSetting | None = None,
    retry_on: RetryOn | None = None,
) -> Worker[..., Any] | WorkerMaker | KeepingWorkerMaker:
    """Make a worker from a function; used as ``@worker`` or ``@worker(...)``.

    The function is async or plain. Its parameters need annotations of types that can be stored
    as JSON. A first parameter annotated `JobContext` is not one of the arguments; the queue
    passes it. Beside ``**kwargs`` it has to be positional-only, ``ctx: JobContext, /``, or else
    mypy takes it for one of the arguments.

    Args:
        handler: The function.
        name: The name by which stored jobs find their worker; by default that of the function.
        timeout: Seconds, or a `timedelta`, after which an attempt is cancelled and fails; None
            for no timeout.
        max_silence: Seconds, or a `timedelta`, without a report of progress after which an
            attempt is cancelled and fails, counted from its start and then from each report;
            None for no limit. The function has to take a `JobContext`.
        global_limit: How many of its jobs run at the same time, on all nodes together. The
            store counts rows, so a process that dies leaves no lock behind.
        rate_limit: How many of its jobs start within a period, on all nodes together.
        keep_result: Whether to store what the function returns, for `Client.result`. Its return
            annotation has to be a type that can be stored as JSON.
        max_retries: How often a job is retried after its handler raised, 0 to 1,000,000; None
            for that of the queue. That of a `ScheduledJob` precedes it.
        backoff: The delay before a retry: a policy of `bgjobs.backoff` or a function of the
            attempt; None for that of the queue. That of a `ScheduledJob` precedes it.
        retry_on: One or several exception types: after any other exception the job fails now,
            and after a group unless all exceptions in it are of these types. Or a plain
            function of the exception and of the number of the attempt, counted from 1, called
            on the event loop: True retries the job after the backoff, a `timedelta` retries it
            after this delay, and False fails it now. If the function raises or returns another
            type, the queue emits `QueueError` and retries the job. None retries after each
            exception. In any case `max_retries` limits the retries.

    Returns:
        The worker; with settings, a decorator that returns it.

    Raises:
        WorkerDefinitionError: The name, a setting or the kind of the function is invalid, or
            parameters cannot be stored; all such parameters are listed.
    """
    settings = _Settings(
        name,
        timeout,
        max_silence,
        global_limit,
        rate_limit,
        keep_result,
        max_retries=max_retries,
        backoff=backoff,
        retry_on=retry_on,
    )
    if handler is not None:
        return _made(handler, settings)
    return KeepingWorkerMaker(settings) if keep_result is True else WorkerMaker(settings)


def _made(handler: Callable[..., object], settings: _Settings) -> Worker[..., Any]:
    name = checked_name(handler, settings.name)
    if isinstance(handler, Worker):
        raise WorkerDefinitionError(name, "expected a function, found a worker")
    check_kind(name, handler)
    timeout = checked_seconds(name, "timeout", settings.timeout)
    max_silence = checked_seconds(name, "max_silence", settings.max_silence)
    check_flag(name, "keep_result", settings.keep_result)
    cap = checked_cap(name, settings.global_limit, settings.rate_limit)
    backoff = as_optional_backoff(settings.backoff)
    for problem in retry_problems(settings.max_retries, backoff, settings.retry_on):
        raise WorkerDefinitionError(name, problem)
    signature = read_signature(name, handler)
    if max_silence is not None and not signature.takes_context:
        problem = "expected a handler that reports progress to a JobContext, found one without"
        raise WorkerDefinitionError(name, f"max_silence: {problem}")
    results = ResultCodec(name, handler) if settings.keep_result else None
    redacted = signature.redacted if results is None else signature.redacted | results.redacted
    return Worker(
        name=name,
        handler=handler,
        timeout=timeout,
        max_silence=max_silence,
        cap=cap,
        is_async=is_async_function(handler),
        takes_context=signature.takes_context,
        resources=signature.resources,
        results=results,
        max_retries=settings.max_retries,
        backoff=backoff,
        retry_on=as_rule(settings.retry_on),
        redacted=redacted,
        codec=Codec(name, signature),
    )
