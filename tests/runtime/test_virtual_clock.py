"""The virtual clock: waits end at once, and all clocks show the same time."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.clock import SystemClock
from bgjobs.errors import NaiveDatetimeError
from bgjobs.events import JobAttemptFailed, JobStarted, JobSucceeded
from bgjobs.testing import VirtualClock
from tests.runtime.conftest import Harness, virtual_time

pytestmark = pytest.mark.anyio

DAY = 86_400.0
HOURLY: dict[str, Any] = {"poll_interval": 3600}
"""The default of 2 s would take long: every poll of the store ends a jump of the clock."""


@virtual_time
async def test_a_year_passes_at_once() -> None:
    clock, started = VirtualClock(), time.monotonic()
    assert clock.now() == clock.start == datetime(2030, 1, 1, tzinfo=UTC)
    await anyio.sleep(365 * DAY)
    assert clock.now() == datetime(2031, 1, 1, tzinfo=UTC)
    assert time.monotonic() - started < 365 * DAY


@virtual_time
async def test_the_clocks_agree() -> None:
    clock = VirtualClock(datetime(2040, 2, 28, tzinfo=UTC))
    zero = clock.monotonic()
    for _ in range(5):
        assert clock.now() == clock.store_now()
        assert (clock.now() - clock.start).total_seconds() == clock.monotonic() - zero
        assert clock.monotonic() == anyio.current_time()
        await anyio.sleep(DAY)
    assert clock.now() == datetime(2040, 3, 4, tzinfo=UTC)


@virtual_time
async def test_time_stands_still_while_anything_can_run() -> None:
    clock = VirtualClock()
    before = clock.now()
    for _ in range(1000):
        await anyio.lowlevel.checkpoint()
    assert clock.now() == before


@virtual_time
async def test_each_clock_begins_when_it_is_first_asked() -> None:
    early, late = VirtualClock(), VirtualClock()
    assert early.now() == early.start
    await anyio.sleep(DAY)
    assert late.now() == late.start
    assert early.now() == early.start + timedelta(days=1)


async def test_it_follows_an_event_loop_in_real_time_too() -> None:
    clock = VirtualClock()
    first = clock.now()
    assert clock.inline
    assert first <= clock.now() < first + timedelta(hours=1)


async def test_the_system_clock_leaves_the_store_its_own_time() -> None:
    clock = SystemClock()
    assert not clock.inline
    assert clock.store_now() is None
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


@virtual_time
async def test_what_is_stored_has_the_virtual_instants(virtual_app: Harness) -> None:
    clock = virtual_app.settings["clock"]

    @bgjobs.worker
    async def slow() -> None:
        await anyio.sleep(DAY)

    async with bgjobs.run(virtual_app.config(slow, queue=HOURLY)) as bg:
        created = clock.now()
        job = await bg.enqueue(slow.request().available_in(days=30))
        await bg.drain(with_delayed=True)
        (done,) = await bg.list(bgjobs.JobFilter("succeeded"))
    assert job.created_at == created
    assert job.available_at == created + timedelta(days=30)
    assert done.reserved_at == job.available_at
    assert done.succeeded_at == job.available_at + timedelta(days=1)
    assert [event.seconds for event in virtual_app.recorder.of(JobSucceeded)] == [DAY]


@virtual_time
async def test_retries_wait_exactly_for_their_backoff(virtual_app: Harness) -> None:
    clock = virtual_app.settings["clock"]
    ran: list[float] = []

    @bgjobs.worker
    async def shaky() -> None:
        ran.append((clock.now() - clock.start).total_seconds())
        if len(ran) < 4:
            raise ConnectionError("reset")

    queue: dict[str, Any] = {**HOURLY, "backoff": lambda attempt: DAY * 2 ** (attempt - 1)}
    async with bgjobs.run(virtual_app.config(shaky, queue=queue)) as bg:
        await bg.enqueue(shaky.request())
        await bg.drain(with_delayed=True)
    assert ran == [0.0, DAY, 3 * DAY, 7 * DAY]
    waits = [event.retry_in for event in virtual_app.recorder.of(JobAttemptFailed)]
    assert waits == [timedelta(days=1), timedelta(days=2), timedelta(days=4)]


@virtual_time
async def test_a_timeout_passes_at_once(virtual_app: Harness) -> None:
    clock = virtual_app.settings["clock"]
    deadlines = []

    @bgjobs.worker(timeout=timedelta(days=1))
    async def stuck(context: bgjobs.JobContext) -> None:
        deadlines.append(context.deadline)
        await anyio.sleep_forever()

    async with bgjobs.run(virtual_app.config(stuck, queue={**HOURLY, "max_retries": 0})) as bg:
        begun = clock.now()
        await bg.enqueue(stuck.request())
        await bg.drain()
        (failed,) = await bg.list(bgjobs.JobFilter("failed"))
    assert deadlines == [begun + timedelta(days=1)]
    assert failed.failed_at == begun + timedelta(days=1)
    assert failed.error == "TimeoutError: timed out after 86400 seconds"


@virtual_time
async def test_the_same_program_gives_the_same_times_twice(virtual_app: Harness) -> None:
    """Only waits make time pass, so two runs can be compared to the second."""

    @bgjobs.worker
    async def nap(seconds: float) -> None:
        await anyio.sleep(seconds)

    async def live() -> list[float]:
        virtual_app.recorder.events.clear()
        clock = VirtualClock()
        config = virtual_app.config(nap, queue={**HOURLY, "concurrency": 2}, clock=clock)
        times: list[float] = []
        async with bgjobs.run(config) as bg, bg.events() as events:
            zero = anyio.current_time()
            await bg.enqueue_many([nap.request(one) for one in (60.0, 10.0, 600.0, 1.0)])
            async for event in events:
                if isinstance(event, JobStarted | JobSucceeded):
                    times.append(anyio.current_time() - zero)
                if len(times) == 8:
                    break
        return times

    assert await live() == await live() == [0.0, 0.0, 10.0, 10.0, 60.0, 60.0, 61.0, 610.0]


@pytest.mark.parametrize("start", ["x", 5, None])
async def test_the_start_of_the_clock_is_a_datetime(start: Any) -> None:
    found = type(start).__name__
    with pytest.raises(TypeError) as caught:
        VirtualClock(start)
    expected = "VirtualClock: start: expected a datetime with a time zone"
    assert str(caught.value) == f"{expected}, found {found}"


async def test_the_start_of_the_clock_has_a_time_zone() -> None:
    with pytest.raises(NaiveDatetimeError, match=r"^VirtualClock: start: expected a datetime"):
        VirtualClock(datetime(2030, 1, 1))  # noqa: DTZ001 - the wrong value
