"""Jobs that are cancelled while they run, and end before their queue knows of it.

These queues get no commands in time: there are no notifications, and the next heartbeat is far
away. So the store ends these jobs when they would be put back.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

import anyio
import pytest

import bgjobs
from bgjobs._core.jobs import CancelledJob
from bgjobs._core.outcomes import Cancelled
from bgjobs.events import (
    JobAttemptFailed,
    JobCancelled,
    JobReleased,
    JobSnoozed,
    JobSucceeded,
    MonitorFailed,
    MonitorReleased,
    OccurrencePlanned,
    StoreFailed,
)
from bgjobs.schedules import every
from bgjobs.stores.operations import operations_of
from tests.fixtures.faulty_store import FaultyStore
from tests.fixtures.prepared_rows import left_behind
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio

PAUSE = timedelta(milliseconds=50)
AN_HOUR = 3600.0
FLAT = bgjobs.backoff.Constant(PAUSE.total_seconds())


def without_notifications(app: Harness) -> Any:
    """A store without notifications of new commands."""
    return Wrapped(app.database.store(), watch=lambda: None)


def without_commands(app: Harness) -> dict[str, Any]:
    """The settings of an application that reads no commands during a test."""
    return {"store": without_notifications(app), "lease": AN_HOUR}


def by_snoozing() -> None:
    raise bgjobs.Snooze(for_=PAUSE)


def by_failing() -> None:
    raise ConnectionError("no route")


@pytest.mark.parametrize("end", [by_snoozing, by_failing])
async def test_a_short_run_that_is_repeated_is_cancelled(
    app: Harness, end: Callable[[], None]
) -> None:
    runs: list[float] = []

    @bgjobs.worker
    async def short() -> None:
        runs.append(anyio.current_time())
        await anyio.sleep(0.004)
        end()

    settings: dict[str, Any] = {"backoff": FLAT, "max_retries": 1000}
    config = app.config(short, **without_commands(app), queue=settings)
    async with bgjobs.run(config) as bg, bgjobs.connect(app.config(short)) as client:
        admin = client.admin
        job = await bg.enqueue(short.request())
        while len(runs) < 3:
            await anyio.sleep(0.001)
        cancelled = await admin.cancel(job.id, reason="by hand", by="ann")
        assert [*cancelled.ended, *cancelled.asked] == [job.id]
        before = len(runs)
        ended = await bg.wait_for(job)
        assert len(runs) <= before + 1
        if cancelled.asked:
            [told] = await app.recorder.wait_for(JobCancelled)
            assert (told.queue, told.job.id, told.reason) == ("default", job.id, "by hand")
            assert told.by == "ann"
    assert isinstance(ended, CancelledJob)
    assert (ended.reason, ended.cancelled_by) == ("by hand", "ann")


class Cancelling:
    """Cancels a running job from inside its handler, through a store of its own."""

    def __init__(self, app: Harness) -> None:
        self._store = app.open_store()
        self._store.migrate()

    def __call__(self, job_id: UUID) -> None:
        operations = operations_of(self._store)
        assert operations is not None
        assert operations.cancel([job_id], Cancelled("by hand", "ann")).asked == [job_id]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()


@pytest.mark.parametrize("end", [by_snoozing, by_failing])
async def test_a_job_that_ended_as_cancelled_is_reported_only_as_cancelled(
    app: Harness, end: Callable[[], None]
) -> None:
    with Cancelling(app) as cancel:

        @bgjobs.worker
        async def short(context: bgjobs.JobContext) -> None:
            cancel(context.job.id)
            end()

        async with bgjobs.run(app.config(short, **without_commands(app))) as bg:
            ended = await bg.wait_for(await bg.enqueue(short.request()))
            [told] = await app.recorder.wait_for(JobCancelled)
    assert isinstance(ended, CancelledJob)
    assert (ended.reason, ended.cancelled_by) == ("by hand", "ann")
    assert (told.reason, told.by, told.job.id) == ("by hand", "ann", ended.id)
    assert len(ended.errors) == (1 if end is by_failing else 0)
    assert app.recorder.of(JobAttemptFailed) == []
    assert app.recorder.of(JobSnoozed) == []


async def test_a_job_that_is_interrupted_by_a_stop_ends_as_cancelled(app: Harness) -> None:
    started = anyio.Event()

    @bgjobs.worker
    async def endless() -> None:
        started.set()
        await anyio.sleep_forever()

    config = app.config(endless, **without_commands(app))
    async with bgjobs.run(config) as bg, bgjobs.connect(app.config(endless)) as client:
        admin = client.admin
        job = await bg.enqueue(endless.request())
        await started.wait()
        assert (await admin.cancel(job.id, reason="by hand")).asked == [job.id]
        bg.stop(grace=0)
        ended = await bg.wait_for(job)
    assert isinstance(ended, CancelledJob)
    assert (ended.reason, ended.interruptions) == ("by hand", 1)
    assert [told.job.id for told in app.recorder.of(JobCancelled)] == [job.id]
    assert app.recorder.of(JobReleased) == []


async def test_a_job_that_was_reserved_and_not_started_ends_as_cancelled(app: Harness) -> None:
    """It was reserved ahead, and no slot was free before the queue was stopped."""
    started = anyio.Event()

    @bgjobs.worker
    async def endless() -> None:
        started.set()
        await anyio.sleep_forever()

    queue = {"concurrency": 1}
    config = app.config(endless, **without_commands(app), queue=queue)
    async with bgjobs.run(config) as bg, bgjobs.connect(app.config(endless)) as client:
        admin = client.admin
        jobs = await bg.enqueue_many([endless.request(), endless.request()])
        await started.wait()
        await admin.cancel(*(job.id for job in jobs), reason="by hand")
        bg.stop(grace=0)
        ended = [await bg.wait_for(job) for job in jobs]
    assert {type(job) for job in ended} == {CancelledJob}


async def test_a_job_of_a_dead_owner_ends_as_cancelled(app: Harness) -> None:
    rows = left_behind(app.database, [note.request(), note.request()])
    with Cancelling(app) as cancel:
        cancel(rows[0].id)
    async with bgjobs.run(app.config(note, **without_commands(app))) as bg:
        await app.recorder.wait_for(JobSucceeded)
        [ended] = await bg.list(bgjobs.JobFilter("cancelled"))
    assert (ended.id, ended.reason, ended.crashes) == (rows[0].id, "by hand", 1)
    [told] = app.recorder.of(JobCancelled)
    assert (told.job.id, told.reason, told.by) == (rows[0].id, "by hand", "ann")
    assert app.recorder.of(MonitorFailed) == []
    assert [event.job.id for event in app.recorder.of(MonitorReleased)] == [rows[1].id]


@bgjobs.worker
async def note() -> None:
    """Succeed."""


async def test_a_cancelled_end_whose_answer_was_lost_is_reported_once(app: Harness) -> None:
    store = FaultyStore(without_notifications(app))
    with Cancelling(app) as cancel:

        @bgjobs.worker
        async def short(context: bgjobs.JobContext) -> None:
            cancel(context.job.id)
            store.lose_the_answer("write")
            raise bgjobs.Snooze(for_=PAUSE)

        async with bgjobs.run(app.config(short, store=store, lease=AN_HOUR)) as bg:
            ended = await bg.wait_for(await bg.enqueue(short.request()))
            told: Sequence[JobCancelled] = await app.recorder.wait_for(JobCancelled)
    assert [event.verb for event in app.recorder.of(StoreFailed)] == ["write"]
    assert [(event.job.id, event.reason) for event in told] == [(ended.id, "by hand")]


async def test_a_cancelled_run_of_a_schedule_is_followed_by_the_next(app: Harness) -> None:
    """Its end and the next run are written in one transaction, as for any other end."""
    with Cancelling(app) as cancel:

        @bgjobs.worker
        async def failing(context: bgjobs.JobContext) -> None:
            if context.occurrence is not None and context.occurrence.previous is None:
                cancel(context.job.id)
                raise ConnectionError("no route")

        job = bgjobs.ScheduledJob(
            failing, every(seconds=1), max_retries=9, backoff=FLAT, poll_interval=60
        )
        config = app.config(**without_commands(app), queues=[], scheduled_jobs=[job])
        async with bgjobs.run(config) as bg:
            await app.recorder.wait_for(JobSucceeded)
            [ended] = await bg.list(bgjobs.JobFilter("cancelled"))
            [done] = await bg.list(bgjobs.JobFilter("succeeded"))
    assert (ended.reason, ended.cancelled_by) == ("by hand", "ann")
    assert len(ended.errors) == 1
    assert ended.occurrence is not None
    assert done.occurrence is not None
    assert done.occurrence.previous == ended.occurrence.at
    assert [told.job.id for told in app.recorder.of(JobCancelled)] == [ended.id]
    assert len(app.recorder.of(OccurrencePlanned)) >= 2
