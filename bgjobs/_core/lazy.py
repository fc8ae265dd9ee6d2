"""Lazy values: coroutines, generators and other objects whose work has not run yet.

Calling an `async def`, or a function with a `yield`, runs nothing of its body. Code that takes
the returned object for a result would report work as done that never started.
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
"""How many decorators around one function are unwrapped; some objects have endless ones."""


@contextmanager
def _block() -> Generator[None]:
    yield


@asynccontextmanager
async def _async_block() -> AsyncGenerator[None]:
    yield


# Other context managers and iterators may be results, such as a file or a cursor.
_LAZY: tuple[type, ...] = (
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


def is_lazy(value: object) -> bool:
    """Whether `value` is lazy, judged by its type, or a list, tuple or set with a coroutine."""
    kind = type(value)
    return issubclass(kind, _LAZY) or (
        issubclass(kind, _CONTAINERS) and any(True for _ in _coroutines_in(value))
    )


def is_unfinished(value: object) -> bool:
    """Whether `value` is lazy, or the future of work that runs in a pool of threads.

    For callbacks whose work must be complete when they return. Others may leave work to a pool.
    """
    return issubclass(type(value), Future) or is_lazy(value)


def _coroutines_in(value: object) -> Generator[Coroutine[Any, Any, Any]]:
    for one in cast("Collection[object]", value):
        if type(one) is CoroutineType:
            yield cast("Coroutine[Any, Any, Any]", one)


def close_coroutines(value: object) -> None:
    """Close coroutines that nothing will await, so that Python does not warn about them."""
    if isinstance(value, Coroutine):
        value.close()
    elif isinstance(value, _CONTAINERS):
        for one in _coroutines_in(cast("object", value)):
            one.close()


def description(value: object) -> str:
    """Describe a lazy value for an error."""
    kind = type(value)
    held = " with coroutines in it" if issubclass(kind, _CONTAINERS) else ""
    return f"an object of type {kind.__name__!r}{held}"


def refuse_lazy(what: str, answer: object) -> None:
    """Raise `TypeError` if the answer of the callback named `what` is lazy."""
    if is_lazy(answer):
        _refuse(what, answer)


def refuse_unfinished(what: str, answer: object) -> None:
    """Raise `TypeError` if the answer of the callback named `what` is unfinished."""
    if is_unfinished(answer):
        _refuse(what, answer)


def _refuse(what: str, answer: object) -> None:
    close_coroutines(answer)
    raise TypeError(
        f"{what}: expected a plain function that does its work before it returns, "
        f"found one that returned {description(answer)}"
    )


def check_plain_function(what: str, function: object) -> None:
    """Raise `TypeError` unless `function` is a plain function, as far as can be inspected."""
    if found := kind_if_not_plain(function):
        raise TypeError(f"{what}: expected a plain function, found {found}")


def kind_if_not_plain(function: object) -> str | None:
    """Return what `function` is if it is not a plain function, else None."""
    if not callable(function):
        return type(function).__name__
    if isinstance(function, type):
        return f"the class {function.__name__}"
    if is_async_function(function):
        return "an async one"
    return "a generator function" if is_generator_function(function) else None


def is_async_function(function: object) -> bool:
    """Whether a call of `function` returns a coroutine, as far as can be inspected."""
    called = (function, _first_called(function))
    return _is_async_worker(function) or any(map(inspect.iscoroutinefunction, called))


def _is_async_worker(function: object) -> bool:
    # By its attributes, because the module of workers imports this one.
    return hasattr(type(function), "request") and getattr(function, "is_async", None) is True


def is_generator_function(function: object) -> bool:
    """Whether a call of `function` returns a generator, as far as can be inspected.

    Decorators are unwrapped by their `__wrapped__`. An `async def` is not unwrapped, because it
    may iterate over the function that it wraps.
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
    # `types.coroutine` makes a generator function awaitable.
    is_coroutine = code is not None and code.co_flags & inspect.CO_ITERABLE_COROUTINE
    return inspect.isgeneratorfunction(function) and not is_coroutine


def _first_called(function: Any) -> Any:
    """Return the function that a call enters first, inside partials, methods and objects."""
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
