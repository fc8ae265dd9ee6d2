"""A job keeps each of its reservations that ended without success: where, when and how."""

import anyio
import pytest

import bgjobs
from bgjobs._runtime.queues.pace import Pace
from bgjobs.events import JobReleased, JobReserved, JobStarted, MonitorReleased, OwnerDied
from bgjobs.stores.types import Owner
from tests.fixtures.prepared_rows import left_behind
from tests.runtime.conftest import Harness
from tests.runtime.history.helpers import (
    OwnersOf,
    broken,
    discarded,
    endless,
    fine,
    interrupted,
    later,
    reservations,
    shown,
    twice,
)

pytestmark = pytest.mark.anyio


async def test_an_attempt_that_failed_and_was_retried(app: Harness) -> None:
    owners = OwnersOf(app)
    async with bgjobs.run(app.config(twice, store=owners.store)) as bg:
        done = await bg.wait_for(await bg.enqueue(twice.request()))
        assert isinstance(done, bgjobs.SucceededJob)
        assert reservations(done, owners.opened) == [(1, 1, "failed")]
        [entry], [error] = done.history, done.errors
        assert isinstance(entry, bgjobs.PastReservation)
        assert (entry.reserved_at, entry.ended_at) == (error.reserved_at, error.failed_at)
        timeline = await bg.timeline(done)
    [owner] = owners.opened
    assert shown(timeline) == [
        "enqueued", "attempt 1 reserved", "attempt 1 failed", "attempt 2 reserved", "succeeded",
    ]  # fmt: skip
    assert {(one.queue, one.node) for one in timeline[1:4]} == {(owner.name, owner.node)}
    assert timeline[2].error == error.error


async def test_the_last_attempt_that_failed(app: Harness) -> None:
    owners = OwnersOf(app)
    config = app.config(broken, store=owners.store, queue={"max_retries": 1})
    async with bgjobs.run(config) as bg:
        failed = await bg.wait_for(await bg.enqueue(broken.request()))
        assert isinstance(failed, bgjobs.FailedJob)
        timeline = await bg.timeline(failed)
    assert reservations(failed, owners.opened) == [(1, 1, "failed"), (2, 2, "failed")]
    assert shown(timeline) == [
        *("enqueued", "attempt 1 reserved", "attempt 1 failed"),
        *("attempt 2 reserved", "attempt 2 failed", "failed for good"),
    ]


async def test_a_job_that_snoozed(app: Harness) -> None:
    owners = OwnersOf(app)
    async with bgjobs.run(app.config(later, store=owners.store)) as bg:
        done = await bg.wait_for(await bg.enqueue(later.request()))
        assert isinstance(done, bgjobs.SucceededJob)
        assert done.errors == ()
        assert reservations(done, owners.opened) == [(1, 1, "snoozed")]
        assert shown(await bg.timeline(done))[2:] == [
            "attempt 1 snoozed", "attempt 1 reserved", "succeeded",
        ]  # fmt: skip


async def test_a_job_that_was_discarded(app: Harness) -> None:
    owners = OwnersOf(app)
    async with bgjobs.run(app.config(discarded, store=owners.store)) as bg:
        failed = await bg.wait_for(await bg.enqueue(discarded.request()))
        assert isinstance(failed, bgjobs.FailedJob)
        timeline = await bg.timeline(failed)
    assert reservations(failed, owners.opened) == [(1, 1, "discarded")]
    assert shown(timeline)[2:] == ["attempt 1 discarded", "failed for good"]
    assert timeline[-1].error == "not needed"


async def test_a_job_that_was_interrupted_by_a_shutdown(app: Harness) -> None:
    """Its second run is in another process, which knows the first one by its row alone."""
    first, second = OwnersOf(app), OwnersOf(app)
    async with bgjobs.run(app.config(interrupted, store=first.store)) as bg:
        job = await bg.enqueue(interrupted.request())
        await app.recorder.wait_for(JobStarted)
        bg.stop(grace=0)
    assert reservations(app.stored(job), first.opened) == [(1, 1, "interrupted")]
    queues = [bgjobs.Queue("other", workers=[interrupted])]
    async with bgjobs.run(app.config(store=second.store, queues=queues)) as bg:
        done = await bg.wait_for(job)
        timeline = await bg.timeline(done)
    assert reservations(done, first.opened) == [(1, 1, "interrupted")]
    assert shown(timeline)[1:] == [
        *("attempt 1 reserved", "attempt 1 interrupted"),
        *("attempt 1 reserved", "succeeded"),
    ]
    assert [one.queue for one in timeline[1:4]] == ["default", "default", "other"]
    assert [one.node for one in timeline[2:4]] == [first.opened[0].node, second.opened[0].node]


async def test_a_job_that_was_interrupted_because_the_block_raised(app: Harness) -> None:
    owners = OwnersOf(app)
    with pytest.raises(ZeroDivisionError):
        async with bgjobs.run(app.config(endless, store=owners.store)) as bg:
            job = await bg.enqueue(endless.request())
            await app.recorder.wait_for(JobStarted)
            raise ZeroDivisionError
    assert [one.job.id for one in app.recorder.of(JobReleased)] == [job.id]
    assert reservations(app.stored(job), owners.opened) == [(1, 1, "interrupted")]


async def test_a_job_whose_process_died_is_released_by_the_monitor_of_another(
    app: Harness,
) -> None:
    """The entry has the queue and the node of the owner that died."""
    [row] = left_behind(app.database, [fine.request()])
    owners = OwnersOf(app)
    queues = [bgjobs.Queue("other", workers=[fine])]
    async with bgjobs.run(app.config(store=owners.store, queues=queues)) as bg:
        done = await bg.wait_for(row)
        timeline = await bg.timeline(done)
    dead = Owner(row.reservation.owner, "default", "elsewhere")
    assert [one.job.id for one in app.recorder.of(MonitorReleased)] == [row.id]
    assert (done.crashes, reservations(done, [dead])) == (1, [(1, 1, "crashed")])
    assert shown(timeline)[1:] == [
        *("attempt 1 reserved", "attempt 1 crashed"),
        *("attempt 1 reserved", "succeeded"),
    ]
    assert [one.queue for one in timeline] == [None, "default", "default", "other", None]
    assert [one.node for one in timeline[2:4]] == ["elsewhere", owners.opened[0].node]


async def test_a_job_whose_processes_died_too_often(app: Harness) -> None:
    [row] = left_behind(app.database, [fine.request()], crashes=3)
    async with bgjobs.run(app.config(fine)) as bg:
        failed = await bg.wait_for(row)
        timeline = await bg.timeline(failed)
    assert isinstance(failed, bgjobs.FailedJob)
    dead = Owner(row.reservation.owner, "default", "elsewhere")
    assert reservations(failed, [dead]) == [(row.reservations, 1, "crashed")]
    assert shown(timeline)[1:] == ["attempt 1 reserved", "attempt 1 crashed", "failed for good"]
    assert timeline[-1].error == "its worker died 4 times while running it"


async def test_a_job_that_ended_its_queue_crashed_and_others_were_interrupted(
    app: Harness,
) -> None:
    class Poisonous(BaseException):
        """Ends a queue."""

    both_run = anyio.Event()

    @bgjobs.worker
    async def poison(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            await both_run.wait()
            raise Poisonous

    owners = OwnersOf(app)
    config = app.config(poison, interrupted, store=owners.store)
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many([poison.request(), interrupted.request()])
        await app.recorder.wait_for(JobStarted, 2)
        both_run.set()
        crashed, other = [await bg.wait_for(job) for job in jobs]
    assert len(app.recorder.of(OwnerDied)) == 1
    assert reservations(crashed, owners.opened) == [(1, 1, "crashed")]
    assert reservations(other, owners.opened) == [(1, 1, "interrupted")]
    assert reservations(crashed, owners.opened[:1]) == reservations(crashed, owners.opened)
    assert reservations(other, owners.opened[:1]) == reservations(other, owners.opened)


@pytest.fixture
def reserves_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queues reserve five jobs at once, as they do when jobs end quickly."""
    monkeypatch.setattr(Pace, "room", property(lambda _: 5))


@pytest.mark.usefixtures("reserves_ahead")
async def test_a_job_that_was_reserved_ahead_and_given_back(app: Harness) -> None:
    """It spends no attempt, and its next reservation is the second one."""
    owners = OwnersOf(app)
    config = app.config(endless, fine, store=owners.store, queue={"concurrency": 1})
    async with bgjobs.run(config) as bg:
        first, second = await bg.enqueue_many([endless.request(), fine.request()])
        await app.recorder.wait_for(JobReserved, 2)
        bg.queue("default").pause()
        while (await bg.count()).running > 1:
            await anyio.sleep(0.01)
        assert reservations(app.stored(second), owners.opened) == [(1, 1, "released")]
        await bg.admin.cancel(first.id, reason="enough")
        await bg.wait_for(first)
        bg.queue("default").resume()
        done = await bg.wait_for(second)
        timeline = await bg.timeline(done)
    assert isinstance(done, bgjobs.SucceededJob)
    assert (done.attempts, done.reservations, done.interruptions) == (0, 2, 0)
    assert reservations(done, owners.opened) == [(1, 1, "released")]
    assert shown(timeline)[1:3] == ["attempt 1 reserved", "attempt 1 released"]


@pytest.mark.usefixtures("reserves_ahead")
async def test_jobs_that_were_reserved_ahead_when_their_queue_stopped(app: Harness) -> None:
    owners = OwnersOf(app)
    config = app.config(endless, fine, store=owners.store, queue={"concurrency": 1})
    async with bgjobs.run(config) as bg:
        first, second = await bg.enqueue_many([endless.request(), fine.request()])
        await app.recorder.wait_for(JobReserved, 2)
        await app.recorder.wait_for(JobStarted)
        bg.stop(grace=0)
    assert reservations(app.stored(first), owners.opened) == [(1, 1, "interrupted")]
    assert reservations(app.stored(second), owners.opened) == [(1, 1, "released")]


@pytest.mark.usefixtures("reserves_ahead")
async def test_a_job_that_was_cancelled_between_its_reservation_and_its_start(
    app: Harness,
) -> None:
    owners = OwnersOf(app)
    config = app.config(endless, fine, store=owners.store, queue={"concurrency": 1})
    async with bgjobs.run(config) as bg:
        first, second = await bg.enqueue_many([endless.request(), fine.request()])
        await app.recorder.wait_for(JobReserved, 2)
        found = await bg.admin.cancel(second.id, reason="by hand", by="ann")
        assert (found.ended, found.asked) == ([], [second.id])
        await bg.admin.cancel(first.id, reason="to free the slot")
        ended = await bg.wait_for(second)
        timeline = await bg.timeline(ended)
    assert isinstance(ended, bgjobs.CancelledJob)
    assert (ended.reason, ended.cancelled_by, ended.attempts) == ("by hand", "ann", 0)
    [(number, attempt, how)] = reservations(ended, owners.opened)
    assert (number, attempt) == (1, 1)
    assert how in ("cancelled", "released")  # by the slot, or by the queue that gave it back
    assert shown(timeline)[-1] == "cancelled"
    assert (timeline[-1].error, timeline[-1].by) == ("by hand", "ann")
    assert second.id not in [one.job.id for one in app.recorder.of(JobStarted)]


async def test_a_job_that_was_cancelled_while_it_ran(app: Harness) -> None:
    owners = OwnersOf(app)
    async with (
        bgjobs.run(app.config(endless, store=owners.store)) as bg,
        bgjobs.connect(app.config(endless)) as client,
    ):
        job = await bg.enqueue(endless.request())
        await app.recorder.wait_for(JobStarted)
        await client.admin.cancel(job.id, reason="by hand", by="ann")
        ended = await client.wait_for(job)
        timeline = await client.timeline(ended)
    assert isinstance(ended, bgjobs.CancelledJob)
    assert reservations(ended, owners.opened) == [(1, 1, "cancelled")]
    assert shown(timeline) == [
        "enqueued",
        "attempt 1 reserved",
        "attempt 1 cancelled",
        "cancelled",
    ]
    assert [one.by for one in timeline] == [None, None, None, "ann"]
    assert timeline[-1].error == "by hand"


async def test_a_running_job_has_its_queue_and_node_in_its_timeline(app: Harness) -> None:
    """And a waiting one says when it is due."""
    owners = OwnersOf(app)
    async with bgjobs.run(app.config(endless, store=owners.store)) as bg:
        job = await bg.enqueue(endless.request())
        await app.recorder.wait_for(JobStarted)
        [running] = await bg.list(bgjobs.JobFilter("running"))
        timeline = await bg.timeline(running)
        waiting = await bg.enqueue(endless.request().available_in(hours=1))
        assert shown(await bg.timeline(waiting)) == ["enqueued", "due"]
        bg.stop(grace=0)
    [owner] = owners.opened
    assert running.id == job.id
    assert shown(timeline) == ["enqueued", "attempt 1 reserved"]
    assert (timeline[1].queue, timeline[1].node) == (owner.name, owner.node)


async def test_a_job_that_succeeds_at_once_has_no_history(app: Harness) -> None:
    """Its queue and node are shown after its process has ended, too."""
    owners = OwnersOf(app)
    async with bgjobs.run(app.config(fine, store=owners.store)) as bg:
        done = await bg.wait_for(await bg.enqueue(fine.request()))
    assert done.history == ()
    async with bgjobs.connect(app.config(fine)) as client:
        timeline = await client.timeline(done)
    [owner] = owners.opened
    assert shown(timeline) == ["enqueued", "attempt 1 reserved", "succeeded"]
    assert (timeline[1].queue, timeline[1].node) == (owner.name, owner.node)
