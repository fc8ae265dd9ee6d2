"""Which values are lazy, and which functions return such values."""

import asyncio
import contextlib
import functools
import inspect
import itertools
import sys
import types
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from bgjobs._core.lazy import (
    check_plain_function,
    close_coroutines,
    is_async_function,
    is_generator_function,
    is_lazy,
    is_unfinished,
    refuse_lazy,
    refuse_unfinished,
)
from tests.fixtures.decorators import logged, logged_later


def plain() -> int:
    return 1


async def coroutine() -> int:
    return 1


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@types.coroutine
def old_style() -> Any:
    yield


@contextlib.contextmanager
def context_manager() -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def async_context_manager() -> AsyncIterator[None]:
    yield


class Waiting:
    def __await__(self) -> Iterator[None]:
        yield


class Handlers:
    """Every way in which a class holds functions."""

    async def method(self) -> None: ...
    def yielding(self) -> Iterator[int]:
        yield 1

    @staticmethod
    async def static() -> None: ...
    @classmethod
    async def of_all(cls) -> None: ...
    async def _with(self, number: int) -> None: ...

    part = functools.partialmethod(_with, 1)


class Called:
    async def __call__(self) -> None: ...


class Yielding:
    def __call__(self) -> Iterator[int]:
        yield 1


class Decorator:
    """A decorator that is an object."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


@pytest.mark.parametrize(
    "value",
    [
        generator(),
        async_generator(),
        old_style(),
        context_manager(),
        async_context_manager(),
        Waiting(),
        map(str, [1]),
        filter(None, [1]),
        itertools.starmap(str, [()]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_lazy_by_its_type(value: object) -> None:
    assert is_lazy(value)


def test_a_coroutine_is_lazy_and_is_closed_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begun = coroutine()
        assert is_lazy(begun)
        close_coroutines(begun)
        with pytest.raises(TypeError, match="of type 'coroutine'"):
            refuse_lazy("it", coroutine())


def test_a_future_is_lazy() -> None:
    async def with_a_loop() -> None:
        assert is_lazy(asyncio.get_running_loop().create_future())

    asyncio.run(with_a_loop())


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_a_collection_of_coroutines_is_lazy_and_they_are_closed(kind: Any) -> None:
    begun = [coroutine(), coroutine()]
    assert is_lazy(kind(begun))
    with pytest.raises(TypeError, match=f"of type '{kind.__name__}' with coroutines in it"):
        refuse_lazy("it", kind(begun))
    assert [inspect.getcoroutinestate(one) for one in begun] == [inspect.CORO_CLOSED] * 2


def test_a_future_of_a_pool_is_unfinished_but_not_lazy() -> None:
    left = Future[None]()
    assert is_unfinished(left)
    refuse_lazy("listener", left)
    with pytest.raises(TypeError, match="of type 'Future'"):
        refuse_unfinished("it", left)


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        "text",
        b"",
        [],
        {},
        iter([1]),
        zip([1], [2], strict=True),
        plain,
        coroutine,
        Waiting,
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_results_are_not_lazy(value: object) -> None:
    assert not is_lazy(value)
    refuse_lazy("it", value)


def test_an_open_file_is_a_result_although_it_is_an_iterator_and_a_context_manager() -> None:
    with Path(__file__).open(encoding="utf-8") as file:
        assert not is_lazy(file)


@pytest.mark.parametrize(
    ("function", "is_async"),
    [
        (plain, False),
        (coroutine, True),
        (generator, False),
        (async_generator, False),
        (Handlers().method, True),
        (Handlers.static, True),
        (Handlers.__dict__["static"], True),
        (Handlers.of_all, True),
        (Handlers().part, True),
        (Called(), True),
        (functools.partial(Called()), True),
        (functools.partial(functools.partial(coroutine)), True),
        (logged(coroutine), False),
        (logged_later(plain), True),
        (print, False),
        (Called, False),
    ],
)
def test_an_async_function_is_seen_inside_partials_methods_and_objects(
    function: Any, is_async: bool
) -> None:
    assert is_async_function(function) is is_async


@pytest.mark.parametrize(
    "function",
    [
        generator,
        async_generator,
        context_manager,
        async_context_manager,
        functools.partial(generator),
        logged(generator),
        logged(logged(async_generator)),
        functools.partial(logged(functools.partial(generator))),
        functools.lru_cache(generator),
        Handlers().yielding,
        staticmethod(generator),
        Yielding(),
        Decorator(generator),
        logged(Decorator(logged(generator))),
    ],
)
def test_a_generator_function_is_seen_below_decorators(function: Any) -> None:
    assert is_generator_function(function)
    with pytest.raises(TypeError) as caught:
        check_plain_function("it", function)
    assert str(caught.value) == "it: expected a plain function, found a generator function"


@pytest.mark.parametrize(
    "function",
    [plain, coroutine, logged(coroutine), old_style, logged_later(generator), print, Called()],
)
def test_a_function_that_returns_or_iterates_is_no_generator_function(function: Any) -> None:
    assert not is_generator_function(function)


def test_endless_decorators_are_unwrapped_up_to_a_limit() -> None:
    class Endless:
        def __getattr__(self, name: str) -> "Endless":
            return Endless()

        def __call__(self) -> None: ...

    assert not is_generator_function(Endless())


def test_anything_but_a_plain_function_is_refused_by_name() -> None:
    for function, found in (
        (5, "int"),
        (coroutine, "an async one"),
        (Called(), "an async one"),
    ):
        with pytest.raises(TypeError) as caught:
            check_plain_function("it", function)
        assert str(caught.value) == f"it: expected a plain function, found {found}"
    check_plain_function("it", plain)
    check_plain_function("it", functools.partial(print))


def test_a_function_that_is_marked_as_async_is_async_from_python_3_12_on() -> None:
    mark: Any = getattr(inspect, "markcoroutinefunction", None)
    if sys.version_info >= (3, 12):
        assert is_async_function(mark(logged(coroutine)))
    else:
        assert mark is None
