"""Handlers that return work which has not run: the attempt fails and says why."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

import bgjobs
from tests.fixtures.decorators import logged
from tests.runtime.conftest import Harness
from tests.runtime.queues.decorated import end_of, failure_of

pytestmark = pytest.mark.anyio


def numbers() -> Iterator[int]:
    yield 1


async def numbers_later() -> AsyncIterator[int]:
    yield 1


@contextlib.contextmanager
def opened() -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def opened_later() -> AsyncIterator[None]:
    yield


NEVER: dict[str, Callable[[], Any]] = {
    "generator": numbers,
    "async_generator": numbers_later,
    "_GeneratorContextManager": opened,
    "_AsyncGeneratorContextManager": opened_later,
    "map": lambda: map(print, [1]),
    "starmap": lambda: itertools.starmap(print, [()]),
}


async def nothing() -> None: ...


HELD: dict[str, Callable[[], Any]] = {
    "list": lambda: [1, nothing(), nothing()],
    "tuple": lambda: (nothing(), 1),
    "set": lambda: {nothing()},
}


@pytest.mark.parametrize("found", NEVER)
@pytest.mark.parametrize("kind", ["plain", "async", "plain around async"])
async def test_returning_work_that_nothing_runs_fails_the_attempt(
    sqlite_app: Harness, found: str, kind: str
) -> None:
    def plain() -> Any:
        return NEVER[found]()

    async def later() -> Any:
        return NEVER[found]()

    handler = {"plain": plain, "async": later, "plain around async": logged(later)}[kind]
    failed = await failure_of(sqlite_app, bgjobs.worker(name="charge")(handler))
    assert failed.error.startswith(
        f"TypeError: worker 'charge': its handler returned an object of type {found!r}, "
        f"of which nothing has run; do the work before returning\n"
    )


async def test_an_awaitable_with_endless_awaitable_results_fails_the_attempt(
    sqlite_app: Harness,
) -> None:
    class Endless:
        def __await__(self) -> Generator[Any, Any, "Endless"]:
            return Endless()
            yield

    def endless() -> Endless:
        return Endless()

    failed = await failure_of(sqlite_app, bgjobs.worker(endless))
    assert "returned an object of type 'Endless'" in failed.error


async def test_an_awaitable_whose_result_is_itself_succeeds(sqlite_app: Harness) -> None:
    """Some connection pools are such awaitables."""

    class Pool:
        def __await__(self) -> Generator[Any, Any, "Pool"]:
            return self
            yield

    def pool() -> Pool:
        return Pool()

    done = await end_of(sqlite_app, bgjobs.worker(pool))
    assert isinstance(done, bgjobs.SucceededJob)


@pytest.mark.parametrize("found", HELD)
@pytest.mark.parametrize("kind", ["plain", "async", "plain around async"])
async def test_returning_a_collection_of_coroutines_fails_the_attempt(
    sqlite_app: Harness, found: str, kind: str
) -> None:
    def plain() -> Any:
        return HELD[found]()

    async def later() -> Any:
        return HELD[found]()

    handler = {"plain": plain, "async": later, "plain around async": logged(later)}[kind]
    failed = await failure_of(sqlite_app, bgjobs.worker(name="charge")(handler))
    assert failed.error.startswith(
        f"TypeError: worker 'charge': its handler returned an object of type {found!r} with "
        f"coroutines in it, of which nothing has run; do the work before returning\n"
    )


async def end_with_future(app: Harness, future: Future[Any]) -> bgjobs.EndedJob:
    @bgjobs.worker
    def submitting() -> Any:
        return future

    return await end_of(app, submitting)


async def test_a_future_of_a_pool_that_has_not_ended_fails_the_attempt(
    sqlite_app: Harness,
) -> None:
    failed = await end_with_future(sqlite_app, Future())
    assert isinstance(failed, bgjobs.FailedJob)
    assert failed.error.startswith(
        "TypeError: worker 'submitting': its handler returned an object of type 'Future', "
        "which has not ended; do the work before returning\n"
    )


async def test_a_future_of_a_pool_that_has_ended_decides_the_attempt(
    sqlite_app: Harness,
) -> None:
    good, bad = Future[Any](), Future[Any]()
    good.set_result(7)
    bad.set_exception(ValueError("no card"))
    assert isinstance(await end_with_future(sqlite_app, good), bgjobs.SucceededJob)
    failed = await end_with_future(sqlite_app, bad)
    assert isinstance(failed, bgjobs.FailedJob)
    assert failed.error.startswith("ValueError: no card\n")


async def test_work_inside_the_result_of_a_future_is_run(sqlite_app: Harness) -> None:
    charged = []

    async def charge() -> None:
        charged.append(1)

    future = Future[Any]()
    future.set_result(charge())
    assert isinstance(await end_with_future(sqlite_app, future), bgjobs.SucceededJob)
    assert charged == [1]


@pytest.mark.parametrize("answer", [[], [1], (2, 3), {4}, [print], [[]]], ids=str)
async def test_a_collection_of_results_is_a_result(sqlite_app: Harness, answer: Any) -> None:
    @bgjobs.worker
    async def answering() -> Any:
        return answer

    assert isinstance(await end_of(sqlite_app, answering), bgjobs.SucceededJob)
