"""Each attempt has one span with its outcome, and one duration."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import anyio
import attrs
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

import bgjobs
from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import put_back
from bgjobs.events import JobAttemptFailed, JobStarted, JobSucceeded, MonitorReleased
from bgjobs.telemetry.attributes import error_type
from tests.fixtures.databases import SQLiteFile
from tests.telemetry.conftest import Exports, Traced

pytestmark = pytest.mark.anyio
SECRET = "4111-1111"


def summary(span: ReadableSpan) -> tuple[Any, ...]:
    """Return the attempt, the outcome, the type of the error and the status of a span."""
    attributes = span.attributes or {}
    kept = ("bgjobs.attempt", "bgjobs.outcome", "error.type")
    assert span.end_time is not None
    return (*(attributes.get(name) for name in kept), span.status.status_code)


async def run_one(app: Traced, worker: Any, **settings: Any) -> list[tuple[Any, ...]]:
    """Run one job to its end; return the summaries of the spans of its attempts."""
    async with bgjobs.run(app.config(worker, **settings)) as bg:
        await bg.enqueue(worker.request())
        await bg.drain(with_delayed=True)
    return [summary(span) for span in app.exports.spans(f"process {worker.name}")]


def outcomes(exports: Exports, worker: str) -> dict[str, int]:
    """Return the number of jobs by outcome; check that as many durations were recorded."""
    labels = {"queue": "default", "worker": worker}
    found: dict[str, int] = {}
    for attributes, count in exports.points("bgjobs.jobs").items():
        outcome = dict(attributes)["outcome"]
        found[outcome] = count
        assert exports.value("bgjobs.job.duration", **labels, outcome=outcome) == count
    return found


async def test_each_attempt_has_a_span_with_its_number(app: Traced) -> None:
    @bgjobs.worker
    async def shaky(context: bgjobs.JobContext) -> None:
        if context.attempt < 3:
            raise ConnectionError(SECRET)

    assert await run_one(app, shaky) == [
        (1, "retried", "ConnectionError", StatusCode.ERROR),
        (2, "retried", "ConnectionError", StatusCode.ERROR),
        (3, "succeeded", None, StatusCode.UNSET),
    ]
    assert outcomes(app.exports, "shaky") == {"retried": 2, "succeeded": 1}
    links = [
        link.context.span_id
        for span in app.exports.spans("process shaky")
        for link in span.links
    ]
    created = app.exports.span("create shaky").context
    assert created is not None
    assert links == [created.span_id] * 3


async def test_a_span_identifies_its_job(sqlite_app: Traced) -> None:
    @bgjobs.worker
    async def work() -> None: ...

    async with bgjobs.run(sqlite_app.config(work)) as bg:
        job = await bg.enqueue(work.request())
        await bg.drain()
    span = sqlite_app.exports.span("process work")
    assert dict(span.attributes or {}) == {
        "messaging.system": "bgjobs",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "work",
        "messaging.consumer.group.name": "default",
        "messaging.message.id": str(job.id),
        "bgjobs.attempt": 1,
        "bgjobs.outcome": "succeeded",
    }
    assert dict(sqlite_app.exports.span("create work").attributes or {}) == {
        "messaging.system": "bgjobs",
        "messaging.operation.name": "create",
        "messaging.operation.type": "create",
        "messaging.destination.name": "work",
    }


async def test_the_last_failure_fails_the_job(sqlite_app: Traced) -> None:
    @bgjobs.worker
    def failing() -> None:
        raise LookupError

    assert await run_one(sqlite_app, failing, queue={"max_retries": 1}) == [
        (1, "retried", "LookupError", StatusCode.ERROR),
        (2, "failed", "LookupError", StatusCode.ERROR),
    ]
    labels = {
        "messaging__system": "bgjobs",
        "messaging__operation__name": "process",
        "messaging__destination__name": "failing",
        "error__type": "LookupError",
    }
    assert sqlite_app.exports.value("messaging.process.duration", **labels) == 2


async def test_discard_and_snooze_are_not_errors(sqlite_app: Traced) -> None:
    @bgjobs.worker
    async def ordering(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            raise bgjobs.Snooze(for_=0)
        raise bgjobs.Discard(SECRET)

    assert await run_one(sqlite_app, ordering) == [
        (1, "snoozed", None, StatusCode.UNSET),
        (1, "discarded", None, StatusCode.UNSET),
    ]
    assert outcomes(sqlite_app.exports, "ordering") == {"snoozed": 1, "discarded": 1}


async def test_a_timeout_is_an_error(sqlite_app: Traced) -> None:
    @bgjobs.worker(timeout=0.01)
    async def slow() -> None:
        await anyio.sleep_forever()

    assert await run_one(sqlite_app, slow, queue={"max_retries": 0}) == [
        (1, "failed", "TimeoutError", StatusCode.ERROR)
    ]


async def test_a_handler_that_a_stop_cancels_is_released(sqlite_app: Traced) -> None:
    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    async with bgjobs.run(sqlite_app.config(forever, grace=0)) as bg:
        await bg.enqueue(forever.request())
        await sqlite_app.recorder.wait_for(JobStarted)
    span = sqlite_app.exports.span("process forever")
    assert summary(span) == (1, "released", None, StatusCode.UNSET)
    assert outcomes(sqlite_app.exports, "forever") == {"released": 1}


async def test_a_job_that_an_operator_cancels_is_cancelled(app: Traced) -> None:
    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    async with bgjobs.run(app.config(forever)) as bg:
        job = await bg.enqueue(forever.request())
        await app.recorder.wait_for(JobStarted)
        await bg.admin.cancel(job.id, reason=SECRET)
        await bg.drain()
    span = app.exports.span("process forever")
    assert summary(span) == (1, "cancelled", None, StatusCode.UNSET)
    assert SECRET not in span.to_json()
    assert outcomes(app.exports, "forever") == {"cancelled": 1}


async def test_the_end_of_a_lost_reservation_is_lost(app: Traced) -> None:
    other = app.open_store()

    @bgjobs.worker
    def overtaken(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            other.write((), [put_back(context.job)])

    try:
        assert await run_one(app, overtaken) == [
            (1, "lost", "reservation_lost", StatusCode.ERROR),
            (1, "succeeded", None, StatusCode.UNSET),
        ]
    finally:
        other.close()
    assert outcomes(app.exports, "overtaken") == {"lost": 1, "succeeded": 1}


def test_the_next_attempt_may_start_before_the_end_of_the_last_is_reported(
    exports: Exports,
) -> None:
    """Another slot retries the job while the end of its last attempt is being committed."""
    now = datetime.now(UTC)
    first = Job(
        id=UUID(int=1), name="work", payload="{}", created_at=now, available_at=now,
        reserved_at=now, reserved_by=UUID(int=2), reservations=1,
    )  # fmt: skip
    second = attrs.evolve(first, attempts=1, reservations=2)
    exports.send(
        JobStarted("q", first),
        JobStarted("q", second),
        JobAttemptFailed("q", first, "LookupError: x", timedelta(0)),
        JobSucceeded("q", second, 0.5),
    )
    assert [summary(span)[:2] for span in exports.spans()] == [(1, "retried"), (2, "succeeded")]


class Fatal(BaseException):
    """An exception that is not an `Exception`."""


async def test_a_queue_that_crashes_ends_its_spans(sqlite_app: Traced) -> None:
    begun = threading.Event()

    @bgjobs.worker
    async def deadly(context: bgjobs.JobContext) -> None:
        if context.job.crashes == 0:
            await anyio.to_thread.run_sync(begun.wait)
            raise Fatal

    @bgjobs.worker
    async def beside(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            begun.set()
            await anyio.sleep_forever()

    tolerance = bgjobs.RestartTolerance(backoff=bgjobs.backoff.IMMEDIATE)
    config = sqlite_app.config(deadly, beside, restart_tolerance=tolerance)
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([deadly.request(), beside.request()])
        await sqlite_app.recorder.wait_for(MonitorReleased)
        await bg.drain()
    exports = sqlite_app.exports
    for worker in ("deadly", "beside"):
        assert [summary(span) for span in exports.spans(f"process {worker}")] == [
            (1, "cut_off", "cut_off", StatusCode.ERROR),
            (1, "succeeded", None, StatusCode.UNSET),
        ]
    assert exports.value("bgjobs.released_by_monitor", worker="deadly") == 1


async def test_attempts_of_a_cancelled_application_are_cut_off(sqlite_app: Traced) -> None:
    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        async with bgjobs.run(sqlite_app.config(forever)) as bg:
            await bg.enqueue(forever.request())
            await sqlite_app.recorder.wait_for(JobStarted)
            scope.cancel()
    span = sqlite_app.exports.span("process forever")
    assert summary(span) == (1, "cut_off", "cut_off", StatusCode.ERROR)
    assert sqlite_app.exports.telemetry._spans._open == {}


async def test_a_span_is_as_long_as_its_handler_ran(sqlite_app: Traced) -> None:
    """The commit, which may wait for an unavailable database, is not included."""

    @bgjobs.worker
    async def work() -> None:
        await anyio.sleep(0.01)

    await run_one(sqlite_app, work)
    span = sqlite_app.exports.span("process work")
    assert span.start_time is not None
    assert span.end_time is not None
    [ended] = sqlite_app.recorder.of(JobSucceeded)
    assert span.end_time - span.start_time == int(ended.seconds * 1e9)


@bgjobs.worker
async def quoting() -> None:
    raise ValueError(f"no card\n\n{SECRET}")


async def test_the_text_of_an_error_is_not_exported(sqlite_app: Traced) -> None:
    await run_one(sqlite_app, quoting, queue={"max_retries": 0})
    shown = [span.to_json() for span in sqlite_app.exports.spans()]
    shown.append(repr(sqlite_app.exports.metrics()))
    assert SECRET not in "".join(shown)


async def test_the_text_of_an_error_is_exported_on_request(
    sqlite_file: SQLiteFile,
) -> None:
    exports = Exports(error_texts=True)
    await run_one(Traced(sqlite_file, exports), quoting, queue={"max_retries": 0})
    [event] = exports.span("process quoting").events
    exports.close()
    attributes = event.attributes or {}
    assert event.name == "exception"
    assert attributes["exception.type"] == "ValueError"
    assert attributes["exception.message"] == "no card"
    assert SECRET in str(attributes["exception.stacktrace"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ValueError: no card", "ValueError"),
        ("LookupError", "LookupError"),
        ("LookupError\n\nTraceback", "LookupError"),
        ("work.<locals>.Oops: x", "work.<locals>.Oops"),
        ("it was interrupted 100 times", "_OTHER"),
        ("an error without a text", "_OTHER"),
        ("", "_OTHER"),
    ],
)
def test_the_type_of_an_error_is_the_class_that_begins_its_text(text: str, found: str) -> None:
    assert error_type(text) == found
