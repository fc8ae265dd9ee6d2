"""Middleware in settings: what is accepted, what is refused, and with which error."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from functools import partial
from typing import Any

import pytest

import bgjobs
from bgjobs._core.middleware import WANTED, as_context_manager, as_middleware, name_of
from tests.unit.core.settings import mail, make_config, make_queue, problems_of

ADVICE = "decorate an async generator function with contextlib.asynccontextmanager"
MADE = "a context manager; pass the function that makes it, without calling it"


@asynccontextmanager
async def noting(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
    yield


async def undecorated(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
    yield


async def deferred(job: bgjobs.Job, context: bgjobs.JobContext) -> None: ...


def lazy(job: bgjobs.Job, context: bgjobs.JobContext) -> Iterator[None]:
    yield


@contextmanager
def synchronous(job: bgjobs.Job, context: bgjobs.JobContext) -> Iterator[None]:
    yield


@asynccontextmanager
async def made_too_early() -> AsyncGenerator[None]:
    yield


class Timed(AbstractAsyncContextManager[None]):
    """A class is middleware, too, if its instances are async context managers."""

    def __init__(self, job: bgjobs.Job, context: bgjobs.JobContext) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


class Recording:
    """An object with settings of its own, which makes context managers."""

    def __call__(self, job: bgjobs.Job, context: bgjobs.JobContext) -> Any:
        return nullcontext()


RIGHT: list[Any] = [noting, Timed, Recording(), partial(noting), lambda *_: nullcontext()]


@pytest.mark.parametrize("make", [make_queue, make_config])
def test_any_iterable_of_functions_is_kept_in_its_order_with_duplicates(
    make: Callable[..., Any],
) -> None:
    given = [*RIGHT, noting]
    assert make(middleware=given).middleware == tuple(given)
    assert make(middleware=(one for one in given)).middleware == tuple(given)
    assert as_middleware("middleware", given) == tuple(given)
    assert make().middleware == ()


WRONG: list[tuple[Any, str]] = [
    (5, "int"),
    (None, "NoneType"),
    ("noting", "str"),
    (bgjobs.Config, "the class Config"),
    (mail, f"an async function; {ADVICE}"),
    (deferred, f"an async function; {ADVICE}"),
    (lazy, f"a generator function; {ADVICE}"),
    (
        undecorated,
        "an async generator function; decorate it with contextlib.asynccontextmanager",
    ),
    (
        partial(undecorated),
        "an async generator function; decorate it with contextlib.asynccontextmanager",
    ),
    (made_too_early(), MADE),  # it can be called: contextlib allows to decorate with it
    (nullcontext(), MADE),
]


@pytest.mark.parametrize(("wrong", "found"), WRONG)
def test_an_entry_that_makes_no_async_context_manager_is_refused(
    wrong: Any, found: str
) -> None:
    problem = f"middleware[1]: expected {WANTED}, found {found}"
    assert problems_of(make_queue, middleware=[noting, wrong]) == (f"queue 'q': {problem}",)
    assert problems_of(make_config, middleware=[noting, wrong]) == (f"Config: {problem}",)
    with pytest.raises(TypeError) as caught:
        as_middleware("middleware", [noting, wrong])
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("wrong", "found"),
    [(noting, "function"), ("noting", "str"), (b"noting", "bytes"), (None, "NoneType")],
)
def test_one_function_instead_of_a_list_is_refused(wrong: Any, found: str) -> None:
    problem = f"Config: middleware: expected a list of them, found {found}"
    assert problems_of(make_config, middleware=wrong) == (problem,)
    with pytest.raises(TypeError) as caught:
        as_middleware("middleware", wrong)
    assert str(caught.value) == f"middleware: expected a list of functions, found {found}"


JOB: Any = None


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (
            undecorated(JOB, JOB),
            "an async generator; decorate the function with contextlib.asynccontextmanager",
        ),
        (lazy(JOB, JOB), f"a generator; {ADVICE}"),
        (
            synchronous(JOB, JOB),
            f"a synchronous one of type '_GeneratorContextManager'; {ADVICE}",
        ),
        (None, "NoneType"),
        (Timed, "the class Timed"),
    ],
)
def test_what_a_middleware_made_has_to_be_an_async_context_manager(
    made: Any, found: str
) -> None:
    with pytest.raises(TypeError) as caught:
        as_context_manager(noting, made)
    assert str(caught.value) == (
        f"middleware 'noting': expected an async context manager, found {found}"
    )


def test_a_coroutine_that_a_middleware_returned_is_closed() -> None:
    """Python warns about one that was never awaited, which fails a test."""
    with pytest.raises(TypeError, match=f"found a coroutine; {ADVICE}"):
        as_context_manager(noting, deferred(JOB, JOB))


@pytest.mark.parametrize(
    ("middleware", "name"),
    [
        (noting, "noting"),
        (partial(partial(noting)), "noting"),
        (Timed, "Timed"),
        (Recording(), "Recording"),
    ],
)
def test_errors_name_a_middleware_by_its_function_or_class(middleware: Any, name: str) -> None:
    assert name_of(middleware) == name
