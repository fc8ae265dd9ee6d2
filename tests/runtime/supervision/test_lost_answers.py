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

pytestmark = pytest.mark.anyio


def patient(**more: Any) -> dict[str, Any]:
    tolerance = bgjobs.RestartTolerance(restarts=100, backoff=bgjobs.backoff.IMMEDIATE)
    return {"restart_tolerance": tolerance, "sweep_interval": 0.1, **more}


@bgjobs.worker
async def note(number: int = 0) -> None:
    """End well."""


async def test_an_outage_is_no_crash(app: Harness) -> None:
    """Queues wait and go on; nobody dies and no job is lost or run twice."""
    store = FaultyStore(app.database.store())
    async with bgjobs.run(app.config(note, store=store, **patient())) as bg:
        for verb in ("reserve", "next_due", "write", "abandoned", "heartbeat", "close_owners"):
            store.faults[verb] = [StoreUnavailableError("away")] * 3
        await bg.enqueue(note.request(1))
        await app.recorder.wait_for(JobSucceeded)
    assert app.recorder.of(ChildCrashed) == []
    assert len(app.recorder.of(JobStarted)) == 1


async def test_a_reservation_whose_answer_was_lost_is_released(app: Harness) -> None:
    """The commit went through but the connection died: the job must not wait for ever."""
    store = FaultyStore(app.database.store())

    async with bgjobs.run(app.config(note, store=store, **patient())) as bg:
        store.lose_the_answer("reserve")
        job = await bg.enqueue(note.request(1))
        await app.recorder.wait_for(JobSucceeded)
        done = await bg.find(job.id)
    assert done is not None
    assert (done.reservations, done.crashes, done.attempts) == (2, 0, 0)
    assert len(app.recorder.of(JobStarted)) == 1


async def test_an_enqueue_whose_answer_was_lost_stores_one_job(app: Harness) -> None:
    store = FaultyStore(app.database.store())

    async with bgjobs.run(app.config(note, store=store, **patient())) as bg:
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

    async with bgjobs.run(app.config(finishing, store=store, **patient())) as bg:
        await bg.enqueue(finishing.request())
        await app.recorder.wait_for(JobSucceeded)
    assert app.recorder.of(ReservationLost) == []


async def test_a_stale_run_writes_nothing(app: Harness) -> None:
    """The job was taken away while the handler ran; the fence refuses its success."""
    thief = app.open_store()
    handed_over = anyio.Event()

    @bgjobs.worker
    async def robbed(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            job = context.job
            back = Requeue(
                reservation=job.reservation, attempts=0, crashes=1, interruptions=0, delay=None
            )
            thief.write(settle=[back])
            handed_over.set()

    async with bgjobs.run(app.config(robbed, **patient())) as bg:
        job = await bg.enqueue(robbed.request())
        await app.recorder.wait_for(ReservationLost)
        await app.recorder.wait_for(JobSucceeded)
        done = await bg.find(job.id)
    thief.close()
    assert done is not None
    assert (done.reservations, done.crashes) == (2, 1)
    assert len(app.recorder.of(JobSucceeded)) == 1


async def test_a_job_reserved_again_before_its_retry_was_confirmed_is_still_running(
    app: Harness,
) -> None:
    """The commit of a retry is seen by the next look before the slot is told of it."""
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
