"""What handlers report is stored while they run, and the last report with their end."""

import math
import re
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import anyio
import pytest
from anyio import to_thread

import bgjobs
from bgjobs import Job, JobContext, Progress
from bgjobs._core.ids import new_id
from bgjobs.events import (
    JobAttemptFailed,
    JobCancelled,
    JobProgressed,
    JobSnoozed,
    JobSucceeded,
)
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio
ONE_RUN = {"max_retries": 0}
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def shown(progress: Progress | None) -> tuple[float, float | None, str | None] | None:
    return None if progress is None else (progress.done, progress.total, progress.note)


async def run_once(app: Harness, worker: Any, **queue: Any) -> Any:
    """Run one job until it has ended or waits again, and return it."""
    async with bgjobs.run(app.config(worker, queue={**ONE_RUN, **queue})) as bg:
        job = await bg.enqueue(worker.request())
        await bg.drain()
        return await bg.find(job.id)


async def test_a_job_that_succeeded_has_its_last_progress(app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        for done in range(5):
            await context.report_progress(done, 4, f"part {done}")

    job = await run_once(app, work)
    assert job.state == "succeeded"
    assert shown(job.progress) == (4, 4, "part 4")
    assert job.created_at <= job.progress.reported_at <= job.succeeded_at


async def test_a_plain_function_reports_from_its_thread(app: Harness) -> None:
    @bgjobs.worker
    def work(context: JobContext) -> None:
        for done in range(5):
            context.report_progress_sync(done, total=4)

    assert shown((await run_once(app, work)).progress) == (4, 4, None)


async def test_an_async_function_need_not_await(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        context.report_progress_sync(1)

    assert shown((await run_once(sqlite_app, work)).progress) == (1, None, None)


async def test_other_threads_of_a_handler_report(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await to_thread.run_sync(context.report_progress_sync, 3)
        thread = Thread(target=context.report_progress_sync, args=(4,))
        thread.start()
        await to_thread.run_sync(thread.join)

    assert shown((await run_once(sqlite_app, work)).progress) == (4, None, None)


async def test_a_job_without_reports_has_no_progress(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None: ...

    assert (await run_once(sqlite_app, work)).progress is None
    assert sqlite_app.recorder.of(JobProgressed) == []


async def test_a_job_that_failed_has_its_last_progress(app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(7, 9)
        raise ValueError

    job = await run_once(app, work)
    assert (job.state, shown(job.progress)) == ("failed", (7, 9, None))


async def test_a_retry_keeps_the_last_progress_until_it_reports(app: Harness) -> None:
    seen: list[Any] = []

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        seen.append(shown(context.job.progress))
        if context.attempt == 1:
            await context.report_progress(1, 2)
        if context.attempt == 3:
            await context.report_progress(2, 2)
        else:
            raise ValueError

    job = await run_once(app, work, max_retries=5)
    assert seen == [None, (1, 2, None), (1, 2, None)]
    assert shown(job.progress) == (2, 2, None)


async def test_a_job_that_is_put_back_has_its_progress(app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(1, 2)
        raise bgjobs.Snooze(for_=timedelta(days=1))

    async with bgjobs.run(app.config(work)) as bg:
        job = await bg.enqueue(work.request())
        await app.recorder.wait_for(JobSnoozed)
        found = await bg.find(job.id)
    assert isinstance(found, Job)
    assert (found.state, shown(found.progress)) == ("delayed", (1, 2, None))


async def test_a_job_that_is_interrupted_has_its_progress(app: Harness) -> None:
    begun = anyio.Event()

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(0)
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            context.report_progress_sync(1, 2, "cleanup")

    async with bgjobs.run(app.config(work, grace=0.0)) as bg:
        job = await bg.enqueue(work.request())
        await begun.wait()
    assert shown(app.stored(job).progress) == (1, 2, "cleanup")


async def test_a_cancelled_job_has_its_progress(app: Harness) -> None:
    begun = anyio.Event()

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(1, 2)
        begun.set()
        await anyio.sleep_forever()

    async with bgjobs.run(app.config(work)) as bg:
        job = await bg.enqueue(work.request())
        await begun.wait()
        await bg.admin.cancel(job.id, reason="no")
        await app.recorder.wait_for(JobCancelled)
        found = await bg.find(job.id)
    assert isinstance(found, bgjobs.CancelledJob)
    assert shown(found.progress) == (1, 2, None)


async def test_progress_is_stored_before_what_completes_the_job(app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        context.complete_with(lambda _: None)
        await context.report_progress(2, 2)

    job = await run_once(app, work)
    assert (job.state, shown(job.progress)) == ("succeeded", (2, 2, None))


async def test_progress_stays_if_what_completes_the_job_fails(app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        context.complete_with(lambda connection: connection.execute("select nothing from x"))
        await context.report_progress(2, 2)

    job = await run_once(app, work)
    assert (job.state, shown(job.progress)) == ("failed", (2, 2, None))


async def test_a_scheduled_job_reports(app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(1, 1)

    every = bgjobs.ScheduledJob(work, bgjobs.every(seconds=0.2))
    async with bgjobs.run(app.config(queues=[], scheduled_jobs=[every])) as bg:
        [event] = await app.recorder.wait_for(JobSucceeded)
        found = await bg.find(event.job.id)
    assert found is not None
    assert shown(found.progress) == (1, 1, None)


async def test_others_see_the_progress_of_a_running_job(app: Harness) -> None:
    go_on = anyio.Event()

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(1, 2, "half")
        await go_on.wait()

    async with bgjobs.run(app.config(work)) as bg:
        job = await bg.enqueue(work.request())
        [event] = await app.recorder.wait_for(JobProgressed)
        found = await bg.find(job.id)
        assert isinstance(found, Job)
        assert (found.state, found.progress) == ("running", event.progress)
        [listed] = await bg.list(bgjobs.JobFilter("running"))
        assert listed.progress == event.progress
        go_on.set()
        await bg.drain()
    assert shown(event.progress) == (1, 2, "half")
    assert (event.queue, event.job.id) == ("default", job.id)


async def test_events_tell_each_stored_progress_once(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(1)
        await sqlite_app.recorder.wait_for(JobProgressed)
        await context.report_progress(2)
        await context.report_progress(3)

    await run_once(sqlite_app, work)
    events = sqlite_app.recorder.of(JobProgressed)
    assert [event.progress.done for event in events] == [1, 3]
    names = sqlite_app.recorder.names(JobProgressed, JobSucceeded)
    assert names == ["JobProgressed", "JobProgressed", "JobSucceeded"]


async def test_an_end_without_a_later_report_has_no_event_of_progress(
    sqlite_app: Harness,
) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(1)
        await sqlite_app.recorder.wait_for(JobProgressed)
        raise ValueError

    await run_once(sqlite_app, work, max_retries=1)
    names = sqlite_app.recorder.names(JobProgressed, JobAttemptFailed)
    assert names == ["JobProgressed", "JobAttemptFailed", "JobProgressed"]


async def test_a_retry_by_an_operator_begins_without_progress(app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(1)
        raise ValueError

    job = await run_once(app, work)
    with app.opened():
        async with bgjobs.connect(app.config(work)) as client:
            await client.admin.retry(job.id)
    assert app.stored(job).progress is None


async def test_reports_of_what_a_handler_has_left_behind_are_dropped(
    sqlite_app: Harness,
) -> None:
    left: list[JobContext] = []

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        left.append(context)
        await context.report_progress(1)

    @bgjobs.worker
    async def silent(context: JobContext) -> None:
        left.append(context)

    async with bgjobs.run(sqlite_app.config(work, silent)) as bg:
        jobs = await bg.enqueue_many([work.request(), silent.request()])
        await bg.drain()
        for context in left:
            await context.report_progress(2)
            await to_thread.run_sync(context.report_progress_sync, 3)
        found = [await bg.find(job.id) for job in jobs]
    for context in left:
        context.report_progress_sync(4)
    assert [job and shown(job.progress) for job in found] == [(1, None, None), None]
    assert len(sqlite_app.recorder.of(JobProgressed)) == 1


async def test_texts_are_cleaned_and_cut(app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(1, note="nul \0 \ud800" + "x" * 2_000)

    progress = (await run_once(app, work)).progress
    assert progress.note.startswith("nul \ufffd \ufffdxxx")
    assert "characters cut" in progress.note
    assert len(progress.note) <= 1_000


RANGE = "a number from 0 to 9,007,199,254,740,991"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("1",), TypeError("report_progress: done: expected a number, found str")),
        ((True,), TypeError("report_progress: done: expected a number, found bool")),
        ((None,), TypeError("report_progress: done: expected a number, found None")),
        ((-1,), ValueError(f"report_progress: done: expected {RANGE}, found -1")),
        ((math.nan,), ValueError(f"report_progress: done: expected {RANGE}, found nan")),
        ((1, math.inf), ValueError(f"report_progress: total: expected {RANGE}, found inf")),
        ((1, 2**53), ValueError(f"report_progress: total: expected {RANGE}, found {2**53}")),
        ((1, "2"), TypeError("report_progress: total: expected a number or None, found str")),
        ((1, 2, 3), TypeError("report_progress: note: expected str or None, found int")),
    ],
)
async def test_wrong_values_are_refused_in_the_caller(
    sqlite_app: Harness, arguments: Any, error: Exception
) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        await context.report_progress(1)
        with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
            await context.report_progress(*arguments)
        with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
            context.report_progress_sync(*arguments)

    job = await run_once(sqlite_app, work)
    assert (job.state, shown(job.progress)) == ("succeeded", (1, None, None))


async def test_a_context_that_was_made_by_hand_drops_reports(sqlite_app: Harness) -> None:
    job = Job(id=new_id(), name="x", payload="[]", created_at=NOW, available_at=NOW)
    context: JobContext = JobContext(job)
    await context.report_progress(1)
    context.report_progress_sync(2)
    assert [one async for one in context.progress([1, 2])] == [1, 2]
    with pytest.raises(TypeError, match="done: expected a number, found str"):
        context.report_progress_sync("1")  # type: ignore[arg-type]  # what is tested


async def test_a_report_lets_other_tasks_run_and_raises_a_cancellation(
    sqlite_app: Harness,
) -> None:
    reached: list[str] = []

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            while not reached:
                await context.report_progress(1)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await context.report_progress(2)
                reached.append("not cancelled")

    async def other() -> None:
        reached.append("other")

    assert shown((await run_once(sqlite_app, work)).progress) == (2, None, None)
    assert reached == ["other"]
