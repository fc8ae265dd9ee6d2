"""Exceptions that middleware raises itself, when it is called, entered and left."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs.events import JobDiscarded, JobSnoozed, QueueStarted
from tests.runtime.conftest import Harness
from tests.runtime.queues.layers import Notes, failure_inside, noting
from tests.runtime.queues.one_slot import NotAnException, restarts

pytestmark = pytest.mark.anyio

Context = bgjobs.JobContext


@asynccontextmanager
async def broken_on_entering(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    if job.name != "healthy":
        raise LookupError("no pool")
    yield


@asynccontextmanager
async def broken_on_leaving(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    yield
    if job.name != "healthy":
        raise LookupError("no commit")


def broken_when_called(job: bgjobs.Job, context: Context) -> Any:
    if job.name != "healthy":
        raise LookupError("no pool")
    return nullcontext()


@pytest.mark.parametrize("broken", [broken_on_entering, broken_when_called])
async def test_an_error_on_entering_fails_the_attempt_and_the_handler_is_not_called(
    app: Harness, broken: Any
) -> None:
    notes: Notes = []
    worker = bgjobs.worker(name="x")(lambda: notes.append("called"))
    failed = await failure_inside(
        app, [noting(notes, "a"), noting(notes, "b"), broken, noting(notes, "c")], worker
    )
    expected = ["a enters", "b enters", "b sees LookupError", "a sees LookupError"]
    assert notes[:4] == expected
    assert "called" not in notes
    assert failed.error.startswith("LookupError: no pool\n")


async def test_an_error_on_leaving_fails_the_attempt_of_a_handler_that_returned(
    app: Harness,
) -> None:
    notes: Notes = []
    worker = bgjobs.worker(name="x")(lambda: notes.append("called"))
    failed = await failure_inside(
        app, [noting(notes, "a"), broken_on_leaving, noting(notes, "b")], worker
    )
    expected = ["a enters", "b enters", "called", "b leaves", "a sees LookupError"]
    assert notes[:5] == expected
    assert failed.error.startswith("LookupError: no commit\n")


async def test_what_was_to_be_written_with_the_completion_is_not_written_then(
    app: Harness,
) -> None:
    works: list[str] = []

    @bgjobs.worker
    async def completing(context: Context) -> None:
        context.complete_with(lambda _: works.append("written"))

    await failure_inside(app, [broken_on_leaving], completing)
    assert works == []


@asynccontextmanager
async def without_a_yield(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    if job.name == "healthy":
        yield


@asynccontextmanager
async def with_two_yields(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    yield
    if job.name != "healthy":
        yield


@contextmanager
def synchronous(job: bgjobs.Job, context: Context) -> Any:
    yield


def hidden(make: Callable[..., Any]) -> Callable[..., Any]:
    """A middleware that returns what `make` returns, except for the job `healthy`."""

    def middleware(job: bgjobs.Job, context: Context) -> Any:
        return nullcontext() if job.name == "healthy" else make(job, context)

    return middleware


async def lazy(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    yield


async def deferred(job: bgjobs.Job, context: Context) -> None: ...


EXPECTED = (
    "TypeError: middleware 'hidden.<locals>.middleware': expected an async context manager"
)


@pytest.mark.parametrize(
    ("middleware", "error"),
    [
        (without_a_yield, "RuntimeError: generator didn't yield"),
        (with_two_yields, "RuntimeError: generator didn't stop"),
        (hidden(lazy), f"{EXPECTED}, found an async generator; decorate the function with"),
        (hidden(synchronous), f"{EXPECTED}, found a synchronous one of type '_Generator"),
        (hidden(deferred), f"{EXPECTED}, found a coroutine; decorate an async generator"),
        (hidden(lambda *_: None), f"{EXPECTED}, found NoneType"),
    ],
)
async def test_middleware_that_is_none_fails_the_attempt_and_is_described(
    sqlite_app: Harness, middleware: Any, error: str
) -> None:
    worker = bgjobs.worker(name="x")(lambda: None)
    failed = await failure_inside(sqlite_app, [middleware], worker)
    assert failed.error.startswith(error)
    step = "leaving" if "stop" in error else "entering"
    name = middleware.__qualname__
    assert f"\nraised on {step} middleware {name!r}" in failed.error


async def test_a_middleware_may_discard_and_snooze_itself(app: Harness) -> None:
    @asynccontextmanager
    async def refusing(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
        if job.name == "refused":
            raise bgjobs.Discard("enough")
        yield
        raise bgjobs.Snooze(for_=timedelta(hours=1))

    refused = bgjobs.worker(name="refused")(lambda: None)
    put_off = bgjobs.worker(name="put off")(lambda: None)
    async with bgjobs.run(app.config(refused, put_off, middleware=[refusing])) as bg:
        failed = await bg.wait_for(await bg.enqueue(refused.request()))
        job = await bg.enqueue(put_off.request())
        await app.recorder.wait_for(JobSnoozed)
        found = await bg.find(job.id)
    assert isinstance(failed, bgjobs.FailedJob)
    assert (failed.error, len(app.recorder.of(JobDiscarded))) == ("enough", 1)
    assert isinstance(found, bgjobs.Job)
    assert (found.state, found.attempts) == ("delayed", 0)


async def test_the_note_is_added_once_to_an_error_that_is_raised_again(
    sqlite_app: Harness,
) -> None:
    kept = LookupError("no pool")

    @asynccontextmanager
    async def raising(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
        if job.name != "healthy":
            raise kept
        yield

    worker = bgjobs.worker(name="x")(lambda: None)
    for _ in range(2):
        await failure_inside(sqlite_app, [raising], worker)
    assert len(kept.__notes__) == 1


async def test_a_base_exception_of_a_middleware_counts_a_crash(sqlite_app: Harness) -> None:
    @asynccontextmanager
    async def poison(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
        yield
        if job.name != "healthy":
            raise NotAnException

    limits = bgjobs.Limits(max_crashes=1)
    worker = bgjobs.worker(name="x")(lambda: None)
    failed = await failure_inside(sqlite_app, [poison], worker, limits=limits, **restarts())
    assert failed.error == "its worker died 2 times while running it"
    assert len(sqlite_app.recorder.of(QueueStarted)) == 3


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_middleware_that_needs_the_other_loop_gets_the_hint(
    sqlite_app: Harness, is_async: bool
) -> None:
    async def awaiting() -> None: ...

    def plain() -> None: ...

    @asynccontextmanager
    async def of_asyncio(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
        yield
        if job.name != "healthy":
            await asyncio.sleep(1)

    worker = bgjobs.worker(name="x")(awaiting if is_async else plain)
    failed = await failure_inside(sqlite_app, [of_asyncio], worker)
    assert "set Config(event_loop='asyncio')" in failed.error


async def test_a_payload_that_does_not_fit_fails_before_middleware_is_entered(
    sqlite_app: Harness,
) -> None:
    notes: Notes = []

    @bgjobs.worker(name="mail")
    async def old(to: str) -> None: ...

    @bgjobs.worker(name="mail")
    async def new(to: int) -> None: ...

    config = sqlite_app.config(new, queue={"max_retries": 0}, middleware=[noting(notes, "a")])
    async with bgjobs.run(config) as bg:
        failed = await bg.wait_for(await bg.enqueue(old.request("ada")))
    assert isinstance(failed, bgjobs.FailedJob)
    assert failed.error.startswith("PayloadError: ")
    assert notes == []
