"""Cancelling, pausing and triggering from another process, schedules included."""

from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._core.jobs import CancelledJob, SucceededJob
from bgjobs.events import AdminAction, JobCancelled, QueuePaused, QueueResumed
from tests.runtime.admin.helpers import fine, nightly, planned
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
    async with bgjobs.run(config) as bg, bgjobs.connect(other) as client:
        admin = client.admin
        job = await bg.enqueue(endless.request())
        while not await client.list(bgjobs.JobFilter("running")):
            await anyio.lowlevel.checkpoint()
        cancelled = await admin.cancel(job.id, reason="by hand", by="ann")
        assert (cancelled.ended, cancelled.asked) == ([], [job.id])
        ended = await bg.wait_for(job)
        assert isinstance(ended, CancelledJob)
        assert (ended.reason, ended.cancelled_by, ends) == ("by hand", "ann", ["cancelled"])
        [reported] = await app.recorder.wait_for(JobCancelled)
        assert (reported.queue, reported.job.id) == ("default", job.id)
        assert (reported.reason, reported.by) == ("by hand", "ann")
        # The command ended with the job, so the retried job is not cancelled.
        await admin.retry(job.id)
        while not await client.list(bgjobs.JobFilter("running")):
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
        assert {type(job) for job in ended} == {CancelledJob}
        assert started == [1]


async def test_a_queue_is_paused_in_all_processes_and_stays_paused(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)):
        """Create the tables."""
    async with bgjobs.connect(app.config(fine)) as client:
        admin = client.admin
        await admin.pause_queue("default")
        assert await admin.paused_queues() == {"default"}
        async with bgjobs.run(app.config(fine)) as bg:  # it starts paused
            job = await bg.enqueue(fine.request())
            await app.recorder.wait_for(QueuePaused)
            assert bg.queue("default").paused
            bg.queue("default").resume()  # affects this process only
            assert bg.queue("default").paused
            assert [one.id for one in await client.list(bgjobs.JobFilter("waiting"))] == [
                job.id
            ]
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
    async with bgjobs.run(config) as bg, bgjobs.connect(other) as client:
        admin = client.admin
        await admin.pause_queue("default")
        await sqlite_app.recorder.wait_for(QueuePaused)
        assert bg.queue("default").paused


async def test_scheduled_jobs_are_listed_paused_and_triggered_from_another_process(
    app: Harness,
) -> None:
    job = bgjobs.ScheduledJob(fine, bgjobs.schedule().at(2, 30).build(), name="nightly")
    config, other = (app.config(fine, scheduled_jobs=[job]) for _ in range(2))
    async with bgjobs.run(config) as bg, bgjobs.connect(other) as client:
        admin = client.admin
        while (await admin.schedules())[0].occurrence is None:
            await anyio.lowlevel.checkpoint()
        [state] = await admin.schedules()
        assert (state.name, state.worker, state.paused) == ("nightly", "fine", False)
        await admin.schedule("nightly").pause()
        [state] = await bg.admin.schedules()
        assert state.paused
        run = await admin.schedule("nightly").trigger()
        assert isinstance(await bg.wait_for(run), SucceededJob)
        await admin.schedule("nightly").resume()
        [state] = await admin.schedules()
        assert not state.paused


@pytest.mark.parametrize("ending", ["cancel", "delete"])
async def test_a_waiting_run_is_ended_and_its_schedule_plans_another(
    app: Harness, ending: str
) -> None:
    async with bgjobs.run(app.config(scheduled_jobs=[nightly()], queues=[])) as bg:
        first = await planned(bg)
        assert await bg.admin.reschedule(first.id, in_=timedelta(0)) == []
        if ending == "cancel":
            found = await bg.admin.cancel(first.id, reason="x")
            assert found == bgjobs.Cancellation([first.id], [])
            assert isinstance(await bg.find(first.id), CancelledJob)
        else:
            assert await bg.admin.delete(first.id) == [first.id]
            assert await bg.find(first.id) is None
        again = await planned(bg, other_than=first.id)
        assert again.occurrence == first.occurrence


@pytest.mark.parametrize("ending", ["cancel", "delete"])
async def test_a_run_of_a_removed_schedule_is_ended(app: Harness, ending: str) -> None:
    async with bgjobs.run(app.config(scheduled_jobs=[nightly()], queues=[])) as bg:
        orphan = await planned(bg)
    async with bgjobs.connect(app.config(fine)) as client:
        admin = client.admin
        if ending == "cancel":
            assert (await admin.cancel(orphan.id, reason="x")).ended == [orphan.id]
        else:
            assert await admin.delete(orphan.id) == [orphan.id]
        assert await admin.unhandled() == []
        assert (await client.count()).delayed == 0
