"""Work that was described and has not run: coroutines, generators and their like.

Calling an `async def`, or a function with a `yield`, runs nothing of its body. Code that takes
such an answer for the end of the work reports as done what never began.
"""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Collection, Coroutine, Generator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import starmap
from types import CoroutineType, FunctionType, MethodType
from typing import Any, cast

_DEEPEST = 50
"""Decorators around one function that are looked through; some objects have endless ones."""


@contextmanager
def _block() -> Generator[None]:
    yield


@asynccontextmanager
async def _async_block() -> AsyncGenerator[None]:
    yield


# Other context managers and iterators may well be the result of work: a file, a cursor.
_DEFERRED: tuple[type, ...] = (
    Awaitable,
    Generator,
    AsyncGenerator,
    type(_block()),
    type(_async_block()),
    map,
    filter,
    starmap,
)
_CONTAINERS = (list, tuple, set, frozenset)


def is_deferred(value: object) -> bool:
    """Whether `value` stands for work that has not run, as far as its type shows it.

    Or is a list, a tuple or a set with such a coroutine in it.
    """
    kind = type(value)
    return issubclass(kind, _DEFERRED) or (
        issubclass(kind, _CONTAINERS) and any(True for _ in _coroutines_in(value))
    )


def is_unfinished(value: object) -> bool:
    """Whether `value` is deferred, or is the future of work that a pool of threads does.

    For callbacks whose return is the end of the work. Others may leave work to a pool.
    """
    return issubclass(type(value), Future) or is_deferred(value)


def _coroutines_in(value: object) -> Generator[Coroutine[Any, Any, Any]]:
    for one in cast("Collection[object]", value):
        if type(one) is CoroutineType:
            yield cast("Coroutine[Any, Any, Any]", one)


def discard(value: object) -> None:
    """Close coroutines that nothing is going to await; Python warns of them otherwise."""
    if isinstance(value, Coroutine):
        value.close()
    elif isinstance(value, _CONTAINERS):
        for one in _coroutines_in(cast("object", value)):
            one.close()


def shown(value: object) -> str:
    """Return what deferred work is, for an error."""
    kind = type(value)
    held = " with coroutines in it" if issubclass(kind, _CONTAINERS) else ""
    return f"an object of type {kind.__name__!r}{held}"


def refuse_deferred(what: str, answer: object) -> None:
    """Raise `TypeError` when the callback called `what` has returned work that has not run."""
    if is_deferred(answer):
        _refuse(what, answer)


def refuse_unfinished(what: str, answer: object) -> None:
    """Raise `TypeError` when the callback called `what` has returned unfinished work."""
    if is_unfinished(answer):
        _refuse(what, answer)


def _refuse(what: str, answer: object) -> None:
    discard(answer)
    raise TypeError(
        f"{what}: expected a plain function that does its work before it returns, "
        f"found one that returned {shown(answer)}"
    )


def refuse_deferring(what: str, function: object) -> None:
    """Raise `TypeError` unless `function` is a plain function, as far as can be seen."""
    if found := why_not_plain(function):
        raise TypeError(f"{what}: expected a plain function, found {found}")


def why_not_plain(function: object) -> str | None:
    """Return what `function` is instead of a plain function; None for a plain one."""
    if not callable(function):
        return type(function).__name__
    if isinstance(function, type):
        return f"the class {function.__name__}"
    if is_async_function(function):
        return "an async one"
    return "a generator function" if is_generator_function(function) else None


def is_async_function(function: object) -> bool:
    """Whether calling `function` gives a coroutine, as far as can be seen."""
    called = (function, _first_called(function))
    return _is_async_worker(function) or any(map(inspect.iscoroutinefunction, called))


def _is_async_worker(function: object) -> bool:
    # By its looks: workers stand on a floor above this one.
    return hasattr(type(function), "request") and getattr(function, "is_async", None) is True


def is_generator_function(function: object) -> bool:
    """Whether calling `function` gives a generator, plain or async, as far as can be seen.

    Decorators are looked through by their `__wrapped__`, but for an `async def`: that may well
    iterate over what it wraps.
    """
    layers: list[Any] = [function]
    for _ in range(_DEEPEST):
        if not layers:
            return False
        layer = layers.pop()
        called = _first_called(layer)
        if _yields(called):
            return True
        if not is_async_function(layer):
            around = (layer,) if called is layer else (layer, called)
            wrapped = (getattr(one, "__wrapped__", None) for one in around)
            layers += [one for one in wrapped if one is not None]
    return False


def _yields(function: object) -> bool:
    if inspect.isasyncgenfunction(function):
        return True
    code = getattr(function, "__code__", None)
    # `types.coroutine` makes something that can be awaited of a generator function.
    is_coroutine = code is not None and code.co_flags & inspect.CO_ITERABLE_COROUTINE
    return inspect.isgeneratorfunction(function) and not is_coroutine


def _first_called(function: Any) -> Any:
    """Return the function that a call enters first: inside partials, methods and objects."""
    while True:
        call: Any = type(function).__call__
        if isinstance(function, partial):
            function = cast("Any", function).func
        elif isinstance(function, MethodType | staticmethod):
            function = cast("Any", function).__func__
        elif isinstance(call, FunctionType | MethodType | partial):
            function = cast("Any", call)
        else:
            return function
