"""Progress while the store is away, and after a queue has lost its jobs."""

from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import JobContext
from bgjobs.errors import RowRefusedError, StoreError
from bgjobs.events import JobProgressed, JobStarted, JobSucceeded, QueueError, StoreFailed
from bgjobs.testing.contract.steps import requeue
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import (
    Harness,
    Wrapped,
    enqueue_at_last,
    virtual_time_on_both,
)

pytestmark = pytest.mark.anyio


@virtual_time_on_both
async def test_an_outage_neither_stops_nor_delays_the_handler(virtual_app: Harness) -> None:
    """What is written after it is the newest report."""
    store = FaultyStore(virtual_app.database.store())
    took: list[float] = []

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        began = anyio.current_time()
        store.away = True
        for done in range(100):
            await context.report_progress(done)
            await anyio.sleep(0.1)
        took.append(anyio.current_time() - began)
        store.away = False
        await virtual_app.recorder.wait_for(JobProgressed)
        await anyio.sleep(5)

    config = virtual_app.config(work, store=store, queue={"max_retries": 0})
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(work.request())
        await bg.drain()
        ended = await bg.find(job.id)
    assert isinstance(ended, bgjobs.SucceededJob)
    assert took == [pytest.approx(10)]
    assert [event.progress.done for event in virtual_app.recorder.of(JobProgressed)] == [99]


@virtual_time_on_both
async def test_a_lost_answer_changes_nothing(virtual_app: Harness) -> None:
    """The report is written once more, and the end brings the last one in any case."""
    store = FaultyStore(virtual_app.database.store())

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        for done in range(5):
            store.lose_the_answer("write")
            await context.report_progress(done)
            await anyio.sleep(1)

    config = virtual_app.config(work, store=store, queue={"max_retries": 0})
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(work.request())
        await bg.drain()
        ended = await bg.find(job.id)
    assert isinstance(ended, bgjobs.SucceededJob)
    assert ended.progress is not None
    assert ended.progress.done == 4
    names = virtual_app.recorder.names(JobSucceeded)
    assert names == ["JobSucceeded"]


async def test_an_application_ends_although_progress_cannot_be_stored(
    sqlite_app: Harness,
) -> None:
    """A report that waits for the store is given up with its handler."""
    store = FaultyStore(sqlite_app.database.store())

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        store.away = True
        await context.report_progress(1)
        await sqlite_app.recorder.wait_for(StoreFailed)
        await anyio.sleep_forever()

    config = sqlite_app.config(work, store=store, store_timeout=0.1)
    with anyio.fail_after(30), pytest.raises(ZeroDivisionError):
        async with bgjobs.run(config) as bg:
            await enqueue_at_last(bg, work.request())
            await sqlite_app.recorder.wait_for(StoreFailed)
            raise ZeroDivisionError


async def test_a_lost_reservation_drops_the_report(app: Harness) -> None:
    """The job has another reservation by then, whose progress stays."""
    app.migrate()

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        if context.job.progress is not None:
            return
        await context.report_progress(1)
        await app.recorder.wait_for(JobProgressed)
        with app.opened() as store:
            store.write(settle=[requeue(context.job)])
        await context.report_progress(2)
        await anyio.sleep(1.5)
        await context.report_progress(3)

    async with bgjobs.run(app.config(work, queue={"concurrency": 1})) as bg:
        job = await bg.enqueue(work.request())
        await app.recorder.wait_for(JobSucceeded)
        ended = await bg.find(job.id)
    assert isinstance(ended, bgjobs.SucceededJob)
    assert ended.progress is not None
    assert ended.progress.done == 1
    assert len(app.recorder.of(JobProgressed)) == 1
    assert len(app.recorder.of(JobStarted)) == 2


@pytest.mark.parametrize("error", [RowRefusedError("no"), StoreError("no")])
async def test_a_refused_report_affects_nothing_else(
    sqlite_app: Harness, error: Exception
) -> None:
    """The reports of other jobs are stored, and the handler goes on."""
    store = sqlite_app.database.store()

    def write(*args: Any, progress: Any = (), **kwargs: Any) -> Any:
        if any(one.progress.done == 13 for one in progress):
            raise error
        return store.write(*args, progress=progress, **kwargs)

    @bgjobs.worker
    async def work(context: JobContext, done: int) -> None:
        await context.report_progress(done)
        await sqlite_app.recorder.wait_for(JobProgressed, 3)
        await sqlite_app.recorder.wait_for(StoreFailed)
        await context.report_progress(100)

    config = sqlite_app.config(work, store=Wrapped(store, write=write))
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many([work.request(done) for done in (12, 13, 14, 15)])
        await bg.drain()
        found = [await bg.find(job.id) for job in jobs]
    assert [job and job.progress and job.progress.done for job in found] == [100] * 4
    assert len(sqlite_app.recorder.of(JobSucceeded)) == 4
    assert sqlite_app.recorder.of(QueueError) == []


@pytest.mark.parametrize("error", [RowRefusedError("no"), StoreError("no right")])
@pytest.mark.parametrize("completes", [False, True])
async def test_a_refused_last_report_does_not_lose_the_end(
    sqlite_app: Harness, completes: bool, error: Exception
) -> None:
    """The end is written without it."""
    store = sqlite_app.database.store()

    def write(*args: Any, progress: Any = (), **kwargs: Any) -> Any:
        if progress:
            raise error
        return store.write(*args, progress=progress, **kwargs)

    @bgjobs.worker
    async def work(context: JobContext) -> None:
        if completes:
            context.complete_with(lambda _: None)
        await context.report_progress(1)

    config = sqlite_app.config(work, store=Wrapped(store, write=write))
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many([work.request() for _ in range(10)])
        await bg.drain()
        found = [await bg.find(job.id) for job in jobs]
    assert [job and (job.state, job.progress) for job in found] == [("succeeded", None)] * 10
    assert sqlite_app.recorder.of(QueueError) == []
    assert sqlite_app.recorder.of(JobProgressed) == []
