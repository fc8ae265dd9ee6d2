"""A job that an operator retries keeps its end, and all reservations before it."""

import pytest

import bgjobs
from bgjobs.events import JobStarted
from tests.runtime.conftest import Harness
from tests.runtime.history.helpers import (
    OwnersOf,
    broken,
    endless,
    ends,
    fine,
    reservations,
    shown,
)

pytestmark = pytest.mark.anyio


async def test_a_retried_failure_keeps_its_attempts_and_its_end(app: Harness) -> None:
    owners = OwnersOf(app)
    config = app.config(broken, store=owners.store, queue={"max_retries": 1})
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(broken.request())
        failed = await bg.wait_for(job)
        assert isinstance(failed, bgjobs.FailedJob)
        assert await bg.admin.retry(job.id, by="ann") == [job.id]
        again = await bg.wait_for(job)
        timeline = await bg.timeline(again)
    assert isinstance(again, bgjobs.FailedJob)
    assert again.history[:2] == failed.history
    [end] = ends(again)
    assert again.history[2] == end
    assert (end.state, end.at) == ("failed", failed.failed_at)
    assert (end.by, end.retried_by) == (None, "ann")
    assert end.text == failed.error.split("\n", 1)[0][:200]
    assert end.at <= end.retried_at
    assert reservations(again, owners.opened) == [
        (1, 1, "failed"), (2, 2, "failed"), (3, 1, "failed"), (4, 2, "failed"),
    ]  # fmt: skip
    assert shown(timeline)[4:8] == [
        "attempt 2 failed", "failed for good", "retried", "attempt 1 reserved",
    ]  # fmt: skip
    assert timeline[6].by == "ann"


async def test_a_retried_cancellation_keeps_its_reason_and_authors(app: Harness) -> None:
    owners = OwnersOf(app)
    async with bgjobs.run(
        app.config(endless, store=owners.store, queue={"concurrency": 1})
    ) as bg:
        job = await bg.enqueue(endless.request())
        for number, author in enumerate(("ann", None), start=1):
            await app.recorder.wait_for(JobStarted, number)
            await bg.admin.cancel(job.id, reason=f"reason {number}", by=author)
            cancelled = await bg.wait_for(job)
            assert isinstance(cancelled, bgjobs.CancelledJob)
            assert (cancelled.reason, cancelled.cancelled_by) == (f"reason {number}", author)
            await bg.admin.retry(job.id, by="bob" if author else None)
        await app.recorder.wait_for(JobStarted, 3)
        bg.stop(grace=0)
    waiting = app.stored(job)
    assert [(one.state, one.text, one.by, one.retried_by) for one in ends(waiting)] == [
        ("cancelled", "reason 1", "ann", "bob"),
        ("cancelled", "reason 2", None, None),
    ]
    assert reservations(waiting, owners.opened) == [
        (1, 1, "cancelled"), (2, 1, "cancelled"), (3, 1, "interrupted"),
    ]  # fmt: skip
    assert shown(bgjobs.timeline(waiting)) == [
        "enqueued",
        *("attempt 1 reserved", "attempt 1 cancelled", "cancelled", "retried"),
        *("attempt 1 reserved", "attempt 1 cancelled", "cancelled", "retried"),
        *("due", "attempt 1 reserved", "attempt 1 interrupted"),
    ]


async def test_jobs_that_are_cancelled_while_they_wait_keep_their_ends_only(
    app: Harness,
) -> None:
    """All jobs of a filter are retried with the name of the operator."""
    config = app.config(queues=[], enqueue_only=[fine])
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many([fine.request()] * 3)
        await bg.admin.cancel(*(job.id for job in jobs), reason="line 1\nline 2", by="ann")
        cancelled = bgjobs.JobFilter("cancelled", name="fine")
        assert await bg.admin.retry_all(cancelled, by="bob") == 3
        waiting = await bg.list(bgjobs.JobFilter("waiting"))
        assert len(waiting) == 3
        for job in waiting:
            [end] = ends(job)
            assert job.history == (end,)
            assert (end.text, end.by, end.retried_by) == ("line 1", "ann", "bob")
            assert [one.what for one in await bg.timeline(job)].count("retried") == 1
