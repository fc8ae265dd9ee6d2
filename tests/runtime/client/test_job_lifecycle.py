"""From enqueue to the end of a job, on both stores and event loops."""

from collections import Counter

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs.errors import (
    NoWorkerForJobError,
)
from bgjobs.events import (
    Event,
    JobAttemptFailed,
    JobEnqueued,
    JobFailed,
    JobReserved,
    JobStarted,
    JobSucceeded,
    NoWorkerForJob,
    QueueStarted,
)
from bgjobs.testing import Recorder
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness, virtual_time

pytestmark = pytest.mark.anyio


class Log:
    """Workers that record their arguments."""

    def __init__(self) -> None:
        self.lines: list[str] = []

        @bgjobs.worker(name="log")
        async def log(message: str) -> None:
            self.lines.append(message)

        @bgjobs.worker(name="failing")
        async def failing(context: bgjobs.JobContext) -> None:
            self.lines.append(f"attempt {context.attempt}")
            raise RuntimeError("I'm always failing")

        @bgjobs.worker(name="sync")
        def sync(message: str) -> None:
            self.lines.append(message)

        self.log = log
        self.failing = failing
        self.sync = sync


@pytest.fixture
def log() -> Log:
    return Log()


async def test_a_single_job_is_run(app: Harness, log: Log) -> None:
    async with bgjobs.run(app.config(log.log)) as bg:
        await bg.enqueue(log.log.request("test message"))
        await bg.drain()
    assert log.lines == ["test message"]


async def test_a_sync_handler_is_run_in_a_thread(app: Harness, log: Log) -> None:
    async with bgjobs.run(app.config(log.sync)) as bg:
        await bg.enqueue(log.sync.request("from a thread"))
        await bg.drain()
    assert log.lines == ["from a thread"]


async def test_a_job_that_has_run_is_listed_as_succeeded(app: Harness, log: Log) -> None:
    async with bgjobs.run(app.config(log.log)) as bg:
        job = await bg.enqueue(log.log.request("hello"))
        await bg.drain()
        (succeeded,) = await bg.list(bgjobs.JobFilter("succeeded"))
        assert await unreserved(bg) == []
        assert await bg.find(job.id) == succeeded
    assert (succeeded.id, succeeded.name, succeeded.attempts) == (job.id, "log", 0)
    assert succeeded.payload == '{"message":"hello"}'
    assert succeeded.created_at == job.created_at <= succeeded.succeeded_at


async def test_more_jobs_than_slots_are_all_run(app: Harness, log: Log) -> None:
    async with bgjobs.run(app.config(log.log, queue={"concurrency": 4})) as bg:
        for number in range(5):
            await bg.enqueue(log.log.request(str(number)))
        await bg.drain()
    assert sorted(log.lines) == ["0", "1", "2", "3", "4"]


async def test_a_failing_job_runs_four_times_and_is_listed_as_failed(
    app: Harness, log: Log
) -> None:
    async with bgjobs.run(app.config(log.failing)) as bg:
        await bg.enqueue(log.failing.request())
        await bg.drain()
        (failed,) = await bg.list(bgjobs.JobFilter("failed"))
    assert log.lines == ["attempt 1", "attempt 2", "attempt 3", "attempt 4"]
    assert failed.attempts == 3
    assert failed.error.startswith("RuntimeError: I'm always failing")
    assert [error.attempt for error in failed.errors] == [1, 2, 3, 4]


async def test_a_request_without_a_worker_is_refused_before_anything_is_written(
    app: Harness, log: Log
) -> None:
    async with bgjobs.run(app.config(log.log)) as bg:
        with pytest.raises(NoWorkerForJobError) as refused:
            await bg.enqueue_many([log.log.request("fine"), log.failing.request()])
        assert str(refused.value) == "no worker for job 'failing'; known workers: 'log'"
        assert (await bg.count()).waiting == 0
        await bg.enqueue(log.log.request("still works"))
        await bg.drain()
    assert log.lines == ["still works"]


async def test_a_producer_may_enqueue_the_workers_that_it_names(app: Harness, log: Log) -> None:
    config = bgjobs.Config(store=app.database.store(), enqueue_only=[log.log])
    async with bgjobs.run(config) as bg:
        await bg.enqueue(log.log.request("for another process"))
        assert (await bg.count()).waiting == 1
        with pytest.raises(NoWorkerForJobError):
            await bg.enqueue(log.failing.request())
    assert log.lines == []


async def test_the_events_of_a_succeeding_a_failing_and_an_unknown_job(
    app: Harness, log: Log
) -> None:
    queues = [
        bgjobs.Queue("default", workers=[log.log], concurrency=4),
        bgjobs.Queue("second", workers=[log.failing], backoff=bgjobs.backoff.IMMEDIATE),
    ]
    async with bgjobs.run(app.config(queues=queues)) as bg:
        await app.recorder.wait_for(QueueStarted, 2)
        await bg.enqueue(log.log.request("ok"))
        await bg.enqueue(log.failing.request())
        with pytest.raises(NoWorkerForJobError):
            await bg.enqueue(log.sync.request("unknown"))
        await bg.drain()
    counted: tuple[type[Event], ...] = (
        JobEnqueued, JobReserved, JobStarted, JobSucceeded, JobAttemptFailed, JobFailed,
        NoWorkerForJob, QueueStarted,
    )  # fmt: skip
    # A retry is reserved again, unlike in bg_jobs, where it keeps its slot: 5 reservations.
    assert Counter(app.recorder.names(*counted)) == {
        "JobEnqueued": 2,
        "JobReserved": 5,
        "JobStarted": 5,
        "JobSucceeded": 1,
        "JobAttemptFailed": 3,
        "JobFailed": 1,
        "NoWorkerForJob": 1,
        "QueueStarted": 2,
    }


@virtual_time
async def test_a_delayed_job_runs_exactly_when_it_is_due(virtual_app: Harness) -> None:
    clock = virtual_app.settings["clock"]
    ran = []

    @bgjobs.worker
    async def note(name: str) -> None:
        ran.append((name, (clock.now() - clock.start).total_seconds()))

    async with bgjobs.run(virtual_app.config(note, queue={"poll_interval": 3600})) as bg:
        start = clock.now()
        await bg.enqueue(note.request("later").available_in(days=2, seconds=1))
        await bg.enqueue(note.request("soon").available_in(seconds=0.25))
        await bg.enqueue(note.request("at").available_at(start.replace(hour=12)))
        await bg.drain(with_delayed=True)
    assert ran == [("soon", 0.25), ("at", 12 * 3600.0), ("later", 172_801.0)]


async def test_jobs_of_the_caller_s_transaction_are_found_without_a_poll(
    app: Harness, log: Log
) -> None:
    """The commit of another connection wakes the queue; its next poll is an hour away."""
    async with bgjobs.run(app.config(log.log, queue={"poll_interval": 3600})) as bg:
        await app.recorder.wait_for(QueueStarted)
        await bg.enqueue(log.log.request("own"))
        await app.recorder.wait_for(JobSucceeded, 1)
        connection = app.database.connect()
        with connection:
            app.database.store().enqueue_in(connection, [log.log.request("another's")])
        connection.close()
        await app.recorder.wait_for(JobSucceeded, 2)
    assert log.lines == ["own", "another's"]


async def test_priority_goes_before_age(app: Harness, log: Log) -> None:
    config = app.config(log.log, queue={"concurrency": 1})
    async with bgjobs.run(config) as bg:
        bg.queue("default").pause()
        await bg.enqueue(log.log.request("normal"))
        await bg.enqueue(log.log.request("later").priority(5))
        await bg.enqueue(log.log.request("first").priority(-5))
        bg.queue("default").resume()
        await bg.drain()
    assert log.lines == ["first", "normal", "later"]


async def test_a_unique_job_is_stored_once_while_it_lives(app: Harness, log: Log) -> None:
    async with bgjobs.run(app.config(log.log)) as bg:
        bg.queue("default").pause()
        first = await bg.enqueue(log.log.request("one").unique("k"))
        second = await bg.enqueue(log.log.request("two").unique("k"))
        assert second == first
        bg.queue("default").resume()
        await bg.drain()
        third = await bg.enqueue(log.log.request("three").unique("k"))
        assert third.id != first.id
        await bg.drain()
    assert log.lines == ["one", "three"]
    assert len(app.recorder.of(JobEnqueued)) == 2


async def test_discard_fails_at_once_and_snooze_spends_no_attempt(app: Harness) -> None:
    seen: list[int] = []

    @bgjobs.worker
    async def discarding() -> None:
        raise bgjobs.Discard("not wanted any more")

    @bgjobs.worker
    async def snoozing(context: bgjobs.JobContext) -> None:
        seen.append(context.attempt)
        if len(seen) < 3:
            raise bgjobs.Snooze(for_=0)

    async with bgjobs.run(app.config(discarding, snoozing)) as bg:
        await bg.enqueue(discarding.request())
        await bg.enqueue(snoozing.request())
        await bg.drain()
        (failed,) = await bg.list(bgjobs.JobFilter("failed"))
        (succeeded,) = await bg.list(bgjobs.JobFilter("succeeded"))
    assert (failed.error, failed.attempts) == ("not wanted any more", 0)
    assert (seen, succeeded.attempts, succeeded.reservations) == ([1, 1, 1], 0, 3)
    assert Counter(app.recorder.names())["JobDiscarded"] == 1
    assert Counter(app.recorder.names())["JobSnoozed"] == 2


async def test_two_applications_share_a_store(app: Harness, log: Log) -> None:
    second = Recorder()
    producing = bgjobs.Config(
        store=app.database.store(), enqueue_only=[log.log], listeners=[second]
    )
    async with (
        bgjobs.run(app.config(log.log)) as bg,
        bgjobs.run(producing) as producer,
    ):
        for number in range(20):
            await producer.enqueue(log.log.request(str(number)))
        await bg.drain()
        owners = {job.reserved_by for job in await bg.list(bgjobs.JobFilter("succeeded"))}
    assert sorted(log.lines, key=int) == [str(number) for number in range(20)]
    assert len(owners) == 1
    assert len(second.of(JobEnqueued)) == 20
    assert app.recorder.of(JobEnqueued) == []


@bgjobs.worker
async def short() -> None:
    await anyio.lowlevel.checkpoint()


async def test_a_paused_queue_starts_no_jobs_until_it_is_resumed(app: Harness) -> None:
    async with bgjobs.run(app.config(short)) as bg:
        await app.recorder.wait_for(QueueStarted)
        bg.queue("default").pause()
        bg.queue("default").pause()
        await bg.enqueue(short.request())
        assert bg.queue("default").paused
        bg.queue("default").resume()
        await app.recorder.wait_for(JobSucceeded)
    names = app.recorder.names()
    assert names.count("QueuePaused") == names.count("QueueResumed") == 1
    assert names.index("QueueResumed") < names.index("JobStarted")
