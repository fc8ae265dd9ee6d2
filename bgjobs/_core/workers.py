"""`@worker`, which makes a `Worker` from a function: a name, a codec and typed requests."""

import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar, final, overload

from attrs import field, frozen

from bgjobs._core.context import JobContext
from bgjobs._core.generics import NotKept, R_co
from bgjobs._core.lazy import is_async_function, is_generator_function
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
from bgjobs._core.worker_checks import check_flag, checked_cap, checked_name, checked_seconds
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
    _codec: Codec = field(alias="codec")
    is_limited: bool = field(init=False)
    """Whether an attempt may be cancelled by `timeout` or `max_silence`."""

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

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the handler directly, without a queue, and return what it returns.

        Raises:
            TypeError: The handler takes a `JobContext`; call ``.handler(context, ...)``.
        """
        if self.takes_context:
            raise TypeError(
                f"worker {self.name!r} takes a JobContext: "
                f"call its .handler(context, ...) with a context that you made"
            )
        return self.handler(*args, **kwargs)

    def __attrs_post_init__(self) -> None:
        """Copy the names of the handler, for `help`, `inspect` and documentation tools."""
        is_limited = self.timeout is not None or self.max_silence is not None
        for name, value in (
            ("is_limited", is_limited),
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
        module, path = getattr(self, "__module__", None), self._path()
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

    def _path(self) -> str:
        return str(getattr(self, "__qualname__", self.name))


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
    _check_kind(name, handler)
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
    return Worker(
        name=name,
        handler=handler,
        timeout=timeout,
        max_silence=max_silence,
        cap=cap,
        is_async=is_async_function(handler),
        takes_context=signature.takes_context,
        resources=signature.resources,
        results=ResultCodec(name, handler) if settings.keep_result else None,
        max_retries=settings.max_retries,
        backoff=backoff,
        retry_on=as_rule(settings.retry_on),
        codec=Codec(name, signature),
    )


def _check_kind(name: str, handler: object) -> None:
    if isinstance(handler, Worker):
        raise WorkerDefinitionError(name, "expected a function, found a worker")
    if not callable(handler):
        found = type(handler).__name__
        raise WorkerDefinitionError(name, f"expected a function, found {found}")
    if isinstance(handler, type):
        raise WorkerDefinitionError(
            name,
            f"expected a function, found the class {handler.__name__!r}, which a call would "
            f"only instantiate; pass an instance with a __call__ method",
        )
    if is_generator_function(handler):
        raise WorkerDefinitionError(
            name, "expected a function that returns, found a generator function"
        )
