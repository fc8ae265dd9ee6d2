"""Calls of plain handlers from their threads, after the handler was cancelled."""

import time
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.from_thread
import pytest

import bgjobs
from bgjobs.events import JobStarted
from tests.fixtures.listings import unreserved, unreserved_in
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


Call = Callable[[bgjobs.BgJobs], Coroutine[Any, Any, Any]]


@bgjobs.worker
async def other() -> None: ...


HOURLY = bgjobs.ScheduledJob(other, bgjobs.schedules.every(hours=1), name="hourly")


CALLS: dict[str, Call] = {
    "enqueue": lambda bg: bg.enqueue(other.request()),
    "count": lambda bg: bg.count(),
    "failed": lambda bg: bg.list(bgjobs.JobFilter("failed")),
    "admin": lambda bg: bg.admin.prune(),
    "add_scheduled_job": lambda bg: bg.add_scheduled_job(HOURLY),
}


def until_cancelled() -> None:
    while True:
        time.sleep(0.001)
        try:
            anyio.from_thread.check_cancelled()
        except BaseException:  # noqa: BLE001 - a cancellation may not be an Exception
            return


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_after_the_timeout_raises_the_cancellation_in_the_thread(
    app: Harness, call: str
) -> None:
    raised = list[BaseException]()

    @bgjobs.worker(timeout=0.05)
    def late() -> None:
        until_cancelled()
        try:
            anyio.from_thread.run(CALLS[call], bg)
        except BaseException as error:
            raised.append(error)
            raise

    config = app.config(late, enqueue_only=[other], queue={"max_retries": 0})
    async with bgjobs.run(config) as bg:
        failed = await bg.wait_for(await bg.enqueue(late.request()))
        assert isinstance(failed, bgjobs.FailedJob)
        assert failed.error == "TimeoutError: timed out after 0.05 seconds"
        assert [type(error) for error in raised] == [anyio.get_cancelled_exc_class()]
        if call == "enqueue":
            assert await unreserved(bg, "other") == []


async def test_a_call_after_the_grace_raises_the_cancellation_and_the_job_is_released(
    app: Harness,
) -> None:
    raised = list[BaseException]()

    @bgjobs.worker
    def late() -> None:
        until_cancelled()
        for _ in range(2):  # a handler that ignores the first error gets it again
            try:
                anyio.from_thread.run(bg.enqueue, other.request())
            except BaseException as error:  # noqa: BLE001 - a cancellation may not be an Exception
                raised.append(error)
        raise raised[0]

    async with bgjobs.run(app.config(late, enqueue_only=[other], grace=0)) as bg:
        job = await bg.enqueue(late.request())
        await app.recorder.wait_for(JobStarted)
    assert [type(error) for error in raised] == [anyio.get_cancelled_exc_class()] * 2
    with app.opened() as store:
        found = store.find(job.id)
        assert unreserved_in(store, "other") == []
    assert isinstance(found, bgjobs.Job)
    assert (found.attempts, found.interruptions, found.crashes) == (0, 1, 0)
