"""Stored tracebacks begin in the handler, on each event loop and in threads."""

import asyncio
import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import pytest
import trio
from anyio.lowlevel import checkpoint

import bgjobs
from bgjobs.testing import run_one
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


R = TypeVar("R")


INTERNAL = re.compile(r'File ".*/(bgjobs|anyio|trio|outcome|asyncio|concurrent)/')


HINT = "This handler ran on {}; if it needs {}, set Config(event_loop={!r}) or run with "


async def failed(app: Harness, worker: Any) -> str:
    """Run a job that fails, and return its error."""
    async with bgjobs.run(app.config(worker, queue={"max_retries": 0})) as bg:
        job = await bg.enqueue(worker.request())
        await bg.drain()
        found = await bg.find(job.id)
    assert isinstance(found, bgjobs.FailedJob)
    return found.error


def first_frames(error: str) -> list[str]:
    """Return the name of the first function of each traceback in a text."""
    begins = re.compile(r"Traceback \(most recent call last\):\n[ |]*File .*, in (\w+)\n")
    return begins.findall(error)


@bgjobs.worker
async def divide() -> None:
    await checkpoint()
    _ = 1 / 0


@bgjobs.worker
def divide_in_a_thread() -> None:
    _ = 1 / 0


def counted(function: Callable[[], R]) -> Callable[[], R]:
    @functools.wraps(function)
    def wrapper() -> R:
        return function()

    return wrapper


@bgjobs.worker
@counted
def decorated() -> None:
    _ = 1 / 0


@bgjobs.worker
async def raise_from_a_cause() -> None:
    try:
        await divide()
    except ZeroDivisionError as error:
        raise ValueError("no number") from error


@bgjobs.worker
def work_in_the_transaction(context: bgjobs.JobContext) -> None:
    def work(_: Any) -> None:
        raise ValueError("not written")

    context.complete_with(work)


@pytest.mark.parametrize(
    ("worker", "begins"),
    [
        (divide, ["divide"]),
        (divide_in_a_thread, ["divide_in_a_thread"]),
        (decorated, ["wrapper"]),
        (raise_from_a_cause, ["raise_from_a_cause", "raise_from_a_cause"]),
        (work_in_the_transaction, ["work"]),
    ],
    ids=lambda one: getattr(one, "name", None),
)
async def test_a_traceback_begins_in_the_handler(
    worker: Any, begins: list[str], app: Harness
) -> None:
    error = await failed(app, worker)

    assert first_frames(error) == begins
    assert not INTERNAL.search(error)


async def divide_at_once() -> None:
    _ = 1 / 0


async def raise_at_once() -> None:
    try:
        await divide_at_once()
    except ZeroDivisionError as error:
        raise ValueError("no number") from error


@bgjobs.worker
async def raise_a_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(divide_at_once)
        group.start_soon(raise_at_once)


async def test_the_traceback_of_each_error_of_a_group_begins_in_its_function(
    app: Harness,
) -> None:
    error = await failed(app, raise_a_group)

    begins = ["raise_a_group", "divide_at_once", "raise_at_once", "raise_at_once"]
    assert sorted(first_frames(error)) == sorted(begins)


@bgjobs.worker
async def wait_for_what_fails() -> None:
    await anyio.to_thread.run_sync(divide_in_a_thread)


async def test_frames_below_the_handler_are_kept(app: Harness) -> None:
    error = await failed(app, wait_for_what_fails)

    assert first_frames(error) == ["wait_for_what_fails"]
    assert INTERNAL.search(error), "AnyIO stands between the handler and its thread"
    assert error.index("in wait_for_what_fails") < error.index("in divide_in_a_thread")


@bgjobs.worker
async def give_a_generator() -> Any:
    return (number for number in range(3))


async def test_an_error_of_bgjobs_itself_keeps_its_traceback(app: Harness) -> None:
    assert "bgjobs/_runtime/queues/attempt.py" in await failed(app, give_a_generator)


async def test_storing_an_error_does_not_change_the_exception() -> None:
    error = (await run_one(divide, divide.request(), raising=False)).error

    assert error is not None
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_frame.f_globals["__name__"].startswith("bgjobs")


@bgjobs.worker
async def sleep_on_asyncio() -> None:
    await asyncio.sleep(0.01)


@bgjobs.worker
async def checkpoint_on_asyncio() -> None:
    await asyncio.sleep(0)


@bgjobs.worker
async def lock_on_asyncio() -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    with anyio.move_on_after(0.01):
        await lock.acquire()


@bgjobs.worker
async def asyncio_in_a_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(sleep_on_asyncio)


@bgjobs.worker
async def asyncio_as_a_cause() -> None:
    try:
        await sleep_on_asyncio()
    except RuntimeError as error:
        raise ConnectionError("no pool") from error


@bgjobs.worker
@counted
async def decorated_for_asyncio() -> None:
    await asyncio.sleep(0.01)


@bgjobs.worker
async def sleep_on_trio() -> None:
    await trio.sleep(0.01)


@bgjobs.worker
async def nursery_on_trio() -> None:
    async with trio.open_nursery():
        pass


@bgjobs.worker
async def event_on_trio() -> None:
    with trio.move_on_after(0.01):
        await trio.Event().wait()


@bgjobs.worker
def thread_of_trio() -> None:
    trio.from_thread.run(trio.sleep, 0)


FOR_ASYNCIO = [
    sleep_on_asyncio,
    checkpoint_on_asyncio,
    lock_on_asyncio,
    asyncio_in_a_group,
    asyncio_as_a_cause,
    decorated_for_asyncio,
]


FOR_TRIO = [sleep_on_trio, nursery_on_trio, event_on_trio, thread_of_trio]


def by_name(worker: Any) -> str:
    return str(worker.name)


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
@pytest.mark.parametrize("worker", FOR_ASYNCIO, ids=by_name)
async def test_the_error_of_an_asyncio_handler_on_trio_names_the_setting(
    worker: Any, app: Harness
) -> None:
    second_line = (await failed(app, worker)).splitlines()[1]

    assert second_line == HINT.format("Trio", "asyncio", "asyncio") + "--backend asyncio."


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("worker", FOR_TRIO, ids=by_name)
async def test_the_error_of_a_trio_handler_on_asyncio_names_the_setting(
    worker: Any, app: Harness
) -> None:
    second_line = (await failed(app, worker)).splitlines()[1]

    assert second_line == HINT.format("asyncio", "Trio", "trio") + "--backend trio."


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("worker", FOR_ASYNCIO, ids=by_name)
async def test_handlers_for_asyncio_succeed_on_asyncio(worker: Any, app: Harness) -> None:
    assert (await run_one(worker, worker.request())).how == "succeeded"


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
@pytest.mark.parametrize("worker", FOR_TRIO, ids=by_name)
async def test_handlers_for_trio_succeed_on_trio(worker: Any, app: Harness) -> None:
    assert (await run_one(worker, worker.request())).how == "succeeded"


@bgjobs.worker
def look_for_a_loop_in_a_thread() -> None:
    asyncio.get_running_loop()


@bgjobs.worker
async def raise_its_own_error() -> None:
    raise RuntimeError("no such customer")


@pytest.mark.parametrize(
    "worker", [look_for_a_loop_in_a_thread, raise_its_own_error], ids=by_name
)
async def test_other_errors_do_not_name_the_setting(worker: Any, app: Harness) -> None:
    assert "This handler ran on" not in await failed(app, worker)
