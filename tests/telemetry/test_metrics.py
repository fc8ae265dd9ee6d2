"""What events record into the metrics."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import events
from bgjobs.errors import LeaseLostError, StoreUnavailableError
from tests.runtime.conftest import Wrapped
from tests.telemetry.conftest import Exports, Traced
from tests.telemetry.jobs import ERROR, JOB, NOW

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def mail(to: str) -> None: ...


async def test_a_job_is_counted_where_it_is_enqueued_and_where_it_runs(app: Traced) -> None:
    async with bgjobs.run(app.config(mail)) as bg:
        await bg.enqueue_many(mail.request(str(number)) for number in range(3))
        await bg.drain()
    message = {"messaging__system": "bgjobs", "messaging__destination__name": "mail"}
    sent = {**message, "messaging__operation__name": "send"}
    processed = {**message, "messaging__operation__name": "process"}
    value = app.exports.value
    assert value("messaging.client.sent.messages", **sent) == 3
    assert value("messaging.client.consumed.messages", **processed) == 3
    assert value("messaging.process.duration", **processed) == 3
    assert value("bgjobs.jobs", queue="default", worker="mail", outcome="succeeded") == 3
    assert value("bgjobs.queue.wait", queue="default", worker="mail") == 3
    reserve = {"messaging__system": "bgjobs", "messaging__operation__name": "reserve"}
    assert value("messaging.client.operation.duration", **reserve) >= 1


RARE: list[tuple[events.Event, str, dict[str, str], float]] = [
    (
        events.MonitorFailed(JOB, "x"),
        "bgjobs.jobs", {"worker": "mail", "outcome": "failed"}, 1,
    ),
    (
        events.JobCancelled("", JOB, "x", "ada"),
        "bgjobs.jobs", {"worker": "mail", "outcome": "cancelled"}, 1,
    ),
    (events.MonitorReleased(JOB), "bgjobs.released_by_monitor", {"worker": "mail"}, 1),
    (
        events.OccurrencesMissed("purge", NOW, 3),
        "bgjobs.schedule.missed", {"schedule": "purge"}, 3,
    ),
    (
        events.ChildCrashed("queue 'q'", LeaseLostError("q")),
        "bgjobs.lease.lost", {"queue": "q"}, 1,
    ),
    (events.LoopLag(1.5, None), "bgjobs.loop.lag", {}, 1),
    (events.LoopLag(1.5, "mail"), "bgjobs.loop.lag", {"worker": "mail"}, 1),
    (
        events.ListenerFailed("note", "JobStarted", ERROR),
        "bgjobs.listener.errors", {"listener": "note"}, 1,
    ),
    (
        events.StoreFailed("write", ERROR),
        "bgjobs.db.errors", {"class": "StoreUnavailableError"}, 1,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("event", "metric", "attributes", "value"), RARE)
def test_rare_events_are_recorded(
    exports: Exports, event: events.Event, metric: str, attributes: dict[str, str], value: float
) -> None:
    exports.send(event)
    assert [found.name for found in exports.metrics()] == [metric]
    assert exports.value(metric, **attributes) == value


def test_other_crashes_are_not_lost_leases(exports: Exports) -> None:
    exports.send(events.ChildCrashed("queue 'q'", ERROR))
    assert exports.metrics() == []


def test_waiting_is_measured_by_the_clock_of_the_database(exports: Exports) -> None:
    exports.send(events.JobStarted("q", JOB))
    [point] = exports.points("bgjobs.queue.wait").values()
    assert point.sum == 7


@bgjobs.worker
async def tick(context: bgjobs.JobContext) -> None:
    if context.attempt == 1:
        raise LookupError


async def test_the_lag_of_a_schedule_is_measured_once_for_each_occurrence(
    sqlite_app: Traced,
) -> None:
    scheduled = bgjobs.ScheduledJob(
        tick, bgjobs.every(milliseconds=20), backoff=bgjobs.backoff.IMMEDIATE
    )
    config = sqlite_app.config(queues=[], scheduled_jobs=[scheduled])
    async with bgjobs.run(config):
        await sqlite_app.recorder.wait_for(events.JobSucceeded, 2)
    started = sqlite_app.recorder.of(events.JobStarted)
    firsts = [event for event in started if event.job.attempts == 0]
    assert len(firsts) < len(started)
    assert sqlite_app.exports.value("bgjobs.schedule.lag", schedule="tick") == len(firsts)
    [span, *_] = sqlite_app.exports.spans("process tick")
    assert (span.attributes or {})["bgjobs.scheduled_job"] == "tick"


async def observed(app: Traced, bg: bgjobs.BgJobs, until: Callable[[], Any]) -> None:
    """Observe until the condition holds; the timeout of the test is the limit."""
    async with anyio.create_task_group() as tasks:

        async def observe() -> None:
            await app.exports.telemetry.observe(bg, every=0.01)

        tasks.start_soon(observe)
        while not until():
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()


async def test_the_depth_is_sampled_from_the_database(app: Traced) -> None:
    exports = app.exports
    async with bgjobs.run(app.config(mail)) as bg:
        bg.queue("default").pause()
        await bg.enqueue(mail.request("a"))
        await bg.enqueue(mail.request("b").available_in(days=1))
        assert exports.points("bgjobs.queue.depth") == {}
        oldest = frozenset[tuple[str, Any]]()

        def seen() -> bool:
            return bool(exports.points("bgjobs.oldest_ready_age").get(oldest, 0) > 0)

        states: dict[str, int] = {}

        def counted() -> bool:
            if not seen():
                return False
            for attributes, value in exports.points("bgjobs.queue.depth").items():
                states[dict(attributes)["state"]] = value
            return True

        await observed(app, bg, counted)
        assert states == {
            "waiting": 1, "delayed": 1, "running": 0, "succeeded": 0, "failed": 0,
            "cancelled": 0,
        }  # fmt: skip
        assert exports.points("bgjobs.queue.depth") == {}, "a stopped observer leaves no value"


async def test_observing_ends_with_the_application(sqlite_app: Traced) -> None:
    async with (
        anyio.create_task_group() as tasks,
        bgjobs.run(sqlite_app.config(mail)) as bg,
    ):
        tasks.start_soon(sqlite_app.exports.telemetry.observe, bg)
        bg.stop()


async def test_there_is_no_depth_while_the_database_is_unavailable(sqlite_app: Traced) -> None:
    real, away = sqlite_app.database.store(), list[bool]()

    def count(*args: Any, **kwargs: Any) -> Any:
        if away:
            raise StoreUnavailableError("away")
        return real.count(*args, **kwargs)

    exports, store = sqlite_app.exports, Wrapped(real, count=count)

    def sees() -> bool:
        return exports.points("bgjobs.queue.depth") != {}

    config = sqlite_app.config(mail, store=store, store_timeout=0.01)
    async with bgjobs.run(config) as bg, anyio.create_task_group() as tasks:

        async def observe() -> None:
            await exports.telemetry.observe(bg, every=0.01)

        tasks.start_soon(observe)
        for wanted in (True, False, True):
            while sees() is not wanted:
                await anyio.sleep(0.01)
            away[:] = [] if away else [True]
        bg.stop()


@pytest.mark.parametrize("every", [0, -1.0, float("nan")])
async def test_the_interval_of_samples_must_be_above_zero(
    exports: Exports, every: float
) -> None:
    bg: Any = None
    expected = r"^observe: every: expected seconds above 0, found (0|-1\.0|nan)$"
    with pytest.raises(ValueError, match=expected):
        await exports.telemetry.observe(bg, every=every)
