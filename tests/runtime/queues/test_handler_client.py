"""`JobContext.client`: a handler enqueues, finds and operates jobs as long as it may run."""

from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs.errors import NotRunningError
from bgjobs.events import JobStarted, ScheduledJobPaused
from bgjobs.schedules import every
from tests.fixtures.listings import unreserved_in
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def fine() -> None:
    """Succeed."""


@bgjobs.worker
async def asks(context: bgjobs.JobContext) -> None:
    job = await context.client.enqueue(fine.request())
    assert await context.client.find(job.id) is not None
    assert (await context.client.wait_for(job)).state == "succeeded"
    assert [one.id for one in await context.client.list(bgjobs.JobFilter("running"))] == [
        context.job.id
    ]


@bgjobs.worker
def asks_from_its_thread(context: bgjobs.JobContext) -> None:
    job = anyio.from_thread.run(context.client.enqueue, fine.request())
    assert anyio.from_thread.run(context.client.find, job.id) is not None
    assert anyio.from_thread.run(context.client.wait_for, job).state == "succeeded"


@pytest.mark.parametrize("worker", [asks, asks_from_its_thread])
async def test_a_handler_enqueues_finds_and_waits(app: Harness, worker: Any) -> None:
    async with bgjobs.run(app.config(worker, fine, queue={"max_retries": 0})) as bg:
        ended = await bg.wait_for(await bg.enqueue(worker.request()))
        assert ended.state == "succeeded", ended
        assert (await bg.count()).succeeded == 2


@pytest.mark.parametrize("how", ["stopped", "left"])
@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_handler_enqueues_in_the_grace(app: Harness, how: str, in_thread: bool) -> None:
    go_on = anyio.Event()

    @bgjobs.worker
    async def on_loop(context: bgjobs.JobContext) -> None:
        await go_on.wait()
        await context.client.enqueue(fine.request().available_in(hours=1))

    @bgjobs.worker
    def by_thread(context: bgjobs.JobContext) -> None:
        anyio.from_thread.run(go_on.wait)
        request = fine.request().available_in(hours=1)
        anyio.from_thread.run(context.client.enqueue, request)

    worker = by_thread if in_thread else on_loop

    async def end_later() -> None:
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        go_on.set()

    config = app.config(worker, fine)
    async with anyio.create_task_group() as group, bgjobs.run(config) as bg:
        job = await bg.enqueue(worker.request())
        await app.recorder.wait_for(JobStarted)
        if how == "stopped":
            bg.stop()
        group.start_soon(end_later)
    with app.opened() as store:
        assert len(unreserved_in(store, "fine")) == 1
        ended = store.find(job.id)
    assert isinstance(ended, bgjobs.SucceededJob)


async def test_the_client_of_a_handler_ends_with_the_application(sqlite_app: Harness) -> None:
    kept: list[bgjobs.Client] = []

    @bgjobs.worker
    async def keep(context: bgjobs.JobContext) -> None:
        kept.append(context.client)

    async with bgjobs.run(sqlite_app.config(keep)) as bg:
        job = await bg.wait_for(await bg.enqueue(keep.request()))
        assert await kept[0].find(job.id) == job
        assert await kept[0].wait_for(job.id) == job
    with pytest.raises(NotRunningError):
        await kept[0].find(job.id)


async def test_a_scheduled_run_pauses_its_own_schedule(sqlite_app: Harness) -> None:
    """From another process, the call would wait for the end of this run."""

    @bgjobs.worker
    async def once(context: bgjobs.JobContext) -> None:
        await context.client.admin.schedule("often").pause()

    job = bgjobs.ScheduledJob(once, every(seconds=0.01), name="often")
    async with bgjobs.run(sqlite_app.config(queues=[], scheduled_jobs=[job])):
        await sqlite_app.recorder.wait_for(ScheduledJobPaused)
