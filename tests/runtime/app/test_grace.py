"""In its grace, a handler may call every method of `BgJobs` and `Admin`."""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.from_thread
import pytest
from attrs import evolve

import bgjobs
from bgjobs.errors import NotRunningError
from bgjobs.events import JobStarted, JobSucceeded, QueueStopped
from bgjobs.schedules import every
from bgjobs.testing import drain
from tests.fixtures.listings import unreserved, unreserved_in
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


Use = Callable[[bgjobs.BgJobs], Awaitable[object]]


NIGHTLY = every(hours=24)


@bgjobs.worker
async def other(number: int) -> None: ...


@bgjobs.worker
async def tick() -> None: ...


class Application:
    """An application with a handler that waits for `go_on` and then calls `use`."""

    def __init__(self, app: Harness, use: Use, **settings: Any) -> None:
        self.app = app
        self.go_on = anyio.Event()
        self.answers: list[object] = []

        @bgjobs.worker
        async def user() -> None:
            await self.go_on.wait()
            self.answers.append(await use(self.bg))

        self.user = user
        queue = {"max_retries": 0, "concurrency": 2, "poll_interval": 0.05}
        job = bgjobs.ScheduledJob(tick, NIGHTLY)
        self.config = app.config(
            user, queue=queue, enqueue_only=[other], scheduled_jobs=[job], **settings
        )

    async def begin(self, bg: bgjobs.BgJobs) -> None:
        self.bg = bg
        self.job = await bg.enqueue(self.user.request())
        await self.app.recorder.wait_for(JobStarted)

    def found(self) -> Any:
        """Return the job of the handler as it is stored."""
        store = self.app.open_store()
        try:
            return store.find(self.job.id)
        finally:
            store.close()


async def page_of(lines: Any) -> list[str]:
    return [line async for line in lines]


async def first_event(bg: bgjobs.BgJobs) -> object:
    async with bg.events() as events:
        await bg.enqueue(other.request(1))
        async for event in events:
            return event
    raise AssertionError("no event")


async def end_of_other(bg: bgjobs.BgJobs) -> object:
    """Wait for the end of a job that an operator cancels."""
    job = await bg.enqueue(other.request(1))
    await bg.admin.cancel(job.id, reason="enough")
    return await bg.wait_for(job)


async def one_more(bg: bgjobs.BgJobs) -> object:
    return await bg.find((await bg.enqueue(other.request(1))).id)


async def timeline_of_one_more(bg: bgjobs.BgJobs) -> object:
    return await bg.timeline(await bg.enqueue(other.request(1)))


WAITING = bgjobs.JobFilter("waiting", name="other")


async def one_tree(bg: bgjobs.BgJobs) -> None:
    assert (await bg.tree(await bg.enqueue(other.request(1)))).children == ()


async def one_nursery(bg: bgjobs.BgJobs) -> None:
    async with bg.open_nursery():
        pass


USES: dict[str, Use] = {
    "enqueue": lambda bg: bg.enqueue(other.request(1)),
    "enqueue_many": lambda bg: bg.enqueue_many([other.request(1), other.request(2)]),
    "find": one_more,
    "tree": one_tree,
    "open_nursery": one_nursery,
    "enqueued": unreserved,
    "running": lambda bg: bg.list(bgjobs.JobFilter("running")),
    "succeeded": lambda bg: bg.list(bgjobs.JobFilter("succeeded")),
    "failed": lambda bg: bg.list(bgjobs.JobFilter("failed")),
    "count": lambda bg: bg.count(),
    "count_matching": lambda bg: bg.count_matching(WAITING),
    "next_due": lambda bg: bg.next_due(),
    "drain": lambda bg: bg.drain(),
    "drain of the testing kit": drain,
    "wait_for": end_of_other,
    "events": first_event,
    "remove_scheduled_job": lambda bg: bg.remove_scheduled_job("tick"),
    "trigger": lambda bg: bg.scheduled_job("tick").trigger(),
    "pause": lambda bg: bg.scheduled_job("tick").pause(),
    "cancelled": lambda bg: bg.list(bgjobs.JobFilter("cancelled")),
    "timeline": timeline_of_one_more,
    "admin.enqueue": lambda bg: bg.admin.enqueue(other.request(1)),
    "admin.retry_all": lambda bg: bg.admin.retry_all(bgjobs.JobFilter("failed")),
    "admin.cancel_all": lambda bg: bg.admin.cancel_all(WAITING, reason="x"),
    "admin.pause_queue": lambda bg: bg.admin.pause_queue("default"),
    "admin.resume_queue": lambda bg: bg.admin.resume_queue("default"),
    "admin.paused_queues": lambda bg: bg.admin.paused_queues(),
    "admin.owners": lambda bg: bg.admin.owners(),
    "admin.export_failed": lambda bg: page_of(bg.admin.export_failed()),
    "admin.import_failed": lambda bg: bg.admin.import_failed([]),
    "admin.schedules": lambda bg: bg.admin.schedules(),
    "admin.schedule": lambda bg: bg.admin.schedule("tick").occurrence(),
    "admin.diagnose": lambda bg: bg.admin.diagnose(),
    "admin.unhandled": lambda bg: bg.admin.unhandled(),
    "admin.find_ids": lambda bg: bg.admin.find_ids("01"),
    "admin.schema": lambda bg: bg.admin.schema(),
}


async def add_scheduled_job(bg: bgjobs.BgJobs) -> object:
    return await bg.add_scheduled_job(bgjobs.ScheduledJob(tick, NIGHTLY, name="late"))


@pytest.mark.parametrize("use", USES)
async def test_a_handler_in_its_grace_may_use_every_method(app: Harness, use: str) -> None:
    running = Application(app, USES[use])
    async with bgjobs.run(running.config) as bg:
        await running.begin(bg)
        bg.stop()
        running.go_on.set()
    done = running.found()
    assert isinstance(done, bgjobs.SucceededJob), done
    assert (done.attempts, done.interruptions, done.reservations) == (0, 0, 1)
    assert len(running.answers) == 1


async def by_its_end(bg: bgjobs.BgJobs) -> None: ...


async def by_stopping(bg: bgjobs.BgJobs) -> None:
    bg.stop()


async def by_a_signal(bg: bgjobs.BgJobs) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(bg.run_until_stopped)
        await anyio.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("stop", [by_its_end, by_stopping, by_a_signal])
async def test_jobs_enqueued_in_the_grace_are_stored_however_the_application_stops(
    app: Harness, stop: Callable[[bgjobs.BgJobs], Awaitable[None]]
) -> None:
    """The handler continues when the idle queue has ended and only handlers run."""
    running = Application(app, lambda bg: bg.enqueue(other.request(7)))

    def listen(event: object) -> None:
        if isinstance(event, QueueStopped) and event.queue == "tick":
            running.go_on.set()

    config = evolve(running.config, listeners=[app.recorder, listen])
    async with bgjobs.run(config) as bg:
        await running.begin(bg)
        await app.recorder.wait_for(bgjobs.events.QueueStarted, 2)
        await stop(bg)
    assert isinstance(running.found(), bgjobs.SucceededJob)
    with app.opened() as store:
        [waiting] = unreserved_in(store, "other")
    assert waiting.payload == '{"number":7}'


async def test_the_workers_of_queues_that_have_ended_are_known_in_the_grace(
    sqlite_app: Harness,
) -> None:
    """No configuration has the worker of a scheduled job added at run time."""

    @bgjobs.worker
    async def added() -> None: ...

    running = Application(sqlite_app, lambda bg: bg.enqueue(added.request()))

    def listen(event: object) -> None:
        if isinstance(event, QueueStopped) and event.queue == "added":
            running.go_on.set()

    config = evolve(running.config, listeners=[sqlite_app.recorder, listen])
    async with bgjobs.run(config) as bg:
        await running.begin(bg)
        await bg.add_scheduled_job(bgjobs.ScheduledJob(added, NIGHTLY))
        await sqlite_app.recorder.wait_for(bgjobs.events.QueueStarted, 3)
    assert isinstance(running.found(), bgjobs.SucceededJob)


@pytest.mark.parametrize("how", ["grace", "cancelled", "raised"])
async def test_a_shielded_cleanup_of_a_cancelled_handler_may_enqueue(
    app: Harness, how: str
) -> None:
    """Even if there is no grace, because the block was cancelled or has raised."""
    cleaned: list[object] = []

    @bgjobs.worker
    async def tidy() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                cleaned.append(await bg.enqueue(other.request(7)))
                cleaned.append(await bg.count())
                cleaned.append(await bg.drain())

    config = app.config(tidy, enqueue_only=[other], grace=0)
    with anyio.CancelScope() as scope:
        try:
            async with bgjobs.run(config) as bg:
                job = await bg.enqueue(tidy.request())
                await app.recorder.wait_for(JobStarted)
                if how == "cancelled":
                    scope.cancel()
                    await anyio.sleep_forever()
                if how == "raised":
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    assert len(cleaned) == 3
    assert cleaned[-1] is False
    with app.opened() as store:
        found = store.find(job.id)
        assert len(unreserved_in(store, "other")) == 1
    assert isinstance(found, bgjobs.Job)
    assert (found.attempts, found.interruptions, found.reserved_by) == (0, 1, None)


async def test_a_plain_handler_may_enqueue_in_its_grace(app: Harness) -> None:
    stopping = anyio.Event()

    @bgjobs.worker
    def plain() -> None:
        anyio.from_thread.run(stopping.wait)
        anyio.from_thread.run(bg.enqueue, other.request(7))

    config = app.config(plain, enqueue_only=[other], queue={"max_retries": 0})
    async with bgjobs.run(config) as bg:
        await bg.enqueue(plain.request())
        await app.recorder.wait_for(JobStarted)
        bg.stop()
        stopping.set()
    assert len(app.recorder.of(JobSucceeded)) == 1


async def test_drain_in_a_handler_returns_as_soon_as_the_application_stops(
    app: Harness,
) -> None:
    """It would wait for its own job."""
    drained = []

    @bgjobs.worker
    async def waiting() -> None:
        drained.append(await bg.drain())

    async with bgjobs.run(app.config(waiting, grace=3600)) as bg:
        await bg.enqueue(waiting.request())
        await app.recorder.wait_for(JobStarted)
    assert drained == [False]
    assert len(app.recorder.of(JobSucceeded)) == 1


async def test_a_handler_that_adds_a_scheduled_job_too_late_spends_no_attempt(
    app: Harness,
) -> None:
    running = Application(app, add_scheduled_job)
    async with bgjobs.run(running.config) as bg:
        await running.begin(bg)
        bg.stop()
        with pytest.raises(NotRunningError):
            await add_scheduled_job(bg)
        running.go_on.set()
    found = running.found()
    assert isinstance(found, bgjobs.Job)
    assert (found.attempts, found.interruptions, found.reserved_by) == (0, 1, None)


async def test_using_a_removed_scheduled_job_in_the_grace_fails_the_job(
    sqlite_app: Harness,
) -> None:
    async def use(bg: bgjobs.BgJobs) -> object:
        control = bg.scheduled_job("tick")
        await bg.remove_scheduled_job("tick")
        return await control.trigger()

    running = Application(sqlite_app, use)
    async with bgjobs.run(running.config) as bg:
        await running.begin(bg)
        bg.stop()
        running.go_on.set()
    found = running.found()
    assert isinstance(found, bgjobs.FailedJob)
    assert found.error.startswith("NotRunningError: scheduled job 'tick' was removed")


@pytest.mark.parametrize("use", [*USES.values(), add_scheduled_job], ids=[*USES, "add"])
async def test_after_the_last_handler_every_method_raises_not_running(
    sqlite_app: Harness, use: Use
) -> None:
    """No call waits for the closed store."""
    config = sqlite_app.config(
        other, scheduled_jobs=[bgjobs.ScheduledJob(tick, NIGHTLY)], queue={"concurrency": 1}
    )
    async with bgjobs.run(config) as bg:
        pass
    with anyio.fail_after(30), pytest.raises(NotRunningError):
        await use(bg)


async def test_wait_for_outside_the_block_raises_once_the_application_has_stopped(
    sqlite_app: Harness,
) -> None:
    async def wait(bg: bgjobs.BgJobs, job: bgjobs.Job) -> None:
        with pytest.raises(NotRunningError):
            await bg.wait_for(job)

    async with anyio.create_task_group() as outside:
        async with bgjobs.run(sqlite_app.config(other)) as bg:
            later = await bg.enqueue(other.request(1).available_in(days=1))
            outside.start_soon(wait, bg, later)
            await anyio.wait_all_tasks_blocked()
        bg.stop()  # allowed after the end


def test_the_calls_of_this_file_cover_every_method() -> None:
    """A new method has to be added to `USES`."""

    def methods(of: type) -> set[str]:
        return {name for name in vars(of) if not name.startswith("_")}

    named = {*USES, add_scheduled_job.__name__}
    switches = {"stop", "wait_stopping", "run_until_stopped", "stop_on_signals"}
    looked_up = {"queue", "queues", "scheduled_job", "scheduled_jobs", "admin", "health"}
    assert methods(bgjobs.BgJobs) - switches - looked_up <= named
