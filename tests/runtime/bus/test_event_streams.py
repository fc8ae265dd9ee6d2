"""`BgJobs.events` yields events from its start, with a bounded buffer."""

import anyio
import anyio.abc
import pytest

import bgjobs
from bgjobs.events import (
    Event,
    JobSucceeded,
)
from bgjobs.testing import Recorder
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(text: str) -> None: ...


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
