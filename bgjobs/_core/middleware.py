"""Middleware: functions that make an async context manager for each attempt.

The queue enters it around the handler; see `bgjobs._runtime.queues.middleware`.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from inspect import isasyncgenfunction, isgeneratorfunction
from typing import Any, TypeAlias, cast

from bgjobs._core.context import JobContext
from bgjobs._core.jobs import Job
from bgjobs._core.lazy import close_coroutines, is_async_function

Middleware: TypeAlias = Callable[[Job, JobContext[Any]], AbstractAsyncContextManager[object]]
"""A function of a job and its context that returns an async context manager."""

WANTED = "a function of a job and its context that returns an async context manager"
_ADVICE = "decorate an async generator function with contextlib.asynccontextmanager"


def kind_if_not_middleware(value: object) -> str | None:
    """Return what `value` is if it is no middleware as far as can be inspected, else None."""
    if isinstance(value, type):
        is_async_manager = hasattr(value, "__aenter__") and hasattr(value, "__aexit__")
        return None if is_async_manager else f"the class {value.__name__}"
    # Before `callable`: those that contextlib makes can be called, to decorate a function.
    if isinstance(value, AbstractAsyncContextManager | AbstractContextManager):
        return "a context manager; pass the function that makes it, without calling it"
    if not callable(value):
        return type(value).__name__
    if isasyncgenfunction(value):
        return "an async generator function; decorate it with contextlib.asynccontextmanager"
    if isgeneratorfunction(value):
        return f"a generator function; {_ADVICE}"
    return f"an async function; {_ADVICE}" if is_async_function(value) else None


def as_middleware(what: str, found: Iterable[Middleware]) -> tuple[Middleware, ...]:
    """Return middleware as a tuple; raise `TypeError` for the first entry that is none."""
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise TypeError(f"{what}: expected a list of functions, found {type(found).__name__}")
    middleware = tuple(found)
    for position, one in enumerate(middleware):
        if kind := kind_if_not_middleware(one):
            close_coroutines(one)
            raise TypeError(f"{what}[{position}]: expected {WANTED}, found {kind}")
    return middleware


def name_of(middleware: Middleware) -> str:
    """Return the name of a middleware for errors."""
    function: object = middleware
    while isinstance(function, partial):
        function = cast("partial[object]", function).func
    return getattr(function, "__qualname__", None) or type(function).__name__


def as_context_manager(
    middleware: Middleware, made: object
) -> AbstractAsyncContextManager[object]:
    """Return what a middleware has made; `TypeError` if it is no async context manager."""
    if isinstance(made, AbstractAsyncContextManager):
        return cast("AbstractAsyncContextManager[object]", made)
    close_coroutines(made)
    raise TypeError(
        f"middleware {name_of(middleware)!r}: expected an async context manager, "
        f"found {_described(made)}"
    )


def _described(made: object) -> str:
    if isinstance(made, AsyncGenerator):
        return "an async generator; decorate the function with contextlib.asynccontextmanager"
    if isinstance(made, Generator):
        return f"a generator; {_ADVICE}"
    if isinstance(made, Coroutine):
        return f"a coroutine; {_ADVICE}"
    kind = f"the class {made.__name__}" if isinstance(made, type) else type(made).__name__
    if isinstance(made, AbstractContextManager):
        return f"a synchronous one of type {kind!r}; {_ADVICE}"
    return kind
