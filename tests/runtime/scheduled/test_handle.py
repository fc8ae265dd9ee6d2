"""Adding, pausing, replacing, triggering and removing scheduled jobs while they run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import every, schedule
from bgjobs._core.recurrence import PARKED_UNTIL
from bgjobs._runtime.scheduled.handle import ScheduledJobControl
from bgjobs.errors import ConfigError, NotRunningError, UnknownNameError
from bgjobs.events import (
    ChildCrashed,
    Event,
    JobStarted,
    JobSucceeded,
    MonitorFailed,
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
    ScheduledJobPaused,
    ScheduledJobRemoved,
)
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.scheduled.conftest import RARELY, application
from tests.runtime.scheduled.hourly import DAY, HOUR, HOURLY, START, job, standing, tick

pytestmark = pytest.mark.anyio

TOLD = (
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
    ScheduledJobPaused,
    ScheduledJobRemoved,
    JobSucceeded,
)


def ticking(when: bgjobs.Schedule = HOURLY, **more: Any) -> bgjobs.ScheduledJob:
    return bgjobs.ScheduledJob(tick, when, **{"poll_interval": RARELY, **more})


@asynccontextmanager
async def running(
    app: Harness, *jobs: bgjobs.ScheduledJob, **more: Any
) -> AsyncIterator[bgjobs.BgJobs]:
    queue = bgjobs.Queue("default", workers=[idle], poll_interval=RARELY)
    settings: dict[str, Any] = {"queues": [queue], "scheduled_jobs": jobs, **more}
    async with bgjobs.run(app.config(**settings)) as bg:
        yield bg


@bgjobs.worker
async def idle() -> None: ...


async def planned_at(control: ScheduledJobControl) -> datetime | None:
    occurrence = await control.occurrence()
    return None if occurrence is None or occurrence.paused else occurrence.at


@virtual_time
async def test_a_scheduled_job_is_looked_up_by_its_name(virtual_app: Harness) -> None:
    async with running(virtual_app, ticking(), ticking(name="twin")) as bg:
        assert [control.name for control in bg.scheduled_jobs] == ["tick", "twin"]
        assert bg.scheduled_job("twin").config.schedule == HOURLY
        with pytest.raises(UnknownNameError) as caught:
            bg.scheduled_job("twim")
    assert str(caught.value) == (
        "no scheduled job 'twim'; known scheduled jobs: 'tick', 'twin', did you mean 'twin'?"
    )


@virtual_time
async def test_a_paused_job_is_not_run_and_missed_runs_are_not_made_up(
    virtual_app: Harness,
) -> None:
    async with running(virtual_app, ticking()) as bg:
        control = bg.scheduled_job("tick")
        await anyio.sleep(1)
        await control.pause()
        assert await planned_at(control) is None
        (parked,) = await unreserved(bg, "tick")
        assert parked.available_at == PARKED_UNTIL
        await anyio.sleep(5 * 3600)
        assert virtual_app.recorder.of(JobStarted) == []
        await control.resume()
        assert await planned_at(control) == START + 6 * HOUR
        await anyio.sleep(3600)
    assert virtual_app.recorder.names(*TOLD) == [
        "OccurrencePlanned",
        "ScheduledJobPaused",
        "OccurrenceReplanned",
        "JobSucceeded",
        "OccurrencePlanned",
    ]


@virtual_time
async def test_a_pause_survives_a_restart(virtual_app: Harness) -> None:
    async with running(virtual_app, ticking()) as bg:
        await bg.scheduled_job("tick").pause()
    async with running(virtual_app, ticking(schedule().on_minute(30).build())) as bg:
        await anyio.sleep(5 * 3600)
        assert await planned_at(bg.scheduled_job("tick")) is None
        await bg.scheduled_job("tick").resume()
        assert await planned_at(bg.scheduled_job("tick")) == START + 5 * HOUR + HOUR / 2
    assert virtual_app.recorder.of(JobStarted) == []


@virtual_time
async def test_pausing_during_a_run_in_this_process_does_not_cancel_it(
    virtual_app: Harness,
) -> None:
    @bgjobs.worker
    async def long() -> None:
        await anyio.sleep(1800)

    job = bgjobs.ScheduledJob(long, HOURLY, poll_interval=RARELY)
    async with running(virtual_app, job) as bg:
        control = bg.scheduled_job("long")
        await anyio.sleep(3600 + 60)
        await control.pause()
        assert virtual_app.recorder.of(JobSucceeded) == []
        await anyio.sleep(DAY.total_seconds())
        assert len(virtual_app.recorder.of(JobSucceeded)) == 1
        assert await planned_at(control) is None
        await control.resume()
        assert await planned_at(control) == START + DAY + 2 * HOUR


@virtual_time
async def test_a_handler_may_pause_and_remove_its_own_scheduled_job(
    virtual_app: Harness,
) -> None:
    runs: list[str] = []

    @bgjobs.worker
    async def once() -> None:
        runs.append("once")
        await applications[0].remove_scheduled_job("once")

    @bgjobs.worker
    async def twice() -> None:
        runs.append("twice")
        if runs.count("twice") == 2:
            await applications[0].scheduled_job("twice").pause()

    jobs = [bgjobs.ScheduledJob(one, HOURLY, poll_interval=RARELY) for one in (once, twice)]
    applications: list[bgjobs.BgJobs] = []
    async with running(virtual_app, *jobs) as bg:
        applications.append(bg)
        await anyio.sleep(DAY.total_seconds())
        assert sorted(runs) == ["once", "twice", "twice"]
        assert await unreserved(bg, "once") == []
        assert [control.name for control in bg.scheduled_jobs] == ["twice"]


@virtual_time
async def test_another_schedule_takes_effect_at_once(virtual_app: Harness) -> None:
    async with running(virtual_app, ticking()) as bg:
        control = bg.scheduled_job("tick")
        await anyio.sleep(60)
        await control.replace(every(minutes=10))
        assert control.config.schedule == every(minutes=10)
        assert await planned_at(control) == START + timedelta(minutes=11)
        await anyio.sleep(15 * 60)
        assert len(virtual_app.recorder.of(JobSucceeded)) == 1
        assert await planned_at(control) == START + timedelta(minutes=21)


@virtual_time
async def test_triggering_adds_a_run_to_the_planned_one(virtual_app: Harness) -> None:
    async with running(virtual_app, ticking()) as bg:
        control = bg.scheduled_job("tick")
        await anyio.sleep(60)
        job = await control.trigger()
        assert (job.name, job.unique_key, job.occurrence) == ("tick", None, None)
        await bg.drain()
        assert [event.job.id for event in virtual_app.recorder.of(JobSucceeded)] == [job.id]
        assert await planned_at(control) == START + HOUR


@virtual_time
async def test_a_scheduled_job_can_be_added_and_removed_and_added_again(
    virtual_app: Harness,
) -> None:
    seen: list[str] = []

    async def listener(event: Event) -> None:
        seen.append(type(event).__name__)

    async with running(virtual_app) as bg:
        for day in range(3):
            control = await bg.add_scheduled_job(ticking(listeners=[listener]))
            assert await planned_at(control) == START + day * DAY + HOUR
            await bg.enqueue(tick.request())  # its worker is known now
            await anyio.sleep(3 * 3600 + 60)
            await bg.remove_scheduled_job("tick")
            assert await unreserved(bg, "tick") == []
            await anyio.sleep(21 * 3600 - 60)
        assert bg.scheduled_jobs == ()
        assert len(bg._worker.queues) == 1
        assert len(bg._services.wakeups._subscribed) == 1  # of the queue
        assert len(bg._services.wakeups._commands) == 1
        assert bg._services.bus.deliveries._mailboxes == []
    assert len(virtual_app.recorder.of(JobSucceeded)) == seen.count("JobSucceeded") == 12
    assert virtual_app.recorder.of(ChildCrashed) == []


@virtual_time
async def test_invalid_scheduled_jobs_cannot_be_added(virtual_app: Harness) -> None:
    @bgjobs.worker(name="tick")
    async def impostor() -> None: ...

    async with running(virtual_app, ticking()) as bg:
        with pytest.raises(ConfigError) as caught:
            await bg.add_scheduled_job(ticking(every(hours=2)))
        assert caught.value.problems == ("scheduled_jobs: two have the name 'tick'",)
        with pytest.raises(ConfigError) as caught:
            await bg.add_scheduled_job(bgjobs.ScheduledJob(impostor, HOURLY, name="other"))
        assert caught.value.problems == (
            "workers: two different handlers have the name 'tick'",
        )
        with pytest.raises(UnknownNameError):
            await bg.remove_scheduled_job("other")
        bg.stop()
        with pytest.raises(NotRunningError):
            await bg.add_scheduled_job(ticking(name="late"))


@virtual_time
async def test_an_application_without_queues_can_be_given_a_scheduled_job(
    virtual_app: Harness,
) -> None:
    config = virtual_app.config(queues=[], enqueue_only=[idle])
    async with bgjobs.run(config) as bg:
        await bg.add_scheduled_job(ticking())
        await anyio.sleep(3601)
    assert len(virtual_app.recorder.of(JobSucceeded)) == 1


@virtual_time
async def test_after_a_run_that_crashes_too_often_the_monitor_plans_the_next(
    virtual_app: Harness,
) -> None:
    class Poison(BaseException):
        pass

    @bgjobs.worker
    async def poisonous(context: bgjobs.JobContext) -> None:
        assert context.occurrence is not None
        if context.occurrence.at == START + HOUR:
            raise Poison

    job = bgjobs.ScheduledJob(poisonous, HOURLY, poll_interval=RARELY)
    limits = bgjobs.Limits(max_crashes=2)
    async with running(virtual_app, job, limits=limits) as bg:
        await anyio.sleep(2 * 3600 + 60)
        (failed,) = await bg.list(bgjobs.JobFilter("failed", name="poisonous"))
        (done,) = await bg.list(bgjobs.JobFilter("succeeded", name="poisonous"))
    assert failed.error == "its worker died 3 times while running it"
    assert done.occurrence is not None
    assert (done.occurrence.at, done.occurrence.previous) == (START + 2 * HOUR, START + HOUR)
    assert len(virtual_app.recorder.of(MonitorFailed)) == 1


async def test_two_applications_share_one_row_and_one_switch(app: Harness) -> None:
    """On both stores, in real time: one of them plans, and a pause by either holds for both."""
    job = bgjobs.ScheduledJob(tick, every(hours=1), poll_interval=0.05)
    first = app.config(queues=[], scheduled_jobs=[job])
    second = app.config(queues=[], scheduled_jobs=[job])
    async with bgjobs.run(first) as one, bgjobs.run(second) as other:
        await app.recorder.wait_for(OccurrencePlanned)
        assert len(await unreserved(one, "tick")) == 1
        await one.scheduled_job("tick").pause()
        occurrence = await other.scheduled_job("tick").occurrence()
        assert occurrence is not None
        assert occurrence.paused
        await other.scheduled_job("tick").replace(every(milliseconds=20))
        await other.scheduled_job("tick").resume()
        await app.recorder.wait_for(JobSucceeded, 5)
        await other.remove_scheduled_job("tick")
        with anyio.fail_after(30):
            while not await unreserved(one, "tick"):  # the first one plans it again
                await anyio.sleep(0.01)
        await one.remove_scheduled_job("tick")
        assert await unreserved(one, "tick") == await unreserved(other, "tick") == []


async def test_a_row_that_was_deleted_by_hand_is_planned_again(app: Harness) -> None:
    job = bgjobs.ScheduledJob(tick, every(hours=1), poll_interval=0.05)
    async with bgjobs.run(app.config(queues=[], scheduled_jobs=[job])) as bg:
        await app.recorder.wait_for(OccurrencePlanned)
        (waiting,) = await unreserved(bg, "tick")
        assert bg._services.store.replace(waiting, None)
        await app.recorder.wait_for(OccurrencePlanned, 2)
        assert len(await unreserved(bg, "tick")) == 1


async def test_a_change_waits_for_the_run_of_another_process(app: Harness) -> None:
    started, go_on = anyio.Event(), anyio.Event()

    @bgjobs.worker
    async def held() -> None:
        started.set()
        await go_on.wait()

    def config(poll: float) -> bgjobs.Config:
        job = bgjobs.ScheduledJob(held, every(milliseconds=50), poll_interval=poll)
        return app.config(queues=[], scheduled_jobs=[job])

    async with bgjobs.run(config(0.05)) as one:
        with anyio.fail_after(30):
            await started.wait()
        async with bgjobs.run(config(100)) as other, anyio.create_task_group() as tasks:
            tasks.start_soon(other.remove_scheduled_job, "held")
            await app.recorder.wait_for(JobStarted)
            assert len(await one.list(bgjobs.JobFilter("running"))) == 1
            go_on.set()
    assert app.recorder.names(ScheduledJobRemoved) == ["ScheduledJobRemoved"]


async def test_the_work_of_complete_with_and_the_next_run_are_one_transaction(
    app: Harness,
) -> None:
    names: list[str] = []

    @bgjobs.worker
    async def counting(context: bgjobs.JobContext) -> None:
        context.complete_with(lambda connection: names.append(type(connection).__name__))

    job = bgjobs.ScheduledJob(counting, every(milliseconds=10), poll_interval=0.05)
    async with bgjobs.run(app.config(queues=[], scheduled_jobs=[job])) as bg:
        await app.recorder.wait_for(JobSucceeded, 3)
        bg.stop()
    assert names[:3] == ["Connection"] * 3


@virtual_time
async def test_the_control_of_a_removed_job_does_not_affect_its_successor(
    virtual_app: Harness,
) -> None:
    async with bgjobs.run(application(virtual_app, job(tick))) as bg:
        old = bg.scheduled_job("tick")
        await bg.remove_scheduled_job("tick")
        await bg.add_scheduled_job(job(tick, every(hours=2)))
        for change in (old.pause, old.resume, old.trigger, old.occurrence):
            with pytest.raises(NotRunningError, match="scheduled job 'tick' was removed"):
                await change()
        with pytest.raises(NotRunningError):
            await old.replace(every(hours=3))
        assert await standing(bg, "tick") == bgjobs.Occurrence(
            recurrence=bg.scheduled_job("tick").config.recurrence, at=START + 2 * HOUR
        )
        new = bg.scheduled_job("tick")
    with pytest.raises(NotRunningError, match="this BgJobs or Client has ended"):
        await new.pause()
