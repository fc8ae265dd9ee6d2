"""Cancelling running jobs and pausing queues in other processes."""

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._core.jobs import FailedJob, SucceededJob
from bgjobs.events import AdminAction, JobCancelled, QueuePaused, QueueResumed
from tests.runtime.admin.helpers import fine
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


async def test_a_handler_is_cancelled_from_another_application(app: Harness) -> None:
    ends: list[str] = []

    @bgjobs.worker
    async def endless() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ends.append("cancelled")

    config, other = app.config(endless), app.config(endless)
    async with bgjobs.run(config) as bg, bgjobs.administer(other) as admin:
        job = await bg.enqueue(endless.request())
        while not await admin.list("running"):
            await anyio.lowlevel.checkpoint()
        cancelled = await admin.cancel(job.id, reason="by hand")
        assert (cancelled.ended, cancelled.asked) == ([], [job.id])
        ended = await bg.wait_for(job)
        assert isinstance(ended, FailedJob)
        assert (ended.error, ends) == ("Cancelled: by hand", ["cancelled"])
        [reported] = await app.recorder.wait_for(JobCancelled)
        assert (reported.queue, reported.job.id, reported.reason) == (
            "default",
            job.id,
            "by hand",
        )
        # The command ended with the job, so the retried job is not cancelled.
        await admin.retry(job.id)
        while not await admin.list("running"):
            await anyio.lowlevel.checkpoint()
        bg.stop(grace=0)


async def test_a_handler_that_ignores_its_cancellation_and_returns_has_succeeded(
    sqlite_app: Harness,
) -> None:
    running = anyio.Event()

    @bgjobs.worker
    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            running.set()
            await sqlite_app.recorder.wait_for(AdminAction)
            await anyio.sleep(0.5)

    async with bgjobs.run(sqlite_app.config(stubborn, fine)) as bg:
        job = await bg.enqueue(stubborn.request())
        await running.wait()
        await bg.admin.cancel(job.id, reason="too late")
        assert isinstance(await bg.wait_for(job), SucceededJob)
        # Its slot runs further jobs.
        assert isinstance(await bg.wait_for(await bg.enqueue(fine.request())), SucceededJob)


async def test_a_job_that_waits_for_a_slot_is_cancelled_before_it_starts(
    sqlite_app: Harness,
) -> None:
    gate = anyio.Event()
    started: list[int] = []

    @bgjobs.worker
    async def hold(number: int) -> None:
        started.append(number)
        await gate.wait()

    config = sqlite_app.config(hold, queue={"concurrency": 1})
    async with bgjobs.run(config) as bg:
        first, second = await bg.enqueue_many([hold.request(1), hold.request(2)])
        while not started:
            await anyio.lowlevel.checkpoint()
        await bg.admin.cancel(second.id, first.id, reason="both")
        ended = [await bg.wait_for(job) for job in (first, second)]
        assert {type(job) for job in ended} == {FailedJob}
        assert started == [1]


async def test_a_queue_is_paused_in_all_processes_and_stays_paused(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)):
        """Create the tables."""
    async with bgjobs.administer(app.config(fine)) as admin:
        await admin.pause_queue("default")
        assert await admin.paused_queues() == {"default"}
        async with bgjobs.run(app.config(fine)) as bg:  # it starts paused
            job = await bg.enqueue(fine.request())
            await app.recorder.wait_for(QueuePaused)
            assert bg.queue("default").paused
            bg.queue("default").resume()  # affects this process only
            assert bg.queue("default").paused
            assert [one.id for one in await admin.list("waiting")] == [job.id]
            await admin.resume_queue("default")
            assert isinstance(await bg.wait_for(job), SucceededJob)
            assert await admin.paused_queues() == frozenset()
            await admin.pause_queue("default")
            await app.recorder.wait_for(QueuePaused, 2)
            await admin.resume_queue("default")
            await app.recorder.wait_for(QueueResumed, 2)


async def test_commands_are_read_without_notifications(
    sqlite_app: Harness,
) -> None:
    """As behind a connection pooler that does not pass on notifications."""
    store = sqlite_app.database.store()
    silent = Wrapped(store, watch=lambda: None)
    config = sqlite_app.config(fine, store=silent, lease=3.0, heartbeat_interval=0.1)
    other = sqlite_app.config(fine)
    async with bgjobs.run(config) as bg, bgjobs.administer(other) as admin:
        await admin.pause_queue("default")
        await sqlite_app.recorder.wait_for(QueuePaused)
        assert bg.queue("default").paused
