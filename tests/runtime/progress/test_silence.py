"""`@worker(max_silence=)`: no report of progress for so long fails the attempt."""

from datetime import timedelta
from threading import Event
from typing import Any

import anyio
import pytest
from anyio import from_thread

import bgjobs
from bgjobs import JobContext
from bgjobs.errors import WorkerDefinitionError
from bgjobs.events import JobAttemptFailed
from tests.runtime.conftest import Harness, virtual_time_on_both

pytestmark = pytest.mark.anyio


async def run_once(app: Harness, worker: Any, *others: Any) -> tuple[Any, float]:
    """Return the job when it has ended, and how many seconds that took."""
    queue = {"max_retries": 0, "concurrency": 1}
    async with bgjobs.run(app.config(worker, *others, queue=queue)) as bg:
        began = anyio.current_time()
        job = await bg.enqueue(worker.request())
        await bg.drain()
        return await bg.find(job.id), anyio.current_time() - began


@virtual_time_on_both
async def test_a_handler_that_never_reports_fails(virtual_app: Harness) -> None:
    @bgjobs.worker(max_silence=30)
    async def work(context: JobContext) -> None:
        await anyio.sleep_forever()

    job, seconds = await run_once(virtual_app, work)
    assert isinstance(job, bgjobs.FailedJob)
    assert job.error == "TimeoutError: no progress for 30 seconds"
    assert seconds == pytest.approx(30, abs=0.1)
    assert job.progress is None


@virtual_time_on_both
async def test_each_report_begins_the_count_again(virtual_app: Harness) -> None:
    @bgjobs.worker(max_silence=timedelta(seconds=30))
    async def work(context: JobContext) -> None:
        for done in range(100):
            await anyio.sleep(29)
            await context.report_progress(done)
        await anyio.sleep_forever()

    job, seconds = await run_once(virtual_app, work)
    assert job.error == "TimeoutError: no progress for 30 seconds"
    assert job.progress.done == 99
    assert seconds == pytest.approx(2930, abs=0.1)


@virtual_time_on_both
async def test_a_handler_that_reports_often_enough_succeeds(virtual_app: Harness) -> None:
    @bgjobs.worker(max_silence=1)
    async def work(context: JobContext) -> None:
        async for _ in context.progress(range(100)):
            await anyio.sleep(0.9)

    job, _ = await run_once(virtual_app, work)
    assert isinstance(job, bgjobs.SucceededJob)


@virtual_time_on_both
@pytest.mark.parametrize(
    ("limit", "silence", "text", "at"),
    [
        (60, 30, "no progress for 30 seconds", 40),
        (35, 30, "timed out after 35 seconds", 35),
        (20, 30, "timed out after 20 seconds", 20),
    ],
)
async def test_the_first_of_timeout_and_silence_counts(
    virtual_app: Harness, limit: float, silence: float, text: str, at: float
) -> None:
    @bgjobs.worker(timeout=limit, max_silence=silence)
    async def work(context: JobContext) -> None:
        await anyio.sleep(10)
        await context.report_progress(1)
        await anyio.sleep_forever()

    job, seconds = await run_once(virtual_app, work)
    assert job.error == f"TimeoutError: {text}"
    assert seconds == pytest.approx(at, abs=0.1)


@virtual_time_on_both
async def test_the_limit_leaves_the_next_job_of_the_slot(virtual_app: Harness) -> None:
    """Neither a limit that was reached nor one that was not affects other workers."""
    left: list[JobContext] = []

    @bgjobs.worker(max_silence=5)
    async def work(context: JobContext) -> None:
        left.append(context)
        if len(left) == 1:
            await anyio.sleep_forever()

    @bgjobs.worker
    async def patient() -> None:
        for context in left:
            await context.report_progress(1)  # of a run that has ended
        await anyio.sleep(100)

    queue = {"max_retries": 0, "concurrency": 1}
    async with bgjobs.run(virtual_app.config(work, patient, queue=queue)) as bg:
        requests = [one.request() for one in (work, patient, work, patient)]
        jobs = await bg.enqueue_many(requests)
        await bg.drain()
        found = [await bg.find(job.id) for job in jobs]
    assert [job and job.state for job in found] == [
        *("failed", "succeeded", "succeeded", "succeeded")
    ]


@virtual_time_on_both
async def test_a_silent_attempt_is_retried(virtual_app: Harness) -> None:
    @bgjobs.worker(max_silence=5)
    async def work(context: JobContext) -> None:
        if context.attempt == 1:
            await anyio.sleep_forever()

    queue = {"max_retries": 1}
    async with bgjobs.run(virtual_app.config(work, queue=queue)) as bg:
        job = await bg.enqueue(work.request())
        await bg.drain()
        ended = await bg.find(job.id)
    assert isinstance(ended, bgjobs.SucceededJob)
    event = virtual_app.recorder.one(JobAttemptFailed)
    assert event.error == "TimeoutError: no progress for 5 seconds"


async def test_reports_of_a_thread_begin_the_count_again(sqlite_app: Harness) -> None:
    """In real time: the thread reports ten times, each half a limit after the last one."""
    pause = Event()

    @bgjobs.worker(max_silence=1)
    def work(context: JobContext) -> None:
        for done in range(5):
            pause.wait(0.5)
            context.report_progress_sync(done)
            from_thread.check_cancelled()

    job, _ = await run_once(sqlite_app, work)
    assert isinstance(job, bgjobs.SucceededJob)


async def test_a_silent_thread_fails_when_it_asks(sqlite_app: Harness) -> None:
    """As with a timeout, nothing can end a thread from outside."""
    pause = Event()

    @bgjobs.worker(max_silence=0.1)
    def work(context: JobContext) -> None:
        while True:
            pause.wait(0.01)
            from_thread.check_cancelled()

    job, _ = await run_once(sqlite_app, work)
    assert job.error == "TimeoutError: no progress for 0.1 seconds"


@pytest.mark.parametrize(
    ("silence", "text"),
    [
        (0, "max_silence: expected more than 0 seconds, found 0"),
        (-1, "max_silence: expected more than 0 seconds, found -1"),
        ("1", "max_silence: expected seconds or a timedelta, found str"),
        (True, "max_silence: expected seconds or a timedelta, found bool"),
        (1e12, "max_silence: expected at most 36,500 days, found 1000000000000.0"),
        (
            timedelta(days=40_000),
            "max_silence: expected at most 36,500 days, found 40000 days, 0:00:00",
        ),
    ],
)
def test_a_wrong_limit_is_refused(silence: Any, text: str) -> None:
    with pytest.raises(WorkerDefinitionError, match=text):

        @bgjobs.worker(max_silence=silence)
        async def work(context: JobContext) -> None: ...


def test_a_worker_that_cannot_report_is_refused() -> None:
    text = "max_silence: expected a handler that reports progress to a JobContext, found one"
    with pytest.raises(WorkerDefinitionError, match=text):

        @bgjobs.worker(max_silence=1)
        async def work() -> None: ...


@virtual_time_on_both
async def test_the_wait_for_another_job_is_no_silence(virtual_app: Harness) -> None:
    """The count begins again when the wait is over."""

    @bgjobs.worker
    async def other() -> None:
        await anyio.sleep(100)

    @bgjobs.worker(max_silence=5)
    async def work(context: JobContext) -> None:
        await context.client.wait_for(await context.client.enqueue(other.request()))
        await anyio.sleep_forever()

    queue = {"max_retries": 0, "concurrency": 1}
    async with bgjobs.run(virtual_app.config(work, other, queue=queue)) as bg:
        began = anyio.current_time()
        ended = await bg.wait_for(await bg.enqueue(work.request()))
        seconds = anyio.current_time() - began
    assert isinstance(ended, bgjobs.FailedJob)
    assert ended.error == "TimeoutError: no progress for 5 seconds"
    assert seconds == pytest.approx(105, abs=1.5)
