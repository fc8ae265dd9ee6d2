"""Each attempt has one span, which says how it ended, and one duration."""

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
from bgjobs.events import JobAttemptFailed, JobStarted, JobSucceeded, MonitorReleased
from bgjobs.jobs import Job
from bgjobs.outcomes import put_back
from bgjobs.telemetry.attributes import error_type
from tests.fixtures.databases import SQLiteFile
from tests.telemetry.conftest import Sight, Traced

pytestmark = pytest.mark.anyio
SECRET = "4111-1111"


def told(span: ReadableSpan) -> tuple[Any, ...]:
    """Give the attempt, the outcome, the type of the error and the status."""
    attributes = span.attributes or {}
    kept = ("bgjobs.attempt", "bgjobs.outcome", "error.type")
    assert span.end_time is not None
    return (*(attributes.get(name) for name in kept), span.status.status_code)


async def run_one(app: Traced, worker: Any, **settings: Any) -> list[tuple[Any, ...]]:
    """Run one job to its end; give what the spans of its attempts tell."""
    async with bgjobs.run(app.config(worker, **settings)) as bg:
        await bg.enqueue(worker.request())
        await bg.drain(with_delayed=True)
    return [told(span) for span in app.sight.spans(f"process {worker.name}")]


def outcomes(sight: Sight, worker: str) -> dict[str, int]:
    """Give how many jobs had which outcome, and check that as many have a duration."""
    labels = {"queue": "default", "kind": worker}
    found: dict[str, int] = {}
    for attributes, count in sight.points("bgjobs.jobs").items():
        outcome = dict(attributes)["outcome"]
        found[outcome] = count
        assert sight.value("bgjobs.job.duration", **labels, outcome=outcome) == count
    return found


async def test_each_attempt_has_a_span_with_its_number(app: Traced) -> None:
    @bgjobs.worker
    async def shaky(context: bgjobs.JobContext) -> None:
        if context.attempt < 2:
            raise ConnectionError(SECRET)

    assert await run_one(app, shaky) == [
        (0, "retried", "ConnectionError", StatusCode.ERROR),
        (1, "retried", "ConnectionError", StatusCode.ERROR),
        (2, "succeeded", None, StatusCode.UNSET),
    ]
    assert outcomes(app.sight, "shaky") == {"retried": 2, "succeeded": 1}
    links = [
        link.context.span_id for span in app.sight.spans("process shaky") for link in span.links
    ]
    created = app.sight.span("create shaky").context
    assert created is not None
    assert links == [created.span_id] * 3


async def test_a_span_says_which_job_it_is(sqlite_app: Traced) -> None:
    @bgjobs.worker
    async def work() -> None: ...

    async with bgjobs.run(sqlite_app.config(work)) as bg:
        job = await bg.enqueue(work.request())
        await bg.drain()
    span = sqlite_app.sight.span("process work")
    assert dict(span.attributes or {}) == {
        "messaging.system": "bgjobs",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "work",
        "messaging.consumer.group.name": "default",
        "messaging.message.id": str(job.id),
        "bgjobs.attempt": 0,
        "bgjobs.outcome": "succeeded",
    }
    assert dict(sqlite_app.sight.span("create work").attributes or {}) == {
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
        (0, "retried", "LookupError", StatusCode.ERROR),
        (1, "failed", "LookupError", StatusCode.ERROR),
    ]
    labels = {
        "messaging__system": "bgjobs",
        "messaging__operation__name": "process",
        "messaging__destination__name": "failing",
        "error__type": "LookupError",
    }
    assert sqlite_app.sight.value("messaging.process.duration", **labels) == 2


async def test_what_a_handler_orders_is_no_error(sqlite_app: Traced) -> None:
    @bgjobs.worker
    async def ordering(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            raise bgjobs.Snooze(for_=0)
        raise bgjobs.Discard(SECRET)

    assert await run_one(sqlite_app, ordering) == [
        (0, "snoozed", None, StatusCode.UNSET),
        (0, "discarded", None, StatusCode.UNSET),
    ]
    assert outcomes(sqlite_app.sight, "ordering") == {"snoozed": 1, "discarded": 1}


async def test_a_timeout_is_an_error_of_its_type(sqlite_app: Traced) -> None:
    @bgjobs.worker(timeout=0.01)
    async def slow() -> None:
        await anyio.sleep_forever()

    assert await run_one(sqlite_app, slow, queue={"max_retries": 0}) == [
        (0, "failed", "TimeoutError", StatusCode.ERROR)
    ]


async def test_what_a_stop_cancels_is_released(sqlite_app: Traced) -> None:
    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    async with bgjobs.run(sqlite_app.config(forever, grace=0)) as bg:
        await bg.enqueue(forever.request())
        await sqlite_app.recorder.wait_for(JobStarted)
    span = sqlite_app.sight.span("process forever")
    assert told(span) == (0, "released", None, StatusCode.UNSET)
    assert outcomes(sqlite_app.sight, "forever") == {"released": 1}


async def test_what_an_operator_cancels_is_cancelled(app: Traced) -> None:
    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    async with bgjobs.run(app.config(forever)) as bg:
        job = await bg.enqueue(forever.request())
        await app.recorder.wait_for(JobStarted)
        await bg.admin.cancel(job.id, reason=SECRET)
        await bg.drain()
    span = app.sight.span("process forever")
    assert told(span) == (0, "cancelled", None, StatusCode.UNSET)
    assert SECRET not in span.to_json()
    assert outcomes(app.sight, "forever") == {"cancelled": 1}


async def test_a_result_that_somebody_else_s_has_overtaken_is_lost(app: Traced) -> None:
    other = app.open_store()

    @bgjobs.worker
    def overtaken(context: bgjobs.JobContext) -> None:
        if context.job.reservations == 1:
            other.write((), [put_back(context.job)])

    try:
        assert await run_one(app, overtaken) == [
            (0, "lost", "reservation_lost", StatusCode.ERROR),
            (0, "succeeded", None, StatusCode.UNSET),
        ]
    finally:
        other.close()
    assert outcomes(app.sight, "overtaken") == {"lost": 1, "succeeded": 1}


def test_the_next_attempt_may_begin_before_the_end_of_the_last_is_told(sight: Sight) -> None:
    """It is tried again at once, by another slot, while its end is being committed."""
    now = datetime.now(UTC)
    first = Job(
        id=UUID(int=1), name="work", payload="{}", created_at=now, available_at=now,
        reserved_at=now, reserved_by=UUID(int=2), reservations=1,
    )  # fmt: skip
    second = attrs.evolve(first, attempts=1, reservations=2)
    sight.tell(
        JobStarted("q", first),
        JobStarted("q", second),
        JobAttemptFailed("q", first, "LookupError: x", timedelta(0)),
        JobSucceeded("q", second, 0.5),
    )
    assert [told(span)[:2] for span in sight.spans()] == [(0, "retried"), (1, "succeeded")]


class Fatal(BaseException):
    """What is no error of a handler."""


async def test_a_queue_that_goes_down_ends_its_spans(sqlite_app: Traced) -> None:
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
    sight = sqlite_app.sight
    for worker in ("deadly", "beside"):
        assert [told(span) for span in sight.spans(f"process {worker}")] == [
            (0, "cut_off", "cut_off", StatusCode.ERROR),
            (0, "succeeded", None, StatusCode.UNSET),
        ]
    assert sight.value("bgjobs.released_by_monitor", kind="deadly") == 1


async def test_what_a_cancelled_application_was_running_is_cut_off(sqlite_app: Traced) -> None:
    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        async with bgjobs.run(sqlite_app.config(forever)) as bg:
            await bg.enqueue(forever.request())
            await sqlite_app.recorder.wait_for(JobStarted)
            scope.cancel()
    span = sqlite_app.sight.span("process forever")
    assert told(span) == (0, "cut_off", "cut_off", StatusCode.ERROR)
    assert sqlite_app.sight.telemetry._spans._begun == {}


async def test_the_length_of_a_span_is_that_of_the_handler(sqlite_app: Traced) -> None:
    """Not until the commit, which may wait for a database that is away."""

    @bgjobs.worker
    async def work() -> None:
        await anyio.sleep(0.01)

    await run_one(sqlite_app, work)
    span = sqlite_app.sight.span("process work")
    assert span.start_time is not None
    assert span.end_time is not None
    [ended] = sqlite_app.recorder.of(JobSucceeded)
    assert span.end_time - span.start_time == int(ended.seconds * 1e9)


@bgjobs.worker
async def quoting() -> None:
    raise ValueError(f"no card\n\n{SECRET}")


async def test_the_text_of_an_error_is_not_shown(sqlite_app: Traced) -> None:
    await run_one(sqlite_app, quoting, queue={"max_retries": 0})
    shown = [span.to_json() for span in sqlite_app.sight.spans()]
    shown.append(repr(sqlite_app.sight.metrics()))
    assert SECRET not in "".join(shown)


async def test_the_text_of_an_error_is_shown_where_it_is_asked_for(
    sqlite_file: SQLiteFile,
) -> None:
    sight = Sight(error_texts=True)
    await run_one(Traced(sqlite_file, sight), quoting, queue={"max_retries": 0})
    [event] = sight.span("process quoting").events
    sight.close()
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
def test_the_type_of_an_error_is_what_its_text_begins_with(text: str, found: str) -> None:
    assert error_type(text) == found
