"""A cancelled job has ended: as cancelled, not as failed, with a reason and an author."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.events import JobCancelled, JobStarted, OccurrencePlanned, Pruned
from tests.runtime.admin.helpers import NO_RETRIES, broken, fail_some, fine
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio

CANCELLED = bgjobs.JobFilter("cancelled")


@bgjobs.worker
async def endless() -> None:
    """Run until cancelled."""
    await anyio.sleep_forever()


async def test_a_waiting_job_that_is_cancelled_has_ended_for_all(app: Harness) -> None:
    config = app.config(queues=[], enqueue_only=[fine])
    async with bgjobs.run(config) as bg, bgjobs.connect(app.config(fine)) as client:
        job = await bg.enqueue(fine.request())
        found = await client.admin.cancel(job.id, reason="not needed", by="ann")
        assert (found.ended, found.asked) == ([job.id], [])
        for one in (bg, client):
            ended = await one.wait_for(job)
            assert isinstance(ended, bgjobs.CancelledJob)
            assert (ended.reason, ended.cancelled_by) == ("not needed", "ann")
            assert (ended.state, ended.errors, ended.attempts) == ("cancelled", (), 0)
            assert ended.created_at <= ended.cancelled_at
            assert await one.find(job.id) == ended
            assert await one.list(CANCELLED) == [ended]
            assert await one.list(bgjobs.JobFilter("failed")) == []
            assert await one.count() == bgjobs.Counts(
                waiting=0, delayed=0, running=0, succeeded=0, failed=0, cancelled=1
            )
        # It has ended, so a second cancellation changes nothing.
        again = await client.admin.cancel(job.id, reason="twice", by="bob")
        assert (again.ended, again.asked) == ([], [])
        assert await bg.find(job.id) == ended


async def test_a_cancellation_without_an_author_has_none(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(endless)) as bg:
        running = await bg.enqueue(endless.request())
        await sqlite_app.recorder.wait_for(JobStarted)
        later = await bg.enqueue(endless.request().available_in(hours=1))
        await bg.admin.cancel(running.id, later.id, reason="enough")
        for job in (running, later):
            ended = await bg.wait_for(job)
            assert isinstance(ended, bgjobs.CancelledJob)
            assert (ended.reason, ended.cancelled_by) == ("enough", None)
    [told] = sqlite_app.recorder.of(JobCancelled)
    assert (told.reason, told.by) == ("enough", None)


async def test_a_retry_of_all_failed_jobs_leaves_cancelled_ones_alone(app: Harness) -> None:
    config = app.config(broken, enqueue_only=[fine], **NO_RETRIES)
    async with bgjobs.run(config) as bg:
        [failed] = await fail_some(bg, "alpha")
        cancelled = await bg.enqueue(fine.request())
        await bg.admin.cancel(cancelled.id, reason="enough")
        assert await bg.admin.retry_all(bgjobs.JobFilter("failed")) == 1
        again = await bg.wait_for(failed)
        assert again.reservations == 2
        assert [job.id for job in await bg.list(CANCELLED)] == [cancelled.id]
        assert await bg.admin.retry_all(CANCELLED) == 1
        assert [job.id for job in await bg.list(bgjobs.JobFilter("waiting"))] == [cancelled.id]
        assert (await bg.count()).cancelled == 0


async def test_a_cancelled_job_frees_its_unique_key(app: Harness) -> None:
    """And is not retried while another live job has the key."""
    async with bgjobs.run(app.config(queues=[], enqueue_only=[fine])) as bg:
        first = await bg.enqueue(fine.request().unique("key"))
        await bg.admin.cancel(first.id, reason="enough")
        second = await bg.enqueue(fine.request().unique("key"))
        assert second.id != first.id
        assert await bg.admin.retry(first.id) == []
        assert isinstance(await bg.find(first.id), bgjobs.CancelledJob)
        await bg.admin.cancel(second.id, reason="enough")
        assert await bg.admin.retry(first.id) == [first.id]
        again = await bg.find(first.id)
        assert isinstance(again, bgjobs.Job)
        assert again.unique_key == "key"


async def test_cancelled_jobs_are_deleted_and_pruned_apart_from_failed_ones(
    app: Harness,
) -> None:
    config = app.config(broken, enqueue_only=[fine], **NO_RETRIES)
    none = timedelta(0)
    async with bgjobs.run(config) as bg:
        await fail_some(bg, "alpha")
        jobs = await bg.enqueue_many([fine.request()] * 3)
        await bg.admin.cancel(*(job.id for job in jobs), reason="enough")
        assert await bg.admin.delete(jobs[0].id) == [jobs[0].id]
        assert await bg.admin.prune(cancelled_for=timedelta(hours=1)) == 0
        assert await bg.admin.prune(name="broken", cancelled_for=none) == 0
        assert await bg.admin.prune(cancelled_for=none) == 2
        counts = await bg.count()
        assert (counts.cancelled, counts.failed) == (0, 1)
    assert [one.count for one in app.recorder.of(Pruned)] == [2]


async def test_the_retention_deletes_cancelled_jobs(app: Harness) -> None:
    retention = bgjobs.Retention(cancelled=timedelta(microseconds=1), interval=0.05)
    async with bgjobs.run(app.config(fine, retention=retention)) as bg:
        job = await bg.enqueue(fine.request().available_in(hours=1))
        await bg.admin.cancel(job.id, reason="enough")
        await app.recorder.wait_for(Pruned)
        assert await bg.find(job.id) is None


async def test_a_running_run_of_a_schedule_is_cancelled_and_the_next_is_planned(
    app: Harness,
) -> None:
    recurring = bgjobs.ScheduledJob(endless, bgjobs.every(hours=1), name="hourly")
    config = app.config(queues=[], scheduled_jobs=[recurring])
    async with bgjobs.run(config) as bg, bgjobs.connect(config_of(app, recurring)) as client:
        run = await client.admin.schedule("hourly").trigger()
        await app.recorder.wait_for(JobStarted)
        await client.admin.cancel(run.id, reason="by hand", by="ann")
        ended = await client.wait_for(run)
        assert isinstance(ended, bgjobs.CancelledJob)
        assert (ended.reason, ended.cancelled_by) == ("by hand", "ann")
        [planned] = await bg.list(bgjobs.JobFilter("delayed"))
        assert planned.occurrence is not None
    assert app.recorder.of(OccurrencePlanned) != []


def config_of(app: Harness, recurring: bgjobs.ScheduledJob) -> bgjobs.Config:
    return app.config(queues=[], scheduled_jobs=[recurring])


async def test_a_cancellation_whose_notification_was_lost_is_read_with_the_next_heartbeat(
    app: Harness,
) -> None:
    silent: Any = Wrapped(app.database.store(), watch=lambda: None)
    config = app.config(endless, store=silent, lease=30.0, heartbeat_interval=0.5)
    async with bgjobs.run(config) as bg, bgjobs.connect(app.config(endless)) as client:
        job = await bg.enqueue(endless.request())
        await app.recorder.wait_for(JobStarted)
        await client.admin.cancel(job.id, reason="by hand", by="ann")
        with anyio.fail_after(20):
            ended = await client.wait_for(job)
    assert isinstance(ended, bgjobs.CancelledJob)
    assert (ended.reason, ended.cancelled_by) == ("by hand", "ann")
