"""Exceptions of handlers inside middleware: passed on, replaced and suppressed."""

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._runtime.bus import contains_error
from bgjobs.events import ChildCrashed, JobDiscarded, JobSnoozed, QueueError
from tests.runtime.conftest import Harness
from tests.runtime.queues.layers import Notes, failure_inside, noting, swallowing
from tests.runtime.queues.one_slot import NotAnException

pytestmark = pytest.mark.anyio

Context = bgjobs.JobContext


@bgjobs.worker
async def failing() -> None:
    await anyio.lowlevel.checkpoint()
    raise ValueError("no such customer")


@bgjobs.worker
def failing_in_a_thread() -> None:
    raise ValueError("no such customer")


@bgjobs.worker
async def grouping() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(failing.handler)
        tasks.start_soon(failing.handler)


@bgjobs.worker
async def exiting() -> None:
    await anyio.lowlevel.checkpoint()
    sys.exit(3)


WORKERS = [
    (failing, "ValueError"),
    (failing_in_a_thread, "ValueError"),
    (grouping, "ExceptionGroup"),
    (exiting, "SystemExit"),
]


@pytest.mark.parametrize(("worker", "error"), WORKERS, ids=lambda one: getattr(one, "name", ""))
async def test_an_error_passes_through_all_middleware(
    app: Harness, worker: Any, error: str
) -> None:
    notes: Notes = []
    failed = await failure_inside(app, [noting(notes, "a"), noting(notes, "b")], worker)
    expected = ["a enters", "b enters", f"b sees {error}", f"a sees {error}"]
    assert notes[:4] == expected
    assert failed.error.startswith(f"{error}: ")
    assert failed.attempts == 0  # no attempt but the last
    assert app.recorder.of(ChildCrashed) == []


async def test_the_traceback_begins_in_the_handler(sqlite_app: Harness) -> None:
    failed = await failure_inside(sqlite_app, [noting([], "a"), noting([], "b")], failing)
    first = failed.error.partition("Traceback (most recent call last):\n")[2]
    assert "in failing\n" in first.partition("\n    ")[0] + "\n"


async def test_an_error_that_passes_through_has_no_note(sqlite_app: Harness) -> None:
    failed = await failure_inside(sqlite_app, [noting([], "a")], failing)
    assert "raised on" not in failed.error


@asynccontextmanager
async def replacing(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
    try:
        yield
    except Exception as error:
        raise LookupError("replaced") from error


@pytest.mark.parametrize("worker", [failing, failing_in_a_thread])
async def test_a_middleware_may_replace_the_error(app: Harness, worker: Any) -> None:
    notes: Notes = []
    failed = await failure_inside(app, [noting(notes, "a"), replacing], worker)
    assert failed.error.startswith("LookupError: replaced\n")
    assert "ValueError: no such customer" in failed.error
    assert "a sees LookupError" in notes


@pytest.mark.parametrize(("worker", "error"), WORKERS, ids=lambda one: getattr(one, "name", ""))
async def test_suppressing_an_error_fails_the_attempt_and_names_the_middleware(
    app: Harness, worker: Any, error: str
) -> None:
    notes: Notes = []
    failed = await failure_inside(app, [noting(notes, "a"), swallowing], worker)
    assert failed.error.partition("\n")[0] == (
        f"RuntimeError: middleware 'swallowing' suppressed {error}, so the attempt has failed; "
        "raise it again, or raise another exception"
    )
    assert f"{error}: " in failed.error  # as the cause
    assert "a sees RuntimeError" in notes


async def test_returning_true_suppresses_too(sqlite_app: Harness) -> None:
    class Quiet:
        def __init__(self, job: bgjobs.Job, context: Context) -> None: ...

        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *_: object) -> Any:
            return "yes"

    failed = await failure_inside(sqlite_app, [Quiet], failing)
    assert "Quiet' suppressed ValueError, so the attempt has failed" in failed.error


def discarding() -> None:
    raise bgjobs.Discard("enough")


def snoozing() -> None:
    raise bgjobs.Snooze(for_=timedelta(hours=1))


@bgjobs.worker
async def ordering(what: str) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleep_and, {"discard": discarding, "snooze": snoozing}[what])


async def sleep_and(order: Callable[[], None]) -> None:
    await anyio.lowlevel.checkpoint()
    order()


async def test_discard_and_snooze_pass_through(app: Harness) -> None:
    notes: Notes = []
    config = app.config(ordering, middleware=[noting(notes, "a")])
    async with bgjobs.run(config) as bg:
        discarded = await bg.wait_for(await bg.enqueue(ordering.request("discard")))
        snoozed = await bg.enqueue(ordering.request("snooze"))
        await app.recorder.wait_for(JobSnoozed)
        found = await bg.find(snoozed.id)
    assert isinstance(discarded, bgjobs.FailedJob)
    assert (discarded.error, len(app.recorder.of(JobDiscarded))) == ("enough", 1)
    assert isinstance(found, bgjobs.Job)
    assert (found.state, found.attempts) == ("delayed", 0)
    assert notes == 2 * ["a enters", "a sees ExceptionGroup"]


@pytest.mark.parametrize(("what", "order"), [("discard", "Discard"), ("snooze", "Snooze")])
async def test_suppressing_discard_or_snooze_fails_the_attempt(
    sqlite_app: Harness, what: str, order: str
) -> None:
    @bgjobs.worker(name="ordering")
    async def at_once(what: str) -> None:
        {"discard": discarding, "snooze": snoozing}[what]()

    failed = await failure_inside(sqlite_app, [swallowing], at_once, what)
    assert failed.error.startswith(f"RuntimeError: middleware 'swallowing' suppressed {order},")


@pytest.mark.parametrize("middleware", [noting([], "a"), swallowing])
@pytest.mark.parametrize("error", [KeyboardInterrupt, NotAnException])
@pytest.mark.parametrize("is_late", [False, True])
async def test_an_error_that_ends_the_queue_passes_through_and_cannot_be_suppressed(
    sqlite_app: Harness, middleware: Any, error: type[BaseException], is_late: bool
) -> None:
    """Also not if the timeout has cancelled the handler that raises it."""

    @bgjobs.worker(timeout=0.01)
    async def poison() -> None:
        with suppress(anyio.get_cancelled_exc_class()):
            await (anyio.sleep_forever() if is_late else anyio.lowlevel.checkpoint())
        raise BaseExceptionGroup("several", [ValueError(), error()])

    tolerance = bgjobs.RestartTolerance(restarts=0)
    config = sqlite_app.config(poison, middleware=[middleware], restart_tolerance=tolerance)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with bgjobs.run(config) as bg:
            await bg.enqueue(poison.request())
            await anyio.sleep_forever()
    is_interrupt = error is KeyboardInterrupt
    assert contains_error(caught.value, KeyboardInterrupt) == is_interrupt
    assert len(sqlite_app.recorder.of(QueueError)) == (not is_interrupt)


async def test_an_attempt_inside_middleware_is_retried_and_enters_it_again(
    app: Harness,
) -> None:
    attempts: list[int] = []

    @asynccontextmanager
    async def counting(job: bgjobs.Job, context: Context) -> AsyncGenerator[None]:
        attempts.append(context.attempt)
        yield

    config = app.config(failing, queue={"max_retries": 2}, middleware=[counting])
    async with bgjobs.run(config) as bg:
        await bg.wait_for(await bg.enqueue(failing.request()))
    assert attempts == [1, 2, 3]
