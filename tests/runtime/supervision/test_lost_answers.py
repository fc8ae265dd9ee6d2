"""Lost answers of the store and stale runs: each job runs and ends once."""

import threading
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.settlements import Requeue
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import (
    ChildCrashed,
    JobAttemptFailed,
    JobStarted,
    JobSucceeded,
    QueueStarted,
    ReservationLost,
)
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, Wrapped
from tests.runtime.supervision.helpers import note, restarting

pytestmark = pytest.mark.anyio


async def test_an_outage_is_no_crash(app: Harness) -> None:
    """Queues wait and continue; nothing crashes, and the job runs once."""
    store = FaultyStore(app.database.store())
    async with bgjobs.run(app.config(note, store=store, **restarting())) as bg:
        for verb in ("reserve", "next_due", "write", "abandoned", "heartbeat", "close_owners"):
            store.faults[verb] = [StoreUnavailableError("away")] * 3
        await bg.enqueue(note.request(1))
        await app.recorder.wait_for(JobSucceeded)
    assert app.recorder.of(ChildCrashed) == []
    assert len(app.recorder.of(JobStarted)) == 1


async def test_a_reservation_whose_answer_was_lost_is_released(app: Harness) -> None:
    """It was committed, but its answer was lost; the job has to be released to run."""
    store = FaultyStore(app.database.store())

    async with bgjobs.run(app.config(note, store=store, **restarting())) as bg:
        store.lose_the_answer("reserve")
        job = await bg.enqueue(note.request(1))
        await app.recorder.wait_for(JobSucceeded)
        done = await bg.find(job.id)
    assert done is not None
    assert (done.reservations, done.crashes, done.attempts) == (2, 0, 0)
    assert len(app.recorder.of(JobStarted)) == 1


async def test_an_enqueue_whose_answer_was_lost_stores_one_job(app: Harness) -> None:
    store = FaultyStore(app.database.store())

    async with bgjobs.run(app.config(note, store=store, **restarting())) as bg:
        await app.recorder.wait_for(QueueStarted)
        store.lose_the_answer("write")
        await bg.enqueue(note.request(1))
        await app.recorder.wait_for(JobSucceeded)
        await bg.drain()
        counts = await bg.count()
    assert (counts.succeeded, counts.waiting, counts.running) == (1, 0, 0)
    assert len(app.recorder.of(JobStarted)) == 1


@pytest.mark.parametrize("verb", ["write", "complete"])
async def test_a_completion_whose_answer_was_lost_is_no_lost_reservation(
    app: Harness, verb: str
) -> None:
    store = FaultyStore(app.database.store())

    @bgjobs.worker
    async def finishing(context: bgjobs.JobContext) -> None:
        if verb == "complete":
            context.complete_with(lambda connection: None)
        store.lose_the_answer(verb)

    async with bgjobs.run(app.config(finishing, store=store, **restarting())) as bg:
        await bg.enqueue(finishing.request())
        await app.recorder.wait_for(JobSucceeded)
    assert app.recorder.of(ReservationLost) == []


async def test_a_stale_run_writes_nothing(app: Harness) -> None:
    """The job was released while its handler ran; the fence refuses its success."""
    other = app.open_store()
    handed_over = anyio.Event()

    @bgjobs.worker
    async def losing(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            job = context.job
            back = Requeue(
                reservation=job.reservation, attempts=0, crashes=1, interruptions=0, delay=None
            )
            other.write(settle=[back])
            handed_over.set()

    async with bgjobs.run(app.config(losing, **restarting())) as bg:
        job = await bg.enqueue(losing.request())
        await app.recorder.wait_for(ReservationLost)
        await app.recorder.wait_for(JobSucceeded)
        done = await bg.find(job.id)
    other.close()
    assert done is not None
    assert (done.reservations, done.crashes) == (2, 1)
    assert len(app.recorder.of(JobSucceeded)) == 1


async def test_a_job_reserved_again_before_its_retry_was_confirmed_is_still_running(
    app: Harness,
) -> None:
    """The queue reserves a retried job before its slot has the answer of the retry."""
    real = app.database.store()
    reserved_again = threading.Event()
    second_run, release = anyio.Event(), anyio.Event()

    def write(*args: Any, **kwargs: Any) -> Any:
        answer = real.write(*args, **kwargs)
        if any(isinstance(one, Requeue) for one in args[1]):
            reserved_again.wait(30)
        return answer

    def reserve(*args: Any, **kwargs: Any) -> Any:
        answer = real.reserve(*args, **kwargs)
        if any(job.attempts == 1 for job in answer):
            reserved_again.set()
        return answer

    @bgjobs.worker
    async def twice(context: bgjobs.JobContext) -> None:
        if context.attempt == 0:
            raise ValueError
        second_run.set()
        await release.wait()

    config = app.config(
        twice, store=Wrapped(real, write=write, reserve=reserve), queue={"poll_interval": 0.01}
    )
    async with bgjobs.run(config) as bg:
        await bg.enqueue(twice.request())
        await second_run.wait()
        await app.recorder.wait_for(JobAttemptFailed)
        assert [job.attempts for job in bg.queue("default").running] == [1]
        release.set()
        await bg.drain()
    assert len(app.recorder.of(JobSucceeded)) == 1
