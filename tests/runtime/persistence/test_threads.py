"""Store threads: each call ends once, in its own context, and no thread outlives its task."""

import threading
from contextvars import ContextVar

import anyio
import pytest

from bgjobs._runtime.persistence.threads import StoreThreads

pytestmark = pytest.mark.anyio


async def test_many_calls_at_once_are_all_answered() -> None:
    threads, answers = StoreThreads(3), list[int]()

    async def ask(number: int) -> None:
        answers.append(await threads.call(lambda: number * number))

    async with anyio.create_task_group() as around:
        around.start_soon(threads.run)
        async with anyio.create_task_group() as callers:
            for number in range(200):
                callers.start_soon(ask, number)
        threads.finish()
    assert sorted(answers) == [number * number for number in range(200)]


async def test_an_error_of_a_call_is_raised_in_its_caller() -> None:
    threads = StoreThreads(1)

    def fail() -> None:
        raise LookupError("nothing there")

    async with anyio.create_task_group() as around:
        around.start_soon(threads.run)
        with pytest.raises(LookupError, match="nothing there"):
            await threads.call(fail)
        threads.finish()


async def test_a_call_that_has_begun_is_waited_for_when_its_caller_is_cancelled() -> None:
    threads, begun, go_on = StoreThreads(1), threading.Event(), threading.Event()
    ended = list[str]()

    def work() -> None:
        begun.set()
        assert go_on.wait(30)
        ended.append("work")

    async with anyio.create_task_group() as around:
        around.start_soon(threads.run)
        async with anyio.create_task_group() as callers:
            callers.start_soon(threads.call, work)
            with anyio.fail_after(30):
                while not begun.is_set():
                    await anyio.lowlevel.checkpoint()
            callers.cancel_scope.cancel()
            go_on.set()
        ended.append("caller")
        threads.finish()
    assert ended == ["work", "caller"]


async def test_a_call_sees_the_context_of_its_caller() -> None:
    threads, whose = StoreThreads(1), ContextVar("whose", default="nobody's")
    async with anyio.create_task_group() as around:
        around.start_soon(threads.run)
        whose.set("the caller's")
        assert await threads.call(whose.get) == "the caller's"
        threads.finish()


async def test_the_threads_end_with_their_task() -> None:
    threads = StoreThreads(4)
    async with anyio.create_task_group() as around:
        around.start_soon(threads.run)
        await threads.call(int)  # when one is answered, all have started
        names = await threads.call(lambda: [one.name for one in threading.enumerate()])
        threads.finish()
    assert sum(name.startswith("bgjobs-store-") for name in names) >= 4
    assert not [
        one for one in threading.enumerate() if one.name in names and "bgjobs-store" in one.name
    ]
