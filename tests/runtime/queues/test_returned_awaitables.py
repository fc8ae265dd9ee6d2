"""Awaitables that a handler returns are awaited: they are part of its attempt."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs.events import JobReleased, JobStarted
from bgjobs.testing import run_one
from tests.fixtures.decorators import logged, logged_later
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.queues.decorated import bare, end_of, failure_of
from tests.runtime.queues.one_slot import on_asyncio

pytestmark = pytest.mark.anyio


name: ContextVar[str] = ContextVar("name", default="unset")


async def end_by_hand(app: Harness, worker: Any, *args: Any) -> None:
    """Run it with `run_one` of the testing kit."""
    await run_one(worker, worker.request(*args))


class Later:
    """An awaitable that is not a coroutine."""

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.coroutine.__await__()  # type: ignore[no-any-return]  # whatever is given


class Charging:
    def __init__(self, charge: Callable[[int], Awaitable[None]]) -> None:
        self._charge = charge

    def method(self, number: int) -> Awaitable[None]:
        return self._charge(number)

    part = functools.partialmethod(method)

    def __call__(self, number: int) -> Awaitable[None]:
        return self._charge(number)


def marked(function: Callable[..., Any]) -> Any:
    """Mark a function as async, which is possible from Python 3.12 on."""
    return getattr(inspect, "markcoroutinefunction", lambda plain: plain)(function)


SHAPES: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "wrapped": logged,
    "wrapped twice": lambda charge: logged(logged(charge)),
    "no trace": bare,
    "async around async": logged_later,
    "plain around async around async": lambda charge: logged(logged_later(charge)),
    "partial of a wrapped one": lambda charge: functools.partial(logged(charge)),
    "static method": staticmethod,
    "method": lambda charge: Charging(charge).method,
    "partial method": lambda charge: Charging(charge).part,
    "callable object": Charging,
    "awaitable object": lambda charge: bare(lambda number: Later(charge(number))),
    "marked": lambda charge: marked(bare(charge)),
    "marked and no coroutine": lambda charge: marked(
        bare(lambda number: Later(charge(number)))
    ),
    "async of an awaitable object": lambda charge: logged_later(
        bare(lambda number: Later(charge(number)))
    ),
}


@pytest.mark.parametrize("seconds", [None, 60])
@pytest.mark.parametrize("shape", SHAPES)
async def test_an_awaitable_that_a_handler_returns_is_awaited(
    sqlite_app: Harness, shape: str, seconds: float | None
) -> None:
    charged = []

    async def charge(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        charged.append(number)

    handler: Any = SHAPES[shape](charge)
    worker: Any = bgjobs.worker(name="charge", timeout=seconds)(handler)
    assert isinstance(await end_of(sqlite_app, worker, 7), bgjobs.SucceededJob)
    assert charged == [7]


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_error_of_a_returned_awaitable_fails_the_attempt(
    sqlite_app: Harness, shape: str
) -> None:
    async def charge(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        raise ValueError(f"no card {number}")

    worker: Any = bgjobs.worker(name="charge")(SHAPES[shape](charge))
    failed = await failure_of(sqlite_app, worker, 7)
    assert failed.error.startswith("ValueError: no card 7\n")


async def test_a_decorated_handler_gets_its_context_and_can_discard_the_job(
    app: Harness,
) -> None:
    @bgjobs.worker
    @logged
    async def charge(context: bgjobs.JobContext, number: int) -> None:
        await anyio.lowlevel.checkpoint()
        raise bgjobs.Discard(f"attempt {context.attempt} of {number}")

    failed = await failure_of(app, charge, 7)
    assert failed.error == "attempt 1 of 7"


@on_asyncio
@pytest.mark.parametrize("make", [asyncio.ensure_future, asyncio.shield])
async def test_a_future_that_a_handler_returns_is_awaited(
    sqlite_app: Harness, make: Callable[[Any], Any]
) -> None:
    charged = []

    async def charge() -> None:
        await asyncio.sleep(0)
        charged.append(1)
        raise ValueError("no card")

    @bgjobs.worker
    async def later() -> Any:
        return make(charge())

    failed = await failure_of(sqlite_app, later)
    assert failed.error.startswith("ValueError: no card\n")
    assert charged == [1]


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_an_awaitable_of_another_event_loop_fails_the_attempt(
    sqlite_app: Harness,
) -> None:
    loop = asyncio.new_event_loop()
    future = loop.create_future()

    @bgjobs.worker
    def foreign() -> Any:
        return future

    failed = await failure_of(sqlite_app, foreign)
    loop.close()
    assert "trio" in failed.error


@virtual_time
async def test_a_timeout_applies_to_a_returned_awaitable(virtual_app: Harness) -> None:
    cancelled = []

    async def charge(number: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(anyio.current_time())

    worker: Any = bgjobs.worker(name="charge", timeout=30)(bare(charge))
    begun = anyio.current_time()
    failed = await failure_of(virtual_app, worker, 7)
    assert failed.error == "TimeoutError: timed out after 30 seconds"
    assert [at - begun for at in cancelled] == [30]


async def test_an_awaitable_returned_after_the_timeout_is_not_begun(
    sqlite_app: Harness,
) -> None:
    """The handler has returned, but its timeout was over before the coroutine could begin."""
    begun = []

    async def charge() -> None:
        begun.append(1)

    @bgjobs.worker(timeout=0.01)
    def slow() -> Any:
        while True:
            try:
                anyio.from_thread.check_cancelled()
            except BaseException:  # noqa: BLE001 - whatever the event loop cancels with
                return charge()

    failed = await failure_of(sqlite_app, slow)
    assert failed.error == "TimeoutError: timed out after 0.01 seconds"
    assert begun == []


async def test_the_end_of_the_grace_cancels_a_returned_awaitable(app: Harness) -> None:
    async def charge(number: int) -> None:
        await anyio.sleep_forever()

    worker: Any = bgjobs.worker(name="charge")(bare(charge))
    async with bgjobs.run(app.config(worker, grace=0)) as bg:
        job = await bg.enqueue(worker.request(7))
        await app.recorder.wait_for(JobStarted)
    found = app.stored(job)
    assert (found.attempts, found.interruptions, found.reserved_by) == (0, 1, None)
    assert len(app.recorder.of(JobReleased)) == 1


@pytest.mark.parametrize("run", [end_of, end_by_hand])
@pytest.mark.parametrize("decorate", [logged, logged_later])
async def test_a_returned_awaitable_sees_the_context_of_its_wrapper(
    sqlite_app: Harness, decorate: Callable[..., Any], run: Callable[..., Any]
) -> None:
    seen = []

    async def look(who: str) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(name.get())

    def bound(function: Callable[..., Any]) -> Callable[[str], Any]:
        def inner(who: str) -> Any:
            seen.append(name.get())
            name.set(who)
            return function(who)

        return inner

    worker: Any = bgjobs.worker(name="look")(decorate(bound(look)))
    await run(sqlite_app, worker, "Ada")
    await run(sqlite_app, worker, "Bob")
    assert seen == ["unset", "Ada", "unset", "Bob"]
    assert name.get() == "unset"


async def test_run_one_awaits_a_returned_awaitable() -> None:
    charged = []

    async def charge(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        charged.append(number)

    worker: Any = bgjobs.worker(name="charge")(bare(charge))
    assert (await run_one(worker, worker.request(7))).how == "succeeded"
    assert charged == [7]
    refused: Any = bgjobs.worker(name="numbers")(lambda: map(print, [1]))
    with pytest.raises(TypeError, match="worker 'numbers': its handler returned an object"):
        await run_one(refused, refused.request())


@virtual_time
async def test_run_virtual_awaits_a_returned_awaitable(virtual_app: Harness) -> None:
    slept = []

    async def sleep(seconds: int) -> None:
        await anyio.sleep(seconds)
        slept.append(seconds)

    worker: Any = bgjobs.worker(name="sleep")(bare(sleep))
    config = bgjobs.Config(
        store=virtual_app.database.store(), queues=[bgjobs.Queue("q", workers=[worker])]
    )
    async with bgjobs.testing.run_virtual(config) as bg:
        await bg.enqueue(worker.request(3600))
        drained = await bgjobs.testing.drain(bg)
    assert (len(drained.succeeded), slept) == (1, [3600])
