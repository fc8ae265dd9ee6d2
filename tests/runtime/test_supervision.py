"""What dies is restarted, what it held is released, and what keeps dying takes all down."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.settlements import Requeue
from bgjobs._runtime.leases import registry
from bgjobs._runtime.leases.monitor import Monitor
from bgjobs.errors import LeaseLostError, StoreError, StoreUnavailableError
from bgjobs.events import (
    ChildCrashed,
    ChildRestarted,
    JobAttemptFailed,
    JobStarted,
    JobSucceeded,
    MonitorReleased,
    MonitorReleasing,
    OwnerDied,
    QueueStarted,
    QueueStopped,
    ReservationLost,
    RestartLimitExceeded,
)
from bgjobs.stores.types import NewJob, Owner
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


def patient(**more: Any) -> dict[str, Any]:
    tolerance = bgjobs.RestartTolerance(restarts=100, backoff=bgjobs.backoff.IMMEDIATE)
    return {"restart_tolerance": tolerance, "sweep_interval": 0.1, **more}


@bgjobs.worker
async def note(seen: list[int]) -> None:
    """Ends well."""


async def test_a_queue_goes_on_after_its_death_as_a_new_owner(app: Harness) -> None:
    """The twin of the original's keep_going_after_panic, which was commented out there."""
    store = FaultyStore(app.database.store())
    store.faults["reserve"] = [StoreError("a bug"), StoreError("another")]
    async with bgjobs.run(app.config(note, store=store, **patient())) as bg:
        await bg.enqueue(note.request([1]))
        await app.recorder.wait_for(JobSucceeded)
    owners = [event.owner for event in app.recorder.of(QueueStarted)]
    assert len(owners) == len(set(owners)) == 3
    assert [event.owner for event in app.recorder.of(QueueStopped)] == owners
    assert [event.child for event in app.recorder.of(ChildCrashed)] == ["queue 'default'"] * 2
    assert [event.restarts for event in app.recorder.of(ChildRestarted)] == [1, 2]


async def test_every_death_of_a_queue_releases_what_it_held(app: Harness) -> None:
    """The twin of release_claimed_jobs_on_process_down: four deaths, five owners."""
    owners: list[UUID | None] = []
    kill = anyio.Event()

    @bgjobs.worker
    async def forever(context: bgjobs.JobContext) -> None:
        owners.append(context.job.reserved_by)
        if len(owners) < 5:
            raise LookupErrorBase
        kill.set()

    config = app.config(forever, limits=bgjobs.Limits(max_crashes=4), **patient())
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(forever.request())
        await kill.wait()
        await bg.drain()
        done = await bg.find(job.id)
    assert len(set(owners)) == 5
    assert done is not None
    assert (done.crashes, done.reservations) == (4, 5)
    assert len(app.recorder.of(OwnerDied)) == 4
    assert len(app.recorder.of(MonitorReleased)) == 4


class LookupErrorBase(BaseException):
    """Kills a queue."""


async def test_a_job_of_an_owner_that_is_gone_is_run(app: Harness) -> None:
    """The twin of handle_abandoned_jobs: a process died long ago and left a row behind."""
    store = app.open_store()
    store.migrate()
    ghost = Owner(new_id(), "default", "elsewhere")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    store.open_owner(ghost, timedelta(seconds=1), now=long_ago)
    store.write([NewJob(new_id(), note.request([1]))], now=long_ago)
    (held,) = store.reserve(ghost.id, ["note"], 1, now=long_ago)
    store.close()
    async with bgjobs.run(app.config(note, **patient())) as bg:
        await app.recorder.wait_for(JobSucceeded)
        done = await bg.find(held.id)
    assert done is not None
    assert (done.crashes, done.reservations) == (1, 2)
    assert [event.owner for event in app.recorder.of(MonitorReleasing)] == [None]


async def test_a_living_owner_of_another_process_keeps_its_jobs(app: Harness) -> None:
    store = app.open_store()
    store.migrate()
    neighbour = Owner(new_id(), "default", "elsewhere")
    store.open_owner(neighbour, timedelta(hours=1))
    store.write([NewJob(new_id(), note.request([1]))])
    (held,) = store.reserve(neighbour.id, ["note"], 1)
    async with bgjobs.run(app.config(note, **patient())) as bg:
        await bg.enqueue(note.request([2]))
        await app.recorder.wait_for(JobSucceeded)
    assert store.find(held.id) == held
    store.close()


async def test_a_restarted_monitor_releases_for_the_dead_and_watches_the_living(
    app: Harness,
) -> None:
    """The twin of monitor_restart_bookkeeping; the original forgot the living."""
    store = FaultyStore(app.database.store())
    runs: list[int] = []

    @bgjobs.worker
    async def dying() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise LookupErrorBase

    config = app.config(dying, store=store, limits=bgjobs.Limits(max_crashes=9), **patient())
    async with bgjobs.run(config) as bg:
        # The monitor dies on its next round, and again while it releases for the dead.
        store.faults["abandoned"] = [StoreError("a bug in the monitor")]
        await app.recorder.wait_for(ChildCrashed)
        store.faults["get_running"] = [StoreError("another one")]
        await bg.enqueue(dying.request())
        await app.recorder.wait_for(JobSucceeded)
    crashed = [event.child for event in app.recorder.of(ChildCrashed)]
    assert crashed.count("monitor") == 2
    assert crashed.count("queue 'default'") == 2
    assert len(runs) == 3


async def test_a_child_past_its_tolerance_leaves_as_a_group_that_names_it(
    sqlite_app: Harness,
) -> None:
    store = FaultyStore(sqlite_app.database.store())
    store.faults["reserve"] = [StoreError(f"bug {number}") for number in range(9)]
    tolerance = bgjobs.RestartTolerance(restarts=2, backoff=bgjobs.backoff.IMMEDIATE)
    config = sqlite_app.config(note, store=store, restart_tolerance=tolerance)
    with pytest.raises(ExceptionGroup) as caught:
        async with bgjobs.run(config):
            await anyio.sleep_forever()
    assert str(caught.value) == (
        "queue 'default' crashed more than 2 times within 60 seconds (1 sub-exception)"
    )
    assert [str(error) for error in caught.value.exceptions] == ["bug 2"]
    assert len(sqlite_app.recorder.of(RestartLimitExceeded)) == 1


async def test_one_child_s_crashes_do_not_count_for_another(sqlite_app: Harness) -> None:
    store = FaultyStore(sqlite_app.database.store())
    store.faults["abandoned"] = [StoreError("monitor"), StoreError("monitor")]
    store.faults["prune"] = [RuntimeError("pruner"), RuntimeError("pruner")]
    tolerance = bgjobs.RestartTolerance(restarts=2, backoff=bgjobs.backoff.IMMEDIATE)
    config = sqlite_app.config(note, store=store, restart_tolerance=tolerance)
    async with bgjobs.run(config) as bg:
        await sqlite_app.recorder.wait_for(ChildRestarted, 4)
        await bg.enqueue(note.request([1]))
        await sqlite_app.recorder.wait_for(JobSucceeded)
    assert sqlite_app.recorder.of(RestartLimitExceeded) == []


async def test_an_outage_is_no_crash(app: Harness) -> None:
    """Queues wait and go on; nobody dies and no job is lost or run twice."""
    store = FaultyStore(app.database.store())
    async with bgjobs.run(app.config(note, store=store, **patient())) as bg:
        for verb in ("reserve", "next_due", "write", "abandoned", "heartbeat", "close_owners"):
            store.faults[verb] = [StoreUnavailableError("away")] * 3
        await bg.enqueue(note.request([1]))
        await app.recorder.wait_for(JobSucceeded)
    assert app.recorder.of(ChildCrashed) == []
    assert len(app.recorder.of(JobStarted)) == 1


async def test_a_reservation_whose_answer_was_lost_is_given_back(app: Harness) -> None:
    """The commit went through but the connection died: the job must not wait for ever."""
    store = FaultyStore(app.database.store())

    async with bgjobs.run(app.config(note, store=store, **patient())) as bg:
        store.lose_the_answer("reserve")
        job = await bg.enqueue(note.request([1]))
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
        await bg.enqueue(note.request([1]))
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


async def test_a_lost_lease_cancels_the_handlers_before_others_may_take_over(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewal fails from now on: by the local clock the handler ends within the lease."""
    monkeypatch.setattr(
        registry, "TRUSTED_SHARE", 0.5
    )  # the rest is for a machine that is busy
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

    settings = patient(lease=4.0, heartbeat_interval=0.5)
    async with bgjobs.run(sqlite_app.config(long, store=store, **settings)) as bg:
        await bg.enqueue(long.request())
        await sqlite_app.recorder.wait_for(JobSucceeded)
    (crash,) = sqlite_app.recorder.of(ChildCrashed)
    assert isinstance(crash.error, LeaseLostError)
    assert times[1] - times[0] < 4.0


async def test_a_refused_lease_ends_the_owner(app: Harness) -> None:
    """Somebody swept this owner: the heartbeat hears it and a new owner takes its place."""
    thief = app.open_store()
    async with bgjobs.run(
        app.config(note, lease=3.0, heartbeat_interval=0.1, **patient())
    ) as bg:
        (started,) = await app.recorder.wait_for(QueueStarted)
        thief.close_owners([started.owner])
        await app.recorder.wait_for(QueueStarted, 2)
        await bg.enqueue(note.request([1]))
        await app.recorder.wait_for(JobSucceeded)
    thief.close()


async def test_the_monitor_of_a_stopped_application_has_nothing_left(app: Harness) -> None:
    async with bgjobs.run(app.config(note)) as bg:
        await bg.enqueue(note.request([1]))
        await bg.drain()
        monitor = Monitor(bg._services)
    assert monitor._services.registry.dead() == ()
    assert monitor._services.registry.alive() == ()


async def test_a_job_reserved_anew_before_its_last_end_was_heard_stays_held(
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
