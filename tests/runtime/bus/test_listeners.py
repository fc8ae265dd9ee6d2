"""Listeners hear everything in order, and change nothing."""

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.abc
import pytest
import trio
from trio.testing import MockClock

import bgjobs
from bgjobs import events
from bgjobs._runtime import bus as bus_module
from bgjobs._runtime.bus import DRAIN_TIMEOUT, Bus
from bgjobs.events import (
    Event,
    JobEnqueued,
    JobStarted,
    JobSucceeded,
    ListenerFailed,
    Migrated,
    QueueStarted,
    QueueStopped,
    StoreCalled,
)
from bgjobs.testing import Recorder
from tests.runtime.conftest import Harness, virtual_time

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(text: str) -> None: ...


@bgjobs.worker
async def other() -> None: ...


def queue(name: str, worker: Any, *listeners: Any) -> bgjobs.Queue:
    return bgjobs.Queue(name, workers=[worker], listeners=listeners)


async def run_one(config: bgjobs.Config) -> bgjobs.SucceededJob:
    """Run one job to its success, whatever the listeners do."""
    async with bgjobs.run(config) as bg:
        await bg.enqueue(note.request("a"))
        await bg.drain()
        (done,) = await bg.succeeded()
    return done


async def test_a_queue_s_own_listeners_hear_first_then_the_store_s_then_the_rest(
    sqlite_app: Harness,
) -> None:
    heard: list[tuple[str, str]] = []

    def named(name: str) -> Callable[[Event], None]:
        return lambda event: heard.append((name, type(event).__name__))

    store = bgjobs.SQLiteStore(sqlite_app.database.path, listeners=[named("store")])  # type: ignore[attr-defined]  # the fixture's database is a file
    config = sqlite_app.config(
        store=store,
        queues=[queue("q", note, named("own 1"), named("own 2"))],
        listeners=[named("app 1"), named("app 2")],
    )
    await run_one(config)
    assert [name for name, kind in heard if kind == "JobStarted"] == [
        "own 1", "own 2", "store", "app 1", "app 2",
    ]  # fmt: skip
    assert [name for name, kind in heard if kind == "JobEnqueued"] == [
        "store", "app 1", "app 2",
    ]  # fmt: skip


async def test_everybody_hears_the_same_story(app: Harness) -> None:
    late = Recorder()
    await run_one(app.config(note, listeners=[app.recorder, late]))
    assert late.events == app.recorder.events
    names = app.recorder.names()
    assert names[:2] == ["StoreCalled", "StoreResponded"]
    assert names[-2:] == ["StoreCalled", "StoreResponded"]
    assert isinstance(app.recorder.events[-2], StoreCalled)
    assert app.recorder.events[-2].verb == "close"
    kept: tuple[type[Event], ...] = (
        Migrated, QueueStarted, events.JobReserved, JobStarted, JobSucceeded, QueueStopped,
    )  # fmt: skip
    assert app.recorder.names(*kept) == [
        "Migrated", "QueueStarted", "JobReserved", "JobStarted", "JobSucceeded", "QueueStopped",
    ]  # fmt: skip
    # A queue may have the job before the caller of enqueue is told of the commit.
    assert len(app.recorder.of(JobEnqueued)) == 1


async def test_a_queue_s_listeners_hear_their_own_queue_only(app: Harness) -> None:
    first, second = Recorder(), Recorder()
    queues = [queue("a", note, first), queue("b", other, second)]
    async with bgjobs.run(app.config(queues=queues)) as bg:
        await bg.enqueue(note.request("x"))
        await bg.enqueue(other.request())
        await bg.drain()
        bg.queue("a").pause()
        bg.queue("b").pause()
    for name, worker, recorder in (("a", "note", first), ("b", "other", second)):
        assert {getattr(event, "queue", None) for event in recorder.events} == {name}
        assert [event.job.name for event in recorder.of(JobSucceeded)] == [worker]
        assert len(recorder.of(events.QueuePaused)) == 1
        assert recorder.of(JobEnqueued) == []
        assert recorder.of(StoreCalled) == []
    assert len(app.recorder.of(JobSucceeded)) == 2


def raising(event: Event) -> None:
    raise LookupError(type(event).__name__)


async def raising_async(event: Event) -> None:
    raise LookupError(type(event).__name__)


@pytest.mark.parametrize("listener", [raising, raising_async])
async def test_a_listener_that_raises_changes_no_job_and_is_told_to_the_others(
    app: Harness, listener: Any, caplog: pytest.LogCaptureFixture
) -> None:
    config = app.config(listeners=[listener, app.recorder], queues=[queue("q", note, listener)])
    done = await run_one(config)
    assert (done.attempts, done.crashes, done.reservations) == (0, 0, 1)
    failures = app.recorder.of(ListenerFailed)
    assert {failure.listener for failure in failures} == {listener.__name__}
    assert all(isinstance(failure.error, LookupError) for failure in failures)
    told = Counter(type(event).__name__ for event in app.recorder.events)
    failed = Counter(failure.event for failure in failures)
    assert failed["JobStarted"] == 2 * told["JobStarted"] == 2
    assert failed["JobEnqueued"] == told["JobEnqueued"] == 1
    assert app.recorder.of(events.ChildCrashed) == []
    logged = [one for one in caplog.records if one.name == "bgjobs"]
    assert f"listener {listener.__name__} raised on JobStarted" in [
        one.getMessage() for one in logged if one.levelno == logging.ERROR
    ]


async def test_listeners_that_fail_on_each_other_s_failures_come_to_an_end(
    sqlite_app: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[tuple[str, str]] = []

    def first(event: Event) -> None:
        calls.append(("first", type(event).__name__))
        raise LookupError

    def second(event: Event) -> None:
        calls.append(("second", type(event).__name__))
        raise LookupError

    bus = Bus([first, second])
    bus.emit(events.Pruned, 1)
    assert sorted(calls) == [
        ("first", "ListenerFailed"), ("first", "Pruned"),
        ("second", "ListenerFailed"), ("second", "Pruned"),
    ]  # fmt: skip
    assert len(caplog.records) == 4
    await run_one(sqlite_app.config(note, listeners=[first, second]))


async def test_an_async_listener_hears_one_event_after_the_other_in_order(
    app: Harness,
) -> None:
    heard: list[Event] = []
    busy = 0

    async def listener(event: Event) -> None:
        nonlocal busy
        busy += 1
        assert busy == 1
        await anyio.lowlevel.checkpoint()
        heard.append(event)
        busy -= 1

    await run_one(app.config(note, listeners=[app.recorder, listener]))
    assert heard == app.recorder.events


class Object:
    """A listener that is an object with an async `__call__`."""

    def __init__(self, heard: list[Event]) -> None:
        self.heard = heard

    async def __call__(self, event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        self.heard.append(event)

    async def method(self, event: Event) -> None:
        await self(event)


@pytest.mark.parametrize("kind", ["object", "method", "partial"])
async def test_whatever_is_async_is_awaited(sqlite_app: Harness, kind: str) -> None:
    listener = Object([])
    given: Any = {"object": listener, "method": listener.method}.get(kind)
    given = given or partial(Object.method, listener)
    await run_one(sqlite_app.config(note, listeners=[sqlite_app.recorder, given]))
    assert listener.heard == sqlite_app.recorder.events


async def test_an_async_listener_of_a_queue_hears_the_end_of_it(app: Harness) -> None:
    """What is left for it when the application stops is still handed out."""
    heard: list[str] = []
    stopped = anyio.Event()

    async def slow(event: Event) -> None:
        await stopped.wait()
        heard.append(type(event).__name__)

    def watch(event: Event) -> None:
        if isinstance(event, QueueStopped):
            stopped.set()

    await run_one(app.config(queues=[queue("q", note, slow)], listeners=[watch]))
    assert heard[0] == "QueueStarted"
    assert heard[-1] == "QueueStopped"
    assert "JobSucceeded" in heard


@virtual_time
async def test_a_listener_that_never_returns_keeps_the_end_for_the_farewell_only(
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
async def test_a_cancelled_application_says_farewell_too(virtual_app: Harness) -> None:
    heard: list[str] = []

    async def slow(event: Event) -> None:
        await anyio.sleep(0.01)
        heard.append(type(event).__name__)

    with anyio.CancelScope() as scope:
        async with bgjobs.run(virtual_app.config(note, listeners=[slow])):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert heard[-1] == "StoreResponded"


async def test_a_listener_that_is_too_slow_loses_events_and_they_are_counted(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bus_module, "MAILBOX_SIZE", 3)
    go_on = anyio.Event()
    heard: list[Event] = []

    async def slow(event: Event) -> None:
        await go_on.wait()
        heard.append(event)

    config = sqlite_app.config(note, listeners=[sqlite_app.recorder, slow])
    async with bgjobs.run(config) as bg:
        for number in range(20):
            await bg.enqueue(note.request(str(number)))
        await bg.drain()
        (mailbox,) = bg._services.bus.deliveries._mailboxes
        go_on.set()
    told = sqlite_app.recorder.events
    assert heard[:4] == told[:4]  # one in hand and three in the box
    assert mailbox.dropped == len(told) - len(heard) > 100
    assert len(sqlite_app.recorder.of(JobSucceeded)) == 20
    warned = [one.getMessage() for one in caplog.records if "too slow" in one.getMessage()]
    assert len(warned) == 1
    assert warned[0].startswith("listener ")
    assert warned[0].endswith("slow is too slow: events dropped")


async def test_a_stream_gives_the_events_from_now_on(app: Harness) -> None:
    async with bgjobs.run(app.config(note)) as bg:
        await bg.enqueue(note.request("before"))
        await bg.drain()
        async with bg.events() as stream:
            begun = len(app.recorder.events)
            heard: list[Event] = []
            job = await bg.enqueue(note.request("within"))
            async for event in stream:
                heard.append(event)
                if isinstance(event, JobSucceeded):
                    assert event.job.id == job.id
                    break
        assert heard == app.recorder.events[begun : begun + len(heard)]
        assert stream.dropped == 0
        await bg.enqueue(note.request("after"))


async def test_a_full_stream_drops_the_newest_and_counts_them(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(note)) as bg, bg.events(buffer=5) as stream:
        begun = len(sqlite_app.recorder.events)
        await bg.enqueue_many([note.request("x")] * 50)
        await bg.drain()
        told = sqlite_app.recorder.events[begun:]
        assert stream.dropped == len(told) - 5
        assert [await anext(stream) for _ in range(5)] == told[:5]


async def test_a_reader_of_a_stream_ends_with_the_block(sqlite_app: Harness) -> None:
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


COUNTED = {
    "bgjobs._runtime.persistence.enqueue": "JobEnqueued",
    "bgjobs._runtime.queues.slot": "JobStarted",
    "bgjobs._runtime.queues.settler": "JobSucceeded",
    "bgjobs._runtime.persistence.dispatch": "StoreCalled",
}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often some events are built."""
    count: Counter[str] = Counter()

    def counted(name: str, kind: Any, *args: Any) -> Any:
        count[name] += 1
        return kind(*args)

    for module, name in COUNTED.items():
        kind = getattr(events, name)
        monkeypatch.setattr(f"{module}.{name}", partial(counted, name, kind))
    return count


async def test_where_nobody_listens_no_event_is_built(
    sqlite_app: Harness, built: Counter[str]
) -> None:
    await run_one(sqlite_app.config(note, listeners=[]))
    assert built == {}


async def test_one_event_is_built_for_all_who_listen(
    sqlite_app: Harness, built: Counter[str]
) -> None:
    await run_one(sqlite_app.config(note, listeners=[sqlite_app.recorder, Recorder()]))
    assert built["JobEnqueued"] == built["JobStarted"] == built["JobSucceeded"] == 1
    assert built["StoreCalled"] == len(sqlite_app.recorder.of(StoreCalled))


async def test_a_listener_of_one_queue_has_no_events_of_another_built(
    sqlite_app: Harness, built: Counter[str]
) -> None:
    queues = [queue("a", note), queue("b", other, Recorder())]
    await run_one(sqlite_app.config(queues=queues, listeners=[]))
    assert built == {}


def test_the_farewell_is_the_same_under_plain_trio(tmp_path: Any) -> None:
    """Not by the anyio plugin: the listener's task is really gone when the run has ended."""
    gone: list[str] = []

    async def stuck(event: Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            gone.append(type(event).__name__)

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
    assert gone == ["StoreCalled"]


async def test_every_call_of_the_store_is_told_before_and_after(app: Harness) -> None:
    """The twin of the original's db_events, which counted them for one fixed sequence."""
    async with bgjobs.run(app.config(note)) as bg:
        job = await bg.enqueue(note.request("x"))
        await bg.drain()
        await bg.find(job.id)
        await bg.succeeded()
        await bg.failed()
        await bg.count()
    called = Counter(event.verb for event in app.recorder.of(StoreCalled))
    answered = Counter(event.verb for event in app.recorder.of(events.StoreResponded))
    # The monitor may be cancelled in the middle of a call, which then has no answer.
    assert set(called - answered) <= {"get_running", "close_owners"}
    assert answered <= called
    assert app.recorder.of(events.StoreFailed) == []
    once = ("open", "migrate", "check_schema", "find", "get_succeeded", "get_failed")
    assert {verb: answered[verb] for verb in once} == dict.fromkeys(once, 1)
    assert {"write", "reserve", "next_due", "count", "open_owner", "close"} <= set(answered)
    assert all(event.seconds >= 0 for event in app.recorder.of(events.StoreResponded))
