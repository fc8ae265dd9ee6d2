"""Reports cost one write a second for each job at most, however many there are."""

from collections import Counter
from collections.abc import Sequence
from threading import get_ident
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import JobContext
from bgjobs._core.settlements import Report
from bgjobs.events import JobProgressed, StoreCalled
from bgjobs.stores.types import Written
from tests.runtime.conftest import Harness, Wrapped, virtual_time_on_both

pytestmark = pytest.mark.anyio
JOBS = 100
SECONDS = 4


class Counted:
    """The writes of progress of a store."""

    def __init__(self, store: bgjobs.Store) -> None:
        self._write = store.write
        self.store: Any = Wrapped(store, write=self.write)
        self.writes: list[Sequence[Report]] = []
        """The reports of each write that had some."""

    def write(self, *args: Any, progress: Sequence[Report] = (), **kwargs: Any) -> Written:
        if progress:
            self.writes.append(progress)
        return self._write(*args, progress=progress, **kwargs)


@virtual_time_on_both
async def test_a_report_each_millisecond_of_many_jobs_is_one_write_a_second(
    virtual_app: Harness,
) -> None:
    @bgjobs.worker
    async def work(context: JobContext, offset: int) -> None:
        await anyio.sleep(offset / JOBS)  # so that they do not begin together
        for done in range(SECONDS * 1000):
            context.report_progress_sync(done)
            if done % 10 == 0:  # ten at a time, or virtual time would take a minute
                await anyio.sleep(0.01)
        await context.report_progress(SECONDS * 1000)

    counted = Counted(virtual_app.database.store())
    queue = {"concurrency": JOBS}
    config = virtual_app.config(work, queue=queue, store=counted.store)
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many([work.request(one) for one in range(JOBS)])
        await bg.drain()
        found = [await bg.find(job.id) for job in jobs]
    assert [job and job.progress and job.progress.done for job in found] == [4_000] * JOBS
    by_job = Counter(report.reservation for reports in counted.writes for report in reports)
    assert len(by_job) == JOBS
    assert max(by_job.values()) <= SECONDS + 2  # the first one, each second, and the end
    ends = JOBS  # each job ends in a write of its own, at its own time
    assert SECONDS <= len(counted.writes) - ends <= SECONDS + 2
    assert len(virtual_app.recorder.of(JobProgressed)) == by_job.total()


@virtual_time_on_both
async def test_a_report_after_a_second_is_written_at_once(virtual_app: Harness) -> None:
    @bgjobs.worker
    async def work(context: JobContext) -> None:
        for done in (1, 2):
            await context.report_progress(done)
            await anyio.sleep(1.5)
        await virtual_app.recorder.wait_for(JobProgressed, 2)
        assert len(virtual_app.recorder.of(JobProgressed)) == 2

    config = virtual_app.config(work, queue={"max_retries": 0})
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(work.request())
        await bg.drain()
        ended = await bg.find(job.id)
    assert isinstance(ended, bgjobs.SucceededJob)


@virtual_time_on_both
async def test_the_last_report_before_a_pause_is_stored_during_it(virtual_app: Harness) -> None:
    """No later report is needed to bring it to the store."""

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        for done in range(10):
            await context.report_progress(done)
        await anyio.sleep(600)

    async with bgjobs.run(virtual_app.config(work)) as bg:
        job = await bg.enqueue(work.request())
        began = anyio.current_time()
        await virtual_app.recorder.wait_for(JobProgressed, 2)
        assert anyio.current_time() - began < 1.1
        found = await bg.find(job.id)
        assert isinstance(found, bgjobs.Job)
        assert found.progress is not None
        assert found.progress.done == 9


async def test_a_handler_that_ends_at_once_adds_no_write(sqlite_app: Harness) -> None:
    """Its only report is written together with its end."""

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        context.report_progress_sync(1)

    counted = Counted(sqlite_app.database.store())
    async with bgjobs.run(sqlite_app.config(work, store=counted.store)) as bg:
        job = await bg.enqueue(work.request())
        await bg.drain()
        ended = await bg.find(job.id)
    assert ended is not None
    assert ended.progress is not None
    assert len(counted.writes) == 1
    written = [one for one in sqlite_app.recorder.of(StoreCalled) if one.verb == "write"]
    assert len(written) == 2  # the new job, and its end


async def test_a_report_does_not_call_the_store(sqlite_app: Harness) -> None:
    """It only replaces a value in memory."""
    calls: list[int] = []

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        sqlite_app.recorder.clear()
        for done in range(1000):
            context.report_progress_sync(done)
        calls.append(len(sqlite_app.recorder.of(StoreCalled)))

    @bgjobs.worker
    def in_thread(context: JobContext) -> None:
        thread = get_ident()
        for done in range(1000):
            context.report_progress_sync(done)
        assert get_ident() == thread

    async with bgjobs.run(sqlite_app.config(work, in_thread)) as bg:
        await bg.enqueue_many([work.request(), in_thread.request()])
        await bg.drain()
    assert calls == [0]
