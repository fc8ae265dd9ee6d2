"""Events reach all listeners in order, and a listener that raises changes no job."""

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import bgjobs
from bgjobs import events
from bgjobs._runtime.bus import Bus
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
from tests.runtime.bus.helpers import note, queue, run_one
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def other() -> None: ...


async def test_listeners_are_called_in_the_order_queue_store_application(
    sqlite_app: Harness,
) -> None:
    received: list[tuple[str, str]] = []

    def named(name: str) -> Callable[[Event], None]:
        return lambda event: received.append((name, type(event).__name__))

    store = bgjobs.SQLiteStore(sqlite_app.database.path, listeners=[named("store")])  # type: ignore[attr-defined]  # the fixture's database is a file
    config = sqlite_app.config(
        store=store,
        queues=[queue("q", note, named("own 1"), named("own 2"))],
        listeners=[named("app 1"), named("app 2")],
    )
    await run_one(config)
    assert [name for name, kind in received if kind == "JobStarted"] == [
        "own 1", "own 2", "store", "app 1", "app 2",
    ]  # fmt: skip
    assert [name for name, kind in received if kind == "JobEnqueued"] == [
        "store", "app 1", "app 2",
    ]  # fmt: skip


async def test_all_listeners_receive_the_same_events(app: Harness) -> None:
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
    # Its position is not fixed: a queue may reserve the job before `enqueue` has returned.
    assert len(app.recorder.of(JobEnqueued)) == 1


async def test_listeners_of_a_queue_receive_events_of_that_queue_only(app: Harness) -> None:
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
async def test_a_listener_that_raises_changes_no_job_and_is_reported_to_the_others(
    app: Harness, listener: Any, caplog: pytest.LogCaptureFixture
) -> None:
    config = app.config(listeners=[listener, app.recorder], queues=[queue("q", note, listener)])
    done = await run_one(config)
    assert (done.attempts, done.crashes, done.reservations) == (0, 0, 1)
    failures = app.recorder.of(ListenerFailed)
    assert {failure.listener for failure in failures} == {listener.__name__}
    assert all(isinstance(failure.error, LookupError) for failure in failures)
    reported = Counter(type(event).__name__ for event in app.recorder.events)
    failed = Counter(failure.event for failure in failures)
    assert failed["JobStarted"] == 2 * reported["JobStarted"] == 2
    assert failed["JobEnqueued"] == reported["JobEnqueued"] == 1
    assert app.recorder.of(events.ChildCrashed) == []
    logged = [one for one in caplog.records if one.name == "bgjobs"]
    assert f"listener {listener.__name__} raised on JobStarted" in [
        one.getMessage() for one in logged if one.levelno == logging.ERROR
    ]


async def test_listeners_that_raise_on_each_other_s_failures_do_not_loop(
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


COUNTED = {
    "bgjobs._runtime.persistence.enqueue": "JobEnqueued",
    "bgjobs._runtime.queues.slot": "JobStarted",
    "bgjobs._runtime.queues.reports": "JobSucceeded",
    "bgjobs._runtime.persistence.dispatch": "StoreCalled",
}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return a counter of the built events of some classes."""
    count: Counter[str] = Counter()

    def counted(name: str, kind: Any, *args: Any) -> Any:
        count[name] += 1
        return kind(*args)

    for module, name in COUNTED.items():
        kind = getattr(events, name)
        monkeypatch.setattr(f"{module}.{name}", partial(counted, name, kind))
    return count


async def test_without_listeners_no_event_is_built(
    sqlite_app: Harness, built: Counter[str]
) -> None:
    await run_one(sqlite_app.config(note, listeners=[]))
    assert built == {}


async def test_one_event_is_built_for_all_listeners(
    sqlite_app: Harness, built: Counter[str]
) -> None:
    await run_one(sqlite_app.config(note, listeners=[sqlite_app.recorder, Recorder()]))
    assert built["JobEnqueued"] == built["JobStarted"] == built["JobSucceeded"] == 1
    assert built["StoreCalled"] == len(sqlite_app.recorder.of(StoreCalled))


async def test_no_event_is_built_for_a_listener_of_another_queue(
    sqlite_app: Harness, built: Counter[str]
) -> None:
    queues = [queue("a", note), queue("b", other, Recorder())]
    await run_one(sqlite_app.config(queues=queues, listeners=[]))
    assert built == {}


async def test_every_call_of_the_store_is_reported_before_and_after(app: Harness) -> None:
    """Corresponds to db_events of bg_jobs, which counts events of one fixed sequence."""
    async with bgjobs.run(app.config(note)) as bg:
        job = await bg.enqueue(note.request("x"))
        await bg.drain()
        await bg.find(job.id)
        await bg.list(bgjobs.JobFilter("succeeded"))
        await bg.list(bgjobs.JobFilter("failed"))
        await bg.count()
    called = Counter(event.verb for event in app.recorder.of(StoreCalled))
    answered = Counter(event.verb for event in app.recorder.of(events.StoreResponded))
    # The monitor and the retention may be cancelled during a call, which is then not reported
    # as answered.
    monitor = {"list", "close_owners", "abandoned", "end_orphans"}
    assert set(called - answered) <= {*monitor, "prune", "prune_audit", "roll_up_activity"}
    assert answered <= called
    assert app.recorder.of(events.StoreFailed) == []
    once = ("open", "migrate", "check_schema", "find")
    assert {verb: answered[verb] for verb in once} == dict.fromkeys(once, 1)
    assert answered["list"] >= 2  # the monitor lists the jobs of a queue that has ended, too
    assert {"write", "reserve", "next_due", "count", "open_owner", "close"} <= set(answered)
    assert all(event.seconds >= 0 for event in app.recorder.of(events.StoreResponded))
