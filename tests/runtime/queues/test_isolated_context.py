"""Context variables that a handler sets do not leave its job."""

from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs.events import Event, JobStarted
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio

user: ContextVar[str] = ContextVar("user", default="unset")


async def test_context_variables_do_not_reach_the_next_job_of_the_slot(app: Harness) -> None:
    seen: list[str] = []

    @bgjobs.worker(timeout=60)
    async def timed(name: str) -> None:
        seen.append(user.get())
        user.set(name)
        await anyio.lowlevel.checkpoint()
        seen.append(user.get())

    @bgjobs.worker
    async def plain(name: str) -> None:
        seen.append(user.get())
        user.set(name)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            await anyio.lowlevel.checkpoint()

    async def look() -> None:
        seen.append(user.get())

    @bgjobs.worker
    def in_thread(name: str) -> None:
        seen.append(user.get())
        user.set(name)

    workers: list[bgjobs.Worker[[str], Any]] = [timed, plain, in_thread]
    async with bgjobs.run(app.config(*workers, queue={"concurrency": 1})) as bg:
        for number in range(2):
            for worker in workers:
                await bg.wait_for(await bg.enqueue(worker.request(f"user {number}")))
    expected = [
        *("unset", "user 0", "unset", "user 0", "unset"),
        *("unset", "user 1", "unset", "user 1", "unset"),
    ]
    assert seen == expected


async def test_a_handler_sees_what_a_listener_sets_at_its_start(sqlite_app: Harness) -> None:
    """So a listener can set the current span and log fields for a job."""
    seen: list[str] = []

    def listener(event: Event) -> None:
        if isinstance(event, JobStarted):
            user.set(event.job.name)

    @bgjobs.worker
    async def look() -> None:
        seen.append(user.get())

    async with bgjobs.run(sqlite_app.config(look, listeners=[listener])) as bg:
        await bg.wait_for(await bg.enqueue(look.request()))
    assert seen == ["look"]


async def test_a_handler_that_is_cancelled_cleans_up_in_its_context(
    sqlite_app: Harness,
) -> None:
    seen: list[str] = []

    @bgjobs.worker(timeout=0.01)
    async def slow() -> None:
        user.set("slow")
        try:
            await anyio.sleep_forever()
        finally:
            seen.append(user.get())

    config = sqlite_app.config(slow, queue={"max_retries": 0})
    async with bgjobs.run(config) as bg:
        ended = await bg.wait_for(await bg.enqueue(slow.request()))
    assert isinstance(ended, bgjobs.FailedJob)
    assert ended.error.startswith("TimeoutError")
    assert seen == ["slow"]
