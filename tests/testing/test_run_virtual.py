"""`run_virtual`: the configuration of the user in virtual time."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import JobFilter, every
from bgjobs.errors import UnknownNameError
from bgjobs.events import JobStarted, JobSucceeded
from bgjobs.testing import (
    RealTimeError,
    Recorder,
    VirtualClock,
    assert_enqueued,
    drain,
    run_virtual,
    virtual_backend,
)
from tests.fixtures.databases import Database
from tests.testing.conftest import real_time

pytestmark = pytest.mark.anyio

DAY = 86_400.0


@bgjobs.worker
async def nap(seconds: float) -> None:
    await anyio.sleep(seconds)


def config(*workers: Any, path: Path | str = "not-there/app.db") -> bgjobs.Config:
    queue = bgjobs.Queue("default", workers=workers)
    return bgjobs.Config(store=bgjobs.SQLiteStore(path), queues=[queue])


async def test_days_pass_at_once() -> None:
    begun = time.monotonic()
    async with run_virtual(config(nap)) as bg:
        await bg.enqueue(nap.request(30 * DAY))
        await bg.enqueue(nap.request(1.0).available_in(days=20))
        await drain(bg, with_delayed=True)
        ended = sorted(job.succeeded_at for job in await bg.list(JobFilter("succeeded")))
    start = VirtualClock().start
    assert ended == [start + timedelta(days=20, seconds=1), start + timedelta(days=30)]
    assert time.monotonic() - begun < 30 * DAY


async def test_the_store_of_the_configuration_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "real.db"
    async with run_virtual(config(nap, path=path)) as bg:
        await bg.enqueue(nap.request(0.0))
        await drain(bg)
    assert not path.exists()


async def test_a_given_store_keeps_the_jobs(database: Database) -> None:
    store, start = database.store(), VirtualClock().start
    async with run_virtual(config(nap), store=store) as bg:
        job = await bg.enqueue(nap.request(60.0).available_in(days=3))
        await drain(bg, with_delayed=True)
    async with run_virtual(config(nap), store=store) as bg:
        done = await bg.find(job.id)
    assert isinstance(done, bgjobs.SucceededJob)
    assert done.succeeded_at == start + timedelta(days=3, minutes=1)


async def test_the_given_clock_and_listeners_are_used() -> None:
    clock, recorder = VirtualClock(datetime(2040, 2, 29, tzinfo=UTC)), Recorder()
    async with run_virtual(config(nap), clock=clock, listeners=[recorder]) as bg:
        job = await bg.enqueue(nap.request(60.0))
        await drain(bg)
    assert job.created_at == clock.start
    assert clock.now() == clock.start + timedelta(minutes=1)
    assert recorder.one(JobSucceeded, nap).seconds == 60.0


async def test_scheduled_jobs_keep_their_times() -> None:
    @bgjobs.worker
    def tick() -> None: ...

    clock, recorder = VirtualClock(), Recorder()
    job = bgjobs.ScheduledJob(tick, every(hours=6))
    settings = bgjobs.Config(store=bgjobs.SQLiteStore(":memory:"), scheduled_jobs=[job])
    async with run_virtual(settings, clock=clock, listeners=[recorder]):
        await anyio.sleep(DAY + 1)
    ended = recorder.of(JobSucceeded, tick)
    assert [event.job.reserved_at for event in ended] == [
        clock.start + timedelta(hours=hours) for hours in (6, 12, 18, 24)
    ]


async def test_scheduled_jobs_may_be_left_out() -> None:
    """A schedule of five seconds has 345,600 runs in twenty days."""

    @bgjobs.worker
    async def pulse() -> None: ...

    @bgjobs.worker
    async def remind() -> None: ...

    recorder = Recorder()
    settings = bgjobs.Config(
        store=bgjobs.SQLiteStore(":memory:"),
        queues=[bgjobs.Queue("mail", workers=[remind])],
        scheduled_jobs=[bgjobs.ScheduledJob(pulse, every(seconds=5))],
    )
    async with run_virtual(settings, listeners=[recorder], scheduled=False) as bg:
        await bg.enqueue(remind.request().available_in(days=20))
        drained = (await drain(bg, with_delayed=True)).check()
        assert drained.runs == 1
        assert await bg.list(JobFilter("delayed", name="pulse")) == []
        assert await bg.list(JobFilter("waiting", name="pulse")) == []
        await bg.enqueue(pulse.request())
        assert_enqueued(bg, pulse.request())
        with pytest.raises(UnknownNameError, match="no scheduled job 'pulse'"):
            bg.scheduled_job("pulse")
    assert recorder.of(JobStarted, pulse) == []


async def test_scheduled_is_a_flag() -> None:
    wrong: Any = "no"
    with pytest.raises(TypeError, match=r"scheduled: expected .*found"):
        async with run_virtual(config(nap), scheduled=wrong):
            pass


async def test_an_application_of_scheduled_jobs_alone_may_run_without_them() -> None:
    @bgjobs.worker
    async def pulse() -> None: ...

    settings = bgjobs.Config(
        store=bgjobs.SQLiteStore(":memory:"),
        scheduled_jobs=[bgjobs.ScheduledJob(pulse, every(seconds=5))],
    )
    async with run_virtual(settings, scheduled=False) as bg:
        assert bg.scheduled_jobs == ()


async def test_time_stands_still_while_plain_handlers_run() -> None:
    """Otherwise their timeouts, and all other timers, would be over at once."""
    both = threading.Barrier(2, timeout=30)

    @bgjobs.worker(timeout=60)
    def plain() -> None:
        both.wait()  # both must run at once
        time.sleep(0.05)

    @bgjobs.worker
    def brief() -> None: ...

    clock = VirtualClock()
    async with run_virtual(config(plain, brief), clock=clock) as bg:
        await bg.enqueue_many([plain.request(), plain.request(), brief.request()])
        drained = (await drain(bg)).check()
        assert len(drained.succeeded) == 3
        assert clock.now() == clock.start
        await anyio.sleep(DAY)  # time passes again afterwards
        assert clock.now() == clock.start + timedelta(days=1)


async def test_a_plain_handler_may_be_in_several_places() -> None:
    """To the checks of the configuration it is one handler, as before."""

    @bgjobs.worker
    def plain() -> None: ...

    first, second = (bgjobs.Queue(name, workers=[plain]) for name in ("first", "second"))
    settings = bgjobs.Config(
        store=bgjobs.SQLiteStore(":memory:"),
        queues=[first, second],
        scheduled_jobs=[bgjobs.ScheduledJob(plain, every(days=1))],
        enqueue_only=[plain],
    )
    async with run_virtual(settings) as bg:
        await bg.enqueue(plain.request())
        assert len((await drain(bg)).succeeded) == 1


@real_time
async def test_real_time_is_refused_with_the_alternatives() -> None:
    with pytest.raises(RealTimeError) as caught:
        async with run_virtual(config(nap)):
            pass
    text = str(caught.value)
    assert text.startswith("expected an event loop in virtual time, found ")
    for way in ("autojump_clock", "virtual_backend()", "MockClock", "VirtualEventLoop"):
        assert way in text


async def test_an_unknown_event_loop_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'trio' or 'asyncio', found 'curio'"):
        virtual_backend("curio")  # type: ignore[arg-type]  # untyped callers


async def test_the_configuration_is_checked() -> None:
    wrong: Any = nap
    with pytest.raises(
        TypeError, match=r"^run_virtual: expected a Config, found Worker 'nap'$"
    ):
        async with run_virtual(wrong):
            raise AssertionError("it must not start")
