"""Scheduled jobs while the store's clock is set forward or back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import every, schedule
from bgjobs._core.clock import SystemClock
from bgjobs.events import (
    JobStarted,
    JobSucceeded,
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
)
from bgjobs.testing import VirtualClock
from tests.runtime.conftest import Harness, virtual_time, virtual_time_on_both
from tests.runtime.scheduled.conftest import application

pytestmark = pytest.mark.anyio

START = datetime(2030, 1, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY, MONTH = timedelta(days=1), timedelta(days=30)
MINUTELY, SECONDLY = schedule().build(), schedule().every_second().build()
RARELY = 604_800.0


on_a_real_clock = pytest.mark.parametrize(
    ("anyio_backend", "database", "everywhere"),
    [
        pytest.param("trio", "sqlite", True, id="machine"),
        pytest.param("asyncio", "postgres", False, id="server"),
    ],
    indirect=["anyio_backend", "database"],
)
"""In real time, with threads; `tests.reliability.clock_jumps` tests all in virtual time."""


class SteppingClock:
    """A store's clock that can be set; with `everywhere` the process has the same clock."""

    inline = False

    def __init__(self, *, everywhere: bool) -> None:
        self.off = timedelta(0)
        self._everywhere = everywhere

    def now(self) -> datetime:
        return self.store_now() if self._everywhere else datetime.now(UTC)

    def store_now(self) -> datetime:
        return datetime.now(UTC) + self.off

    def monotonic(self) -> float:
        return SystemClock().monotonic()


@bgjobs.worker
async def tick() -> None: ...


@bgjobs.worker
async def short() -> None:
    await anyio.sleep(0.25)


def job(worker: Any, when: bgjobs.Schedule = MINUTELY, **more: Any) -> bgjobs.ScheduledJob:
    return bgjobs.ScheduledJob(worker, when, **{"poll_interval": 10, **more})


async def live_for(settings: bgjobs.Config, span: timedelta) -> None:
    async with bgjobs.run(settings):
        await anyio.sleep(span.total_seconds())


def served(app: Harness) -> list[datetime]:
    """Return the occurrences that were run, in order."""
    runs = [event.job.occurrence for event in app.recorder.of(JobSucceeded)]
    return [one.at for one in runs if one is not None]


def missed(app: Harness) -> list[tuple[datetime, int]]:
    return [(event.first, event.count) for event in app.recorder.of(OccurrencesMissed)]


@on_a_real_clock
async def test_after_a_step_forward_one_run_is_late_and_the_others_are_reported_as_missed(
    app: Harness, everywhere: bool
) -> None:
    clock = SteppingClock(everywhere=everywhere)
    async with bgjobs.run(application(app, job(short, SECONDLY), clock=clock)):
        await app.recorder.wait_for(JobSucceeded, 1)
        clock.off = timedelta(seconds=15)
        with anyio.fail_after(60):
            await app.recorder.wait_for(JobSucceeded, 4)
    runs = served(app)
    told = [first + number * SECOND for first, count in missed(app) for number in range(count)]
    jumps = [after - before for before, after in pairwise(runs)]
    assert sum(jump > 10 * SECOND for jump in jumps) == 1
    assert sorted(set(runs) | set(told)) == sorted([*runs, *told])
    between = int((runs[-1] - runs[0]) / SECOND) + 1
    assert len(runs) + sum(runs[0] < one < runs[-1] for one in told) == between


@virtual_time_on_both
async def test_a_step_forward_during_a_run_causes_no_burst_of_runs(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    settings = application(virtual_app, job(short, SECONDLY))
    async with bgjobs.run(settings):
        await anyio.sleep(2.1)
        clock.start += timedelta(seconds=15)
        await anyio.sleep(3)
    seconds = [(at - START) / SECOND for at in served(virtual_app)]
    assert seconds == [1, 2, 18, 19, 20]
    assert missed(virtual_app) == [(START + 3 * SECOND, 15)]


@virtual_time_on_both
async def test_a_step_forward_while_a_run_waits_causes_one_late_run(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    async with bgjobs.run(application(virtual_app, job(tick, poll_interval=1))):
        await anyio.sleep(90)
        clock.start += HOUR
        await anyio.sleep(60)
    minutes = [(at - START) / MINUTE for at in served(virtual_app)]
    assert minutes == [1, 2, 62]
    assert missed(virtual_app) == [(START + 3 * MINUTE, 59)]


@virtual_time
async def test_an_interval_is_counted_from_the_end_of_the_run_by_the_stores_clock(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    async with bgjobs.run(application(virtual_app, job(short, every(seconds=1)))):
        await anyio.sleep(1.1)
        clock.start += timedelta(seconds=15)
        await anyio.sleep(2.5)
    planned = [
        (event.at - START) / SECOND for event in virtual_app.recorder.of(OccurrencePlanned)
    ]
    assert planned == pytest.approx([1, 17.25, 18.5, 19.75], abs=0.01)
    assert len(served(virtual_app)) == 3


@virtual_time
@pytest.mark.parametrize(
    ("settings", "ran", "told"),
    [
        ({"catch_up": "never"}, [1, 13], [(2, 11)]),
        ({"catch_up": 3}, [1, 2, 3, 4, 5, 13], [(6, 7)]),
        ({"misfire_grace": 90}, [1, 11, 13], [(2, 9), (12, 1)]),
    ],
)
async def test_runs_missed_by_a_step_forward_are_treated_like_others(
    virtual_app: Harness,
    clock: VirtualClock,
    settings: dict[str, Any],
    ran: list[int],
    told: list[tuple[int, int]],
) -> None:
    async with bgjobs.run(application(virtual_app, job(tick, poll_interval=1, **settings))):
        await anyio.sleep(90)
        clock.start += timedelta(minutes=10, seconds=40)
        await anyio.sleep(65)
    assert [(at - START) / MINUTE for at in served(virtual_app)] == ran
    assert [((at - START) / MINUTE, count) for at, count in missed(virtual_app)] == told


@virtual_time
async def test_an_occurrence_at_the_instant_a_run_ends_is_reported_as_missed(
    virtual_app: Harness,
) -> None:
    @bgjobs.worker
    async def exact() -> None:
        await anyio.sleep(60)

    await live_for(application(virtual_app, job(exact)), timedelta(minutes=5, seconds=1))
    minutes = [(at - START) / MINUTE for at in served(virtual_app)]
    assert minutes == [1, 3]
    assert missed(virtual_app)[0] == (START + 2 * MINUTE, 1)


async def ahead_for_a_while(app: Harness, clock: VirtualClock, step: timedelta) -> None:
    """Run it with a clock that is ahead, then correct the clock."""
    clock.start += step
    await live_for(application(app, job(tick)), 3 * MINUTE + SECOND)
    clock.start -= step
    app.recorder.clear()


@virtual_time_on_both
async def test_a_clock_that_was_ahead_does_not_stop_a_schedule_that_starts_again(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    await ahead_for_a_while(virtual_app, clock, MONTH)
    await live_for(application(virtual_app, job(tick)), 3 * MINUTE)
    assert [(at - START) / MINUTE for at in served(virtual_app)] == [4, 5, 6]
    (told,) = virtual_app.recorder.of(OccurrenceReplanned)
    assert told == OccurrenceReplanned("tick", START + MONTH + 4 * MINUTE, START + 4 * MINUTE)
    runs = [event.job.occurrence for event in virtual_app.recorder.of(JobSucceeded)]
    assert [one and one.previous for one in runs[:2]] == [None, START + 4 * MINUTE]


@virtual_time
async def test_a_clock_that_was_ahead_does_not_stop_a_schedule_that_is_resumed(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    clock.start += MONTH
    settings = application(virtual_app, job(tick, poll_interval=RARELY))
    async with bgjobs.run(settings) as bg:
        await anyio.sleep(121)
        await bg.scheduled_job("tick").pause()
        clock.start -= MONTH
        await bg.scheduled_job("tick").resume()
        await anyio.sleep(120)
    assert [(at - START) / MINUTE for at in served(virtual_app)[2:]] == [3, 4]


@virtual_time_on_both
async def test_a_schedule_goes_on_when_the_clock_is_corrected_while_it_runs(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    """In two processes, of which only one moves the row."""
    clock.start += MONTH
    one, other = (application(virtual_app, job(tick)) for _ in range(2))
    async with bgjobs.run(one), bgjobs.run(other):
        await anyio.sleep(125)
        clock.start -= MONTH
        virtual_app.recorder.clear()
        await anyio.sleep(174)
    assert [(at - START) / MINUTE for at in served(virtual_app)] == [3, 4]
    assert len(virtual_app.recorder.of(OccurrenceReplanned)) == 1


@virtual_time
async def test_a_heartbeat_that_finds_the_clock_set_back_triggers_a_check_of_the_rows(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    clock.start += MONTH
    settings = application(virtual_app, job(tick, poll_interval=3000), lease=30)
    async with bgjobs.run(settings):
        await anyio.sleep(125)
        clock.start -= MONTH
        virtual_app.recorder.clear()
        await anyio.sleep(174)
    assert [(at - START) / MINUTE for at in served(virtual_app)] == [3, 4]


@on_a_real_clock
async def test_a_schedule_goes_on_when_the_clock_of_its_store_is_corrected(
    app: Harness, everywhere: bool
) -> None:
    clock = SteppingClock(everywhere=everywhere)
    clock.off = MONTH
    scheduled = job(tick, SECONDLY, poll_interval=1)
    async with bgjobs.run(application(app, scheduled, clock=clock, lease=3)):
        await app.recorder.wait_for(JobSucceeded, 2)
        clock.off = timedelta(0)
        with anyio.fail_after(60):
            await app.recorder.wait_for(OccurrenceReplanned)
            app.recorder.clear()
            await app.recorder.wait_for(JobSucceeded, 2)
    assert max(served(app)) <= datetime.now(UTC)


@virtual_time
async def test_a_clock_that_is_set_back_during_a_run_does_not_stop_its_schedule(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    clock.start += MONTH
    async with bgjobs.run(application(virtual_app, job(short, SECONDLY, poll_interval=RARELY))):
        await anyio.sleep(2.1)
        clock.start -= MONTH
        await anyio.sleep(3)
    assert [(at - START) / SECOND for at in served(virtual_app)[2:]] == [3, 4, 5]


@virtual_time
async def test_a_retry_that_waits_for_a_clock_that_was_ahead_is_abandoned(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    """Its backoff would end in a month; the occurrence is planned again."""
    fails = [True]

    @bgjobs.worker
    async def failing() -> None:
        if fails:
            fails.pop()
            raise ConnectionError("reset")

    clock.start += MONTH
    later = bgjobs.backoff.Constant(100)
    async with bgjobs.run(application(virtual_app, job(failing, backoff=later))):
        await anyio.sleep(61)
        clock.start -= MONTH
        await anyio.sleep(120)
    assert [(at - START) / MINUTE for at in served(virtual_app)] == [2, 3]


@bgjobs.worker
async def hour() -> None:
    await anyio.sleep(3600)


def failing_once() -> Any:
    fails = [True]

    @bgjobs.worker
    async def failing() -> None:
        await anyio.sleep(1)
        if fails:
            fails.pop()
            raise ConnectionError("reset")

    return failing


@virtual_time_on_both
@pytest.mark.parametrize("make", [lambda: hour, failing_once], ids=["interrupted", "retried"])
async def test_a_run_that_waits_for_a_clock_that_was_ahead_is_abandoned_by_the_next_start(
    virtual_app: Harness, clock: VirtualClock, make: Callable[[], Any]
) -> None:
    clock.start += MONTH
    scheduled = job(make(), backoff=bgjobs.backoff.Constant(100))
    async with bgjobs.run(application(virtual_app, scheduled, grace=0)):
        await anyio.sleep(90)
    clock.start -= MONTH
    virtual_app.recorder.clear()
    await live_for(application(virtual_app, scheduled), 2 * MINUTE)
    (told,) = virtual_app.recorder.of(OccurrenceReplanned)
    assert told.at == START + 2 * MINUTE
    (started, *_) = virtual_app.recorder.of(JobStarted)
    assert started.job.occurrence is not None
    assert started.job.occurrence.at == START + 2 * MINUTE


@virtual_time_on_both
async def test_a_retry_is_abandoned_if_the_clock_went_ahead_while_its_run_failed(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    backoff = bgjobs.backoff.Constant(100)
    scheduled = job(failing_once(), backoff=backoff, poll_interval=1)
    async with bgjobs.run(application(virtual_app, scheduled)):
        await anyio.sleep(60.5)
        clock.start += MONTH
        await anyio.sleep(1)
        clock.start -= MONTH
        await anyio.sleep(50)
    assert [(at - START) / MINUTE for at in served(virtual_app)] == [1]


@virtual_time
@pytest.mark.parametrize("restart", [False, True])
async def test_a_small_step_back_repeats_no_run(
    virtual_app: Harness, clock: VirtualClock, restart: bool
) -> None:
    """For example, a daily run is not repeated because the clock was ten minutes ahead."""
    daily = job(tick, schedule().at(0).build(), poll_interval=RARELY)
    clock.start = START + DAY - 5 * MINUTE
    settings = application(virtual_app, daily)
    await live_for(settings, 6 * MINUTE)
    clock.start -= 10 * MINUTE
    if restart:
        await live_for(settings, 2 * DAY)
    assert [(at - START) / DAY for at in served(virtual_app)] == ([1, 2] if restart else [1])
    assert virtual_app.recorder.of(OccurrenceReplanned) == []
