"""Lost answers, lost leases and stale runs: each job runs and ends once."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.settlements import Requeue
from bgjobs._runtime.leases import registry
from bgjobs.errors import LeaseLostError, StoreUnavailableError
from bgjobs.events import (
    ChildCrashed,
    ClockSkew,
    JobAttemptFailed,
    JobStarted,
    JobSucceeded,
    QueueStarted,
    ReservationLost,
    StoreCalled,
    StoreFailed,
)
from bgjobs.stores.types import ANY_CHANGE, NewJob, Renewal
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, Wrapped, virtual_time
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
        if context.attempt == 1:
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


async def test_a_skewed_clock_is_reported(sqlite_app: Harness) -> None:
    store = sqlite_app.database.store()

    def heartbeat(*args: Any, **kwargs: Any) -> Renewal:
        beat = store.heartbeat(*args, **kwargs)
        return Renewal(beat.alive, beat.now - timedelta(hours=1))

    config = sqlite_app.config(
        note, store=Wrapped(store, heartbeat=heartbeat), lease=3.0, heartbeat_interval=0.1
    )
    async with bgjobs.run(config):
        skew = (await sqlite_app.recorder.wait_for(ClockSkew))[0]
    assert skew.seconds == pytest.approx(3600, abs=60)


async def test_a_lost_lease_cancels_handlers_before_others_can_reserve_their_jobs(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewal fails; by the local clock, the handler is cancelled within the lease."""
    monkeypatch.setattr(
        registry, "TRUSTED_SHARE", 0.5
    )  # leaves half of the lease for a busy machine
    store = FaultyStore(sqlite_app.database.store())
    times: list[float] = []

    @bgjobs.worker
    async def long() -> None:
        if times:
            return
        times.append(anyio.current_time())
        store.faults["heartbeat"] = [StoreUnavailableError("away")] * 1000
        try:
            await anyio.sleep_forever()
        finally:
            times.append(anyio.current_time())
            store.faults["heartbeat"] = []

    settings = restarting(lease=4.0, heartbeat_interval=0.5)
    async with bgjobs.run(sqlite_app.config(long, store=store, **settings)) as bg:
        await bg.enqueue(long.request())
        await sqlite_app.recorder.wait_for(JobSucceeded)
    (crash,) = sqlite_app.recorder.of(ChildCrashed)
    assert isinstance(crash.error, LeaseLostError)
    assert times[1] - times[0] < 4.0


async def test_a_refused_lease_ends_the_owner(app: Harness) -> None:
    """Another process closed this owner; the queue registers as a new one."""
    thief = app.open_store()
    async with bgjobs.run(
        app.config(note, lease=3.0, heartbeat_interval=0.1, **restarting())
    ) as bg:
        (started,) = await app.recorder.wait_for(QueueStarted)
        thief.close_owners([started.owner])
        await app.recorder.wait_for(QueueStarted, 2)
        await bg.enqueue(note.request(1))
        await app.recorder.wait_for(JobSucceeded)
    thief.close()


WRITING = ("reserve", "write", "heartbeat", "open_owner", "close_owners", "prune", "replace")


def read_only(real: bgjobs.Store, error: Exception, switch: threading.Event) -> Any:
    """A store whose writing methods raise `error` while `switch` is set."""

    def refusing(verb: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if switch.is_set():
                raise error
            return getattr(real, verb)(*args, **kwargs)

        call.__name__ = verb
        return call

    return Wrapped(real, **{verb: refusing(verb) for verb in WRITING})


@virtual_time
async def test_a_refused_write_is_retried_a_few_times_only(virtual_app: Harness) -> None:
    error, switch = StoreUnavailableError("read-only"), threading.Event()
    real = virtual_app.database.store()
    store = read_only(real, error, switch)
    config = virtual_app.config(
        note, store=store, lease=20.0, retention=bgjobs.Retention(), sweep_interval=5.0
    )
    async with bgjobs.run(config) as bg:
        await bg.wait_for(await bg.enqueue(note.request()))
        switch.set()
        real.write([NewJob(new_id(), note.request())], now=virtual_app.settings["clock"].now())
        await anyio.lowlevel.checkpoint()
        bg._services.wakeups.notify(ANY_CHANGE)  # pyright: ignore[reportPrivateUsage] - as the change listener does
        virtual_app.recorder.clear()
        await anyio.sleep(10)
        failed = virtual_app.recorder.of(StoreFailed)
        assert 3 <= len(failed) <= 15
        assert len(virtual_app.recorder.of(StoreCalled)) <= 60
        switch.clear()
        await virtual_app.recorder.wait_for(JobSucceeded)


@virtual_time
@pytest.mark.parametrize("outage", [0.3, 2.0, 4.0, 9.0, 31.0, 100.0])
async def test_work_resumes_soon_after_the_store_accepts_writes_again(
    virtual_app: Harness, outage: float
) -> None:
    """Even after a long outage, and with a long interval between heartbeats."""
    switch, real = threading.Event(), virtual_app.database.store()
    store = read_only(real, StoreUnavailableError("read-only"), switch)
    config = virtual_app.config(note, store=store, lease=1000.0, sweep_interval=1000.0)
    async with bgjobs.run(config) as bg:
        await bg.wait_for(await bg.enqueue(note.request()))
        await anyio.sleep(30)  # so that the last heartbeat was long ago
        switch.set()
        real.write([NewJob(new_id(), note.request())], now=virtual_app.settings["clock"].now())
        bg._services.wakeups.notify(ANY_CHANGE)  # pyright: ignore[reportPrivateUsage] - as the change listener does
        await anyio.sleep(outage)
        switch.clear()
        begun = anyio.current_time()
        await virtual_app.recorder.wait_for(JobSucceeded, 2)
        assert anyio.current_time() - begun <= 1.5
    assert virtual_app.recorder.of(ChildCrashed) == []


@virtual_time
async def test_a_lost_lease_names_the_last_error_of_the_store(virtual_app: Harness) -> None:
    error, switch = StoreUnavailableError("read-only"), threading.Event()
    store = read_only(virtual_app.database.store(), error, switch)
    async with bgjobs.run(virtual_app.config(note, store=store, lease=20.0)) as bg:
        await bg.wait_for(await bg.enqueue(note.request()))
        switch.set()
        [crash] = await virtual_app.recorder.wait_for(ChildCrashed)
        assert str(crash.error) == (
            "queue 'default': the lease could not be renewed in time; the last try: read-only"
        )
        assert crash.error.__cause__ is error
        switch.clear()


async def test_a_settlement_may_wait_for_as_long_as_the_lease_is_renewed(app: Harness) -> None:
    """Writes may take longer than a lease while heartbeats succeed."""
    real = app.database.store()
    beats = threading.Semaphore(0)

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        for _ in range(7 if settle else 0):  # at two per second, longer than a lease
            assert beats.acquire(timeout=60)
        return real.write(enqueue, settle, **kwargs)

    def heartbeat(*args: Any, **kwargs: Any) -> Any:
        beats.release()
        return real.heartbeat(*args, **kwargs)

    store = Wrapped(real, write=write, heartbeat=heartbeat)
    config = app.config(note, store=store, lease=3.0, heartbeat_interval=0.5)
    async with bgjobs.run(config) as bg:
        await bg.enqueue(note.request(1))
        await app.recorder.wait_for(JobSucceeded)
    assert app.recorder.of(ChildCrashed) == []
    assert len(app.recorder.of(JobStarted)) == 1
