"""`@worker`, which makes a `Worker` from a function: a name, a codec and typed requests."""

import sys
import unicodedata
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar, final, overload

from attrs import field, frozen

from bgjobs._core.context import JobContext
from bgjobs._core.generics import NotKept, R_co
from bgjobs._core.jobs import LARGEST_WHOLE
from bgjobs._core.lazy import is_async_function, is_generator_function
from bgjobs._core.limits import Cap, RateLimit
from bgjobs._core.payloads import Codec, ResultCodec, read_signature
from bgjobs._core.requests import LONGEST_NAME, JobRequest
from bgjobs._core.retries import (
    RetryOn,
    RetryRule,
    as_optional_backoff,
    as_rule,
    retry_problems,
)
from bgjobs._core.text import number_text, value_text
from bgjobs._core.timestamps import LONGEST_DELAY, as_duration
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
    name = _checked_name(handler, settings.name)
    _check_kind(name, handler)
    timeout = _checked_seconds(name, "timeout", settings.timeout)
    max_silence = _checked_seconds(name, "max_silence", settings.max_silence)
    _check_flag(name, "keep_result", settings.keep_result)
    cap = _checked_cap(name, settings.global_limit, settings.rate_limit)
    _check_retries(name, settings)
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
        backoff=as_optional_backoff(settings.backoff),
        retry_on=as_rule(settings.retry_on),
        codec=Codec(name, signature),
    )


def _checked_cap(name: str, running: object, rate: object) -> Cap | None:
    if running is not None and (type(running) is not int or not 1 <= running <= LARGEST_WHOLE):
        limits = f"a whole number from 1 to {LARGEST_WHOLE:,}"
        problem = f"global_limit: expected {limits}, found {number_text(running)}"
        raise WorkerDefinitionError(name, problem)
    if rate is not None and not isinstance(rate, RateLimit):
        problem = f"rate_limit: expected a RateLimit, found {type(rate).__name__}"
        raise WorkerDefinitionError(name, problem)
    return None if running is None and rate is None else Cap(name, running, rate)


def _check_retries(name: str, settings: _Settings) -> None:
    backoff = as_optional_backoff(settings.backoff)
    problems = retry_problems(settings.max_retries, backoff, settings.retry_on)
    if problem := next(problems, None):
        raise WorkerDefinitionError(name, problem)


def _check_flag(name: str, what: str, flag: object) -> None:
    if flag is not True and flag is not False:
        problem = f"{what}: expected True or False, found {type(flag).__name__}"
        raise WorkerDefinitionError(name, problem)


def _checked_name(handler: object, name: str | None) -> str:
    found: object = getattr(handler, "__name__", None) if name is None else name
    if name is None and (found is None or found == "<lambda>"):
        raise WorkerDefinitionError(
            type(handler).__name__ if found is None else str(found),
            "expected a name, found a handler without one; write @worker(name=...)",
        )
    if not isinstance(found, str):
        problem = f"expected a str as its name, found {type(found).__name__}"
        raise WorkerDefinitionError(value_text(found), problem)
    if not 1 <= len(found) <= LONGEST_NAME:
        problem = f"expected a name of 1 to {LONGEST_NAME} characters, found {len(found)}"
        raise WorkerDefinitionError(found[:LONGEST_NAME], problem)
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in found):
        problem = "expected a name without control characters and surrogates"
        raise WorkerDefinitionError(found, problem)
    return found


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


def _checked_seconds(name: str, what: str, given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float | timedelta):
        problem = f"{what}: expected seconds or a timedelta, found {type(given).__name__}"
        raise WorkerDefinitionError(name, problem)
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    found = str(given) if isinstance(given, timedelta) else number_text(given)
    if seconds > LONGEST_DELAY.total_seconds():
        problem = f"{what}: expected at most {LONGEST_DELAY.days:,} days, found {found}"
        raise WorkerDefinitionError(name, problem)
    if not round(seconds, 6) > 0:  # in microseconds, as durations are
        problem = f"{what}: expected more than 0 seconds, found {found}"
        raise WorkerDefinitionError(name, problem)
    return as_duration(seconds).total_seconds()
