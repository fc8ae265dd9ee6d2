"""Buffered events: async listeners and streams."""

from functools import partial
from typing import Any

import anyio
import anyio.abc
import pytest
import trio
from trio.testing import MockClock

import bgjobs
from bgjobs._runtime import bus as bus_module
from bgjobs._runtime.bus import DRAIN_TIMEOUT
from bgjobs.events import (
    Event,
    JobSucceeded,
    QueueStopped,
)
from bgjobs.testing import Recorder
from tests.runtime.bus.helpers import note, queue, run_one
from tests.runtime.conftest import Harness, virtual_time

pytestmark = pytest.mark.anyio


async def test_an_async_listener_receives_events_one_at_a_time_in_order(
    app: Harness,
) -> None:
    received: list[Event] = []
    busy = 0

    async def listener(event: Event) -> None:
        nonlocal busy
        busy += 1
        assert busy == 1
        await anyio.lowlevel.checkpoint()
        received.append(event)
        busy -= 1

    await run_one(app.config(note, listeners=[app.recorder, listener]))
    assert received == app.recorder.events


class Object:
    """A listener that is an object with an async `__call__`."""

    def __init__(self, received: list[Event]) -> None:
        self.received = received

    async def __call__(self, event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        self.received.append(event)

    async def method(self, event: Event) -> None:
        await self(event)


@pytest.mark.parametrize("kind", ["object", "method", "partial"])
async def test_every_kind_of_async_callable_is_awaited(sqlite_app: Harness, kind: str) -> None:
    listener = Object([])
    given: Any = {"object": listener, "method": listener.method}.get(kind)
    given = given or partial(Object.method, listener)
    await run_one(sqlite_app.config(note, listeners=[sqlite_app.recorder, given]))
    assert listener.received == sqlite_app.recorder.events


async def test_an_async_listener_of_a_queue_receives_its_last_event(app: Harness) -> None:
    """Events buffered when the application stops are still delivered."""
    received: list[str] = []
    stopped = anyio.Event()

    async def slow(event: Event) -> None:
        await stopped.wait()
        received.append(type(event).__name__)

    def watch(event: Event) -> None:
        if isinstance(event, QueueStopped):
            stopped.set()

    await run_one(app.config(queues=[queue("q", note, slow)], listeners=[watch]))
    assert received[0] == "QueueStarted"
    assert received[-1] == "QueueStopped"
    assert "JobSucceeded" in received


@virtual_time
async def test_a_listener_that_never_returns_delays_the_end_by_the_drain_timeout(
    virtual_app: Harness,
) -> None:
    async def stuck(event: Event) -> None:
        await anyio.sleep_forever()

    async with bgjobs.run(
        virtual_app.config(note, listeners=[stuck, virtual_app.recorder])
    ) as bg:
        await bg.enqueue(note.request("a"))
        await bg.drain()
        left = anyio.current_time()
    assert anyio.current_time() - left == DRAIN_TIMEOUT == 5.0
    assert len(virtual_app.recorder.of(JobSucceeded)) == 1


@virtual_time
async def test_a_cancelled_application_delivers_the_remaining_events(
    virtual_app: Harness,
) -> None:
    received: list[str] = []

    async def slow(event: Event) -> None:
        await anyio.sleep(0.01)
        received.append(type(event).__name__)

    with anyio.CancelScope() as scope:
        async with bgjobs.run(virtual_app.config(note, listeners=[slow])):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert received[-1] == "StoreResponded"


async def test_events_for_a_listener_that_is_too_slow_are_dropped_and_counted(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bus_module, "MAILBOX_SIZE", 3)
    go_on = anyio.Event()
    received: list[Event] = []

    async def slow(event: Event) -> None:
        await go_on.wait()
        received.append(event)

    config = sqlite_app.config(note, listeners=[sqlite_app.recorder, slow])
    async with bgjobs.run(config) as bg:
        for number in range(20):
            await bg.enqueue(note.request(str(number)))
        await bg.drain()
        (mailbox,) = bg._services.bus.deliveries._mailboxes
        go_on.set()
    reported = sqlite_app.recorder.events
    assert received[:4] == reported[:4]  # one being handled and three in the buffer
    assert mailbox.dropped == len(reported) - len(received) > 100
    assert len(sqlite_app.recorder.of(JobSucceeded)) == 20
    warned = [one.getMessage() for one in caplog.records if "too slow" in one.getMessage()]
    assert len(warned) == 1
    assert warned[0].startswith("listener ")
    assert warned[0].endswith("slow is too slow: events dropped")


def test_the_drain_timeout_is_the_same_under_plain_trio(tmp_path: Any) -> None:
    """Without the pytest plugin of AnyIO: the listener's task has ended with the run."""
    ended: list[str] = []

    async def stuck(event: Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(type(event).__name__)

    async def main() -> float:
        store = bgjobs.SQLiteStore(tmp_path / "jobs.db")
        config = bgjobs.Config(
            store=store,
            enqueue_only=[note],
            listeners=[stuck],
            clock=bgjobs.testing.VirtualClock(),
        )
        async with bgjobs.run(config):
            left = trio.current_time()
        return trio.current_time() - left

    assert trio.run(main, clock=MockClock(autojump_threshold=0)) == 5.0
    assert ended == ["StoreCalled"]


async def test_a_stream_yields_the_events_from_its_start(app: Harness) -> None:
    async with bgjobs.run(app.config(note)) as bg:
        await bg.enqueue(note.request("before"))
        await bg.drain()
        async with bg.events() as stream:
            begun = len(app.recorder.events)
            received: list[Event] = []
            job = await bg.enqueue(note.request("within"))
            async for event in stream:
                received.append(event)
                if isinstance(event, JobSucceeded):
                    assert event.job.id == job.id
                    break
        assert received == app.recorder.events[begun : begun + len(received)]
        assert stream.dropped == 0
        await bg.enqueue(note.request("after"))


async def test_a_full_stream_drops_and_counts_the_newest_events(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(note)) as bg, bg.events(buffer=5) as stream:
        begun = len(sqlite_app.recorder.events)
        await bg.enqueue_many([note.request("x")] * 50)
        await bg.drain()
        reported = sqlite_app.recorder.events[begun:]
        assert stream.dropped == len(reported) - 5
        assert [await anext(stream) for _ in range(5)] == reported[:5]


async def test_reading_a_stream_ends_with_its_block(sqlite_app: Harness) -> None:
    read = Recorder()

    async def reader(stream: bgjobs.EventStream) -> None:
        async for event in stream:
            read(event)

    async def subscriber(bg: bgjobs.BgJobs, group: anyio.abc.TaskGroup) -> None:
        async with bg.events() as stream:
            group.start_soon(reader, stream)
            await bg.enqueue(note.request("x"))
            await read.wait_for(JobSucceeded)

    config = sqlite_app.config(note)
    async with bgjobs.run(config) as bg, anyio.create_task_group() as group:
        await subscriber(bg, group)
    assert len(read.of(JobSucceeded)) == 1


async def test_two_streams_are_independent(sqlite_app: Harness) -> None:
    async with (
        bgjobs.run(sqlite_app.config(note)) as bg,
        bg.events(buffer=1) as small,
        bg.events() as large,
    ):
        await bg.enqueue(note.request("x"))
        await bg.drain()
        assert large.dropped == 0 < small.dropped
