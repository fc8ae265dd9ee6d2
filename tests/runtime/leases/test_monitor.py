"""The release of jobs whose owner has ended: complete and reported once, whatever fails."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import anyio
import pytest
from anyio import current_time

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._runtime.leases import monitor
from bgjobs.errors import StoreError
from bgjobs.events import (
    ChildCrashed,
    Event,
    JobReleased,
    JobStarted,
    JobSucceeded,
    MonitorFailed,
    MonitorReleased,
    MonitorReleasing,
    OwnerDied,
    QueueError,
    QueueStarted,
    StoreFailed,
)
from bgjobs.stores.types import Written
from tests.fixtures.faulty_store import FaultyStore
from tests.fixtures.listings import unreserved
from tests.fixtures.prepared_rows import left_behind
from tests.runtime.conftest import Harness, Wrapped, migrated_rows, virtual_time_on_both

pytestmark = pytest.mark.anyio

NEVER = 1e9
"""Seconds; longer than any test here lasts."""


class Poisonous(BaseException):
    """Ends a queue."""


@bgjobs.worker
async def note(number: int) -> None:
    """Succeeds."""


@bgjobs.worker
async def idle() -> None:
    """Never enqueued."""


def notes(count: int) -> list[Any]:
    return [note.request(number) for number in range(count)]


def refusing(store: Any, unwritable: Iterable[UUID]) -> Any:
    """A store that fails to write these jobs, as long as they are in the collection."""

    def write(enqueue: Any = (), settle: Any = (), **more: Any) -> Written:
        if any(one.reservation.job_id in unwritable for one in settle):
            raise StoreError("this row cannot be written")
        written: Written = store.write(enqueue, settle, **more)
        return written

    return Wrapped(store, write=write)


def released(app: Harness) -> list[UUID]:
    return sorted(event.job.id for event in app.recorder.of(MonitorReleased))


@virtual_time_on_both
async def test_a_row_that_cannot_be_written_delays_no_other_release(
    virtual_app: Harness,
) -> None:
    """It stays reserved and is tried again with each sweep; no part crashes."""
    rows = left_behind(virtual_app.database, notes(5))
    unwritable = {rows[2].id}
    store = refusing(virtual_app.database.store(), unwritable)
    config = virtual_app.config(note, store=store, sweep_interval=10)
    async with bgjobs.run(config) as bg:
        await virtual_app.recorder.wait_for(JobSucceeded, 4)
        await anyio.sleep(100)
        (stuck,) = await bg.list(bgjobs.JobFilter("running"))
        assert stuck.id == rows[2].id
        unwritable.clear()
        await virtual_app.recorder.wait_for(JobSucceeded, 5)
    assert virtual_app.recorder.of(ChildCrashed) == []
    assert released(virtual_app) == sorted(row.id for row in rows)


async def test_a_sweep_passes_over_a_row_that_cannot_be_written_on_both_stores(
    app: Harness,
) -> None:
    rows = left_behind(app.database, notes(3))
    unwritable = {rows[0].id}
    config = app.config(note, store=refusing(app.database.store(), unwritable))
    async with bgjobs.run(config) as bg:
        await app.recorder.wait_for(JobSucceeded, 2)
        assert [job.id for job in await bg.list(bgjobs.JobFilter("running"))] == [rows[0].id]
    assert app.recorder.of(ChildCrashed) == []


@virtual_time_on_both
async def test_a_sweep_gets_past_whole_pages_that_cannot_be_written(
    virtual_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "PAGE", 2)
    rows = sorted(left_behind(virtual_app.database, notes(7)), key=lambda row: row.id)
    unwritable = {row.id for row in rows[:4]}
    store = refusing(virtual_app.database.store(), unwritable)
    config = virtual_app.config(note, store=store, sweep_interval=NEVER)
    async with bgjobs.run(config):
        await virtual_app.recorder.wait_for(JobSucceeded, 3)
    assert released(virtual_app) == [row.id for row in rows[4:]]
    sweeps = virtual_app.recorder.of(MonitorReleasing)
    assert [event.jobs for event in sweeps] == [2, 2, 2, 1]


async def test_abandoned_jobs_are_given_page_by_page(app: Harness) -> None:
    rows = sorted(left_behind(app.database, notes(5)), key=lambda row: row.id)
    with app.opened() as store:
        first = store.abandoned(bgjobs.Page(2))
        middle = store.abandoned(bgjobs.Page(2, after=first[-1].id))
        last = store.abandoned(bgjobs.Page(2, after=middle[-1].id))
    assert [*first, *middle, *last] == rows
    assert len(last) == 1


@virtual_time_on_both
async def test_one_row_that_cannot_be_written_does_not_delay_the_release_of_a_dead_queue(
    virtual_app: Harness,
) -> None:
    unwritable: set[UUID] = set()
    all_started = anyio.Event()

    @bgjobs.worker
    async def long(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            await anyio.sleep_forever()

    @bgjobs.worker
    async def poison(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            await all_started.wait()
            raise Poisonous

    store = refusing(virtual_app.database.store(), unwritable)
    config = virtual_app.config(long, poison, store=store, sweep_interval=10)
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many([long.request(), poison.request(), long.request()])
        await virtual_app.recorder.wait_for(JobStarted, 3)
        unwritable.add(jobs[0].id)
        all_started.set()
        await virtual_app.recorder.wait_for(JobSucceeded, 2)
        unwritable.clear()
        await virtual_app.recorder.wait_for(JobSucceeded, 3)
    crashes = [event.child for event in virtual_app.recorder.of(ChildCrashed)]
    assert crashes == ["queue 'default'"]


async def test_at_the_end_a_row_that_cannot_be_written_keeps_no_other_reserved(
    app: Harness,
) -> None:
    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    unwritable: set[UUID] = set()
    store = refusing(app.database.store(), unwritable)
    with pytest.raises(ZeroDivisionError):
        async with bgjobs.run(app.config(forever, store=store)) as bg:
            jobs = await bg.enqueue_many([forever.request() for _ in range(3)])
            await app.recorder.wait_for(JobStarted, 3)
            unwritable.add(jobs[1].id)
            raise ZeroDivisionError
    with app.opened() as looking:
        assert [job.id for job in looking.list(bgjobs.JobFilter("running"))] == [jobs[1].id]


async def test_an_orphan_whose_end_is_refused_keeps_no_other_live(app: Harness) -> None:
    rows = migrated_rows(app)
    rows.refuse("bad", "jobs_cancelled", "insert")
    bad, good = (rows.insert(name=one, parent_id=str(new_id())) for one in ("bad", "idle"))
    async with bgjobs.run(app.config(note, sweep_interval=0.1)) as bg:
        assert isinstance(await bg.wait_for(good), bgjobs.CancelledJob)
        await app.recorder.wait_for(StoreFailed)
        assert isinstance(await bg.find(bad), bgjobs.Job)
        noted = await bg.enqueue(note.request(1))
        assert isinstance(await bg.wait_for(noted), bgjobs.SucceededJob)
    assert {one.verb for one in app.recorder.of(StoreFailed)} == {"end_orphans"}
    assert app.recorder.of(ChildCrashed) == []


async def test_a_sweep_whose_answer_was_lost_reports_every_job_once(app: Harness) -> None:
    """No queue here runs them, so they are found as the sweep has left them."""
    rows = left_behind(app.database, notes(3))
    store = FaultyStore(app.database.store())
    store.lose_the_answer("write")
    config = app.config(idle, store=store, enqueue_only=[note])
    async with bgjobs.run(config) as bg:
        await app.recorder.wait_for(MonitorReleased, 3)
        waiting = await unreserved(bg)
    assert [event.verb for event in app.recorder.of(StoreFailed)] == ["write"]
    assert released(app) == sorted(row.id for row in rows)
    assert [(job.crashes, job.reserved_by) for job in waiting] == [(1, None)] * 3


async def test_a_sweep_whose_answer_was_lost_reports_jobs_that_already_run_again(
    app: Harness,
) -> None:
    rows = left_behind(app.database, notes(3))
    store = FaultyStore(app.database.store())
    store.lose_the_answer("write")
    async with bgjobs.run(app.config(note, store=store)):
        await app.recorder.wait_for(JobSucceeded, 3)
    assert released(app) == sorted(row.id for row in rows)


async def test_a_job_ended_by_a_sweep_whose_answer_was_lost_is_reported_once(
    app: Harness,
) -> None:
    (row,) = left_behind(app.database, notes(1), crashes=3)
    store = FaultyStore(app.database.store())
    store.lose_the_answer("write")
    async with bgjobs.run(app.config(note, store=store)) as bg:
        await app.recorder.wait_for(MonitorFailed)
        (failed,) = await bg.list(bgjobs.JobFilter("failed"))
    assert (failed.id, failed.error) == (row.id, "its worker died 4 times while running it")
    assert [event.job.id for event in app.recorder.of(MonitorFailed)] == [row.id]
    assert app.recorder.of(MonitorReleased) == []


async def test_jobs_released_at_shutdown_are_reported_although_the_answer_was_lost(
    app: Harness,
) -> None:
    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    store = FaultyStore(app.database.store())
    with pytest.raises(ZeroDivisionError):
        async with bgjobs.run(app.config(forever, store=store)) as bg:
            jobs = await bg.enqueue_many([forever.request() for _ in range(3)])
            await app.recorder.wait_for(JobStarted, 3)
            store.lose_the_answer("write")
            raise ZeroDivisionError
    told = sorted(event.job.id for event in app.recorder.of(JobReleased))
    assert told == sorted(job.id for job in jobs)


async def test_jobs_of_a_dead_queue_are_reported_although_the_answer_was_lost(
    app: Harness,
) -> None:
    store = FaultyStore(app.database.store())

    @bgjobs.worker
    async def poison() -> None:
        store.lose_the_answer("write")
        raise Poisonous

    # It does not restart soon, so the job is found as the release has left it.
    tolerance = bgjobs.RestartTolerance(backoff=bgjobs.backoff.Constant(3600))
    config = app.config(poison, store=store, restart_tolerance=tolerance)
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(poison.request())
        await app.recorder.wait_for(MonitorReleased)
    assert released(app) == [job.id]


@virtual_time_on_both
async def test_the_death_of_an_owner_is_reported_once_however_long_its_release_takes(
    virtual_app: Harness,
) -> None:
    store = FaultyStore(virtual_app.database.store())

    @bgjobs.worker
    async def poison(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            store.away = True
            raise Poisonous

    config = virtual_app.config(poison, store=store, store_timeout=1, sweep_interval=1)
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(poison.request())
        await virtual_app.recorder.wait_for(OwnerDied)
        await anyio.sleep(100)
        store.away = False
        await virtual_app.recorder.wait_for(JobSucceeded)
    deaths = [event.owner for event in virtual_app.recorder.of(OwnerDied)]
    owners = [event.owner for event in virtual_app.recorder.of(QueueStarted)]
    assert deaths == owners[:1]
    assert store.calls.count("list") > 2
    assert released(virtual_app) == [job.id]


@virtual_time_on_both
async def test_an_owner_of_this_process_whose_lease_has_ended_counts_no_crash(
    virtual_app: Harness,
) -> None:
    """For example, the machine slept, and the monitor is the first task to wake up."""

    @bgjobs.worker
    async def long(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            await anyio.sleep_forever()

    config = virtual_app.config(long, heartbeat_interval=100.0, sweep_interval=1)
    thief = virtual_app.open_store()
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(long.request())
        (started,) = await virtual_app.recorder.wait_for(JobStarted)
        assert started.job.reserved_by is not None
        thief.close_owners([started.job.reserved_by], now=config.clock.store_now())
        await virtual_app.recorder.wait_for(JobSucceeded)
        done = await bg.find(job.id)
    thief.close()
    assert done is not None
    assert (done.crashes, done.interruptions, done.reservations) == (0, 1, 2)


@virtual_time_on_both
async def test_a_paused_queue_gives_back_jobs_it_may_have_reserved(
    virtual_app: Harness,
) -> None:
    """The answer of `reserve` was lost, and a listener to that event pauses the queue."""
    store = FaultyStore(virtual_app.database.store())
    controls: dict[str, bgjobs.QueueControl] = {}

    def pause(event: Event) -> None:
        if isinstance(event, QueueError):
            controls[event.queue].pause()

    queues = [bgjobs.Queue(name, workers=[note]) for name in ("one", "other")]
    listeners = [virtual_app.recorder, pause]
    config = virtual_app.config(store=store, queues=queues, listeners=listeners)
    async with bgjobs.run(config) as bg:
        controls.update({queue.name: queue for queue in bg.queues})
        store.lose_the_answer("reserve")
        job = await bg.enqueue(note.request(1))
        await virtual_app.recorder.wait_for(JobSucceeded)
        done = await bg.find(job.id)
    (lost,) = virtual_app.recorder.of(QueueError)
    (started,) = virtual_app.recorder.of(JobStarted)
    assert {lost.queue, started.queue} == {"one", "other"}
    assert done is not None
    assert (done.reservations, done.crashes, done.interruptions) == (2, 0, 0)


@virtual_time_on_both
async def test_a_paused_queue_that_has_given_back_reserves_nothing(
    virtual_app: Harness,
) -> None:
    store = FaultyStore(virtual_app.database.store())
    pausing: list[Any] = []

    def pause(event: Event) -> None:
        if isinstance(event, QueueError):
            pausing[0].pause()

    config = virtual_app.config(note, store=store, listeners=[virtual_app.recorder, pause])
    async with bgjobs.run(config) as bg:
        pausing.append(bg.queue("default"))
        store.lose_the_answer("reserve")
        job = await bg.enqueue(note.request(1))
        await virtual_app.recorder.wait_for(QueueError)
        await anyio.sleep(1000)
        waiting = await bg.find(job.id)
        assert isinstance(waiting, bgjobs.Job)
        assert (waiting.reserved_by, waiting.reservations) == (None, 1)
        bg.queue("default").resume()
        await virtual_app.recorder.wait_for(JobSucceeded)


@virtual_time_on_both
async def test_a_queue_can_be_stopped_while_it_gives_back_jobs(
    virtual_app: Harness,
) -> None:
    store = FaultyStore(virtual_app.database.store())
    slow: dict[str, Any] = {"poll_interval": 3600}
    store.lose_the_answer("reserve")
    async with bgjobs.run(virtual_app.config(note, store=store, queue=slow)) as bg:
        store.hooks["list"] = lambda: bg.stop(grace=0)
        await bg.enqueue(note.request(1))
        await bg.wait_stopping()
        stopped = current_time()
    assert current_time() - stopped < slow["poll_interval"]
    assert "reserve" not in store.calls[store.calls.index("list") :]
