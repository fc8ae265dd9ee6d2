"""Scheduled jobs that another process has added, operated through their rows."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import every
from bgjobs.errors import AmbiguousScheduleError, UnknownNameError
from bgjobs.events import (
    JobStarted,
    OccurrencePlanned,
    ScheduledJobPaused,
    ScheduledJobResumed,
)
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def tidy(days: int = 1) -> None: ...


@bgjobs.worker
async def send() -> None: ...


def daily(worker: Any, name: str, **more: Any) -> bgjobs.ScheduledJob:
    return bgjobs.ScheduledJob(worker, every(days=1), name=name, **more)


@asynccontextmanager
async def two(
    app: Harness, *jobs: bgjobs.ScheduledJob, queues: Any = ()
) -> AsyncGenerator[tuple[bgjobs.BgJobs, bgjobs.Admin]]:
    """Run scheduled jobs that were added, beside a client that knows neither worker."""
    config = app.config(queues=queues, enqueue_only=[tidy, send])
    beside = app.config(queues=[], scheduled_jobs=[daily(send, "mine")])
    async with bgjobs.run(config) as bg, bgjobs.connect(beside) as client:
        for job in jobs:
            await bg.add_scheduled_job(job)
        yield bg, client.admin


async def test_it_is_paused_and_resumed(app: Harness) -> None:
    async with two(app, daily(tidy, "a")) as (bg, admin):
        elsewhere, here = admin.schedule("a"), bg.scheduled_job("a")
        assert elsewhere.name == "a"
        planned = await here.occurrence()
        assert planned is not None
        assert await elsewhere.occurrence() == planned
        await elsewhere.pause()
        states = {one.name: one for one in await admin.schedules()}
        assert states["a"].paused
        assert not states["a"].is_configured
        paused = await here.occurrence()
        assert paused is not None
        assert paused.paused
        await elsewhere.resume()
        resumed = await here.occurrence()
        assert resumed is not None
        assert not resumed.paused
    assert [one.scheduled_job for one in app.recorder.of(ScheduledJobPaused)] == ["a"]
    assert [one.scheduled_job for one in app.recorder.of(ScheduledJobResumed)] == ["a"]


async def test_it_is_triggered_with_the_arguments_of_its_row(app: Harness) -> None:
    job = daily(tidy, "a", request=tidy.request(7).priority(3))
    async with two(app, job) as (bg, admin):
        extra = await admin.schedule("a").trigger()
        assert (extra.name, extra.payload, extra.priority) == ("tidy", '{"days":7}', 3)
        assert extra.occurrence is None
        with anyio.fail_after(30):
            assert isinstance(await bg.wait_for(extra), bgjobs.SucceededJob)
        assert (await bg.scheduled_job("a").occurrence()) is not None
    assert [one.job.id for one in app.recorder.of(JobStarted)] == [extra.id]


async def test_it_follows_another_schedule(app: Harness) -> None:
    async with two(app, daily(tidy, "a", catch_up=2)) as (bg, admin):
        await admin.schedule("a").replace(every(hours=1))
        occurrence = await bg.scheduled_job("a").occurrence()
        assert occurrence is not None
        assert occurrence.recurrence.schedule == every(hours=1).text
        assert occurrence.recurrence.catch_up == 2


async def test_the_change_waits_for_a_run_in_the_other_process(app: Harness) -> None:
    begun, go_on = anyio.Event(), anyio.Event()

    @bgjobs.worker
    async def long() -> None:
        begun.set()
        await go_on.wait()

    job = bgjobs.ScheduledJob(long, every(seconds=1), name="a")
    async with two(app, job) as (_, admin):
        await begun.wait()
        with anyio.move_on_after(1.0) as scope:
            await admin.schedule("a").pause()
        assert scope.cancelled_caught
        go_on.set()
        with anyio.fail_after(30):
            await admin.schedule("a").pause()
            occurrence = await admin.schedule("a").occurrence()
        assert occurrence is not None
        assert occurrence.paused


async def test_a_cancelled_change_is_not_made_later(app: Harness) -> None:
    begun, go_on = anyio.Event(), anyio.Event()

    @bgjobs.worker
    async def long() -> None:
        begun.set()
        await go_on.wait()

    job = bgjobs.ScheduledJob(long, every(days=1), name="a")
    async with two(app, job, queues=[bgjobs.Queue("q", workers=[long])]) as (bg, admin):
        run = await bg.scheduled_job("a").occurrence()
        assert run is not None
        with anyio.move_on_after(0):
            await admin.schedule("a").pause()
        occurrence = await admin.schedule("a").occurrence()
        assert occurrence is not None
        assert not occurrence.paused
        go_on.set()


async def test_an_unknown_name_lists_what_is_known(app: Harness) -> None:
    async with two(app, daily(tidy, "nightly")) as (_, admin):
        for call in ("pause", "resume", "trigger", "occurrence"):
            with pytest.raises(UnknownNameError) as caught:
                await getattr(admin.schedule("nightyl"), call)()
            assert str(caught.value) == (
                "no scheduled job 'nightyl'; known scheduled jobs: 'mine', 'nightly', "
                "did you mean 'nightly'?"
            )
            assert caught.value.known == ("mine", "nightly")
        with pytest.raises(UnknownNameError):
            await admin.schedule("nightyl").replace(every(days=1))


async def test_a_removed_one_is_unknown(app: Harness) -> None:
    async with two(app, daily(tidy, "a")) as (bg, admin):
        control = admin.schedule("a")
        await control.pause()
        await bg.remove_scheduled_job("a")
        with pytest.raises(UnknownNameError, match="no scheduled job 'a'"):
            await control.resume()
        assert await unreserved(bg) == []


async def test_a_name_of_two_workers_is_refused(app: Harness) -> None:
    one = app.config(queues=[], scheduled_jobs=[daily(tidy, "a")])
    other = app.config(queues=[], scheduled_jobs=[daily(send, "a")])
    neither = app.config(queues=[], enqueue_only=[tidy])
    async with bgjobs.run(one), bgjobs.run(other), bgjobs.connect(neither) as client:
        while len(app.recorder.of(OccurrencePlanned)) < 2:
            await anyio.sleep(0.01)
        with pytest.raises(AmbiguousScheduleError) as caught:
            await client.admin.schedule("a").pause()
        assert str(caught.value) == (
            "scheduled job 'a' exists for the workers send, tidy; use an application whose "
            "configuration has the one that you mean"
        )
        assert [state.paused for state in await client.admin.schedules()] == [False, False]
    async with bgjobs.connect(one) as client:
        await client.admin.schedule("a").pause()
        states = {state.worker: state.paused for state in await client.admin.schedules()}
        assert states == {"tidy": True, "send": False}
