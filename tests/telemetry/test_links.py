"""The span of an attempt links to the span in which its job was enqueued, through the row."""

import logging

import attrs
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceState, use_span

import bgjobs
from bgjobs._core.requests import LONGEST_METADATA
from bgjobs.telemetry import Telemetry
from tests.telemetry.conftest import Sight, Traced

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def mail(to: str) -> None: ...


def context_of(span: ReadableSpan) -> SpanContext:
    context: SpanContext | None = span.context
    assert context is not None
    return context


def linked(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


async def test_the_link_goes_through_the_row(app: Traced) -> None:
    """One application enqueues, another one on the same database runs."""
    producer = Sight()
    only = app.database.store()
    enqueues = producer.telemetry.instrument(bgjobs.Config(store=only, enqueue_only=[mail]))
    async with bgjobs.run(enqueues) as bg:
        with producer.tracer.start_as_current_span("request") as request:
            await bg.enqueue(mail.request("ada@example.com"))
    async with bgjobs.run(app.config(mail)) as bg:
        await bg.drain()

    created, processed = producer.span("create mail"), app.sight.span("process mail")
    assert created.parent is not None
    assert created.parent.span_id == request.get_span_context().span_id
    assert created.kind is SpanKind.PRODUCER
    assert processed.kind is SpanKind.CONSUMER
    assert processed.parent is None
    assert context_of(processed).trace_id != context_of(created).trace_id
    assert linked(processed) == [(context_of(created).trace_id, context_of(created).span_id)]
    producer.close()


def unstamped(app: Traced) -> bgjobs.Config:
    return attrs.evolve(app.config(mail), before_enqueue=None)


async def test_a_job_that_nobody_stamped_has_a_span_without_a_link(sqlite_app: Traced) -> None:
    async with bgjobs.run(unstamped(sqlite_app)) as bg:
        await bg.enqueue(mail.request("a"))
        await bg.drain()
    assert sqlite_app.sight.span("process mail").links == ()


async def test_jobs_that_join_a_transaction_are_stamped_by_hand(sqlite_app: Traced) -> None:
    store = bgjobs.SQLiteStore(sqlite_app.database.path)  # type: ignore[attr-defined]  # the fixture's database is a file
    async with bgjobs.run(sqlite_app.config(mail)):
        pass  # the tables are there now
    with sqlite_app.database.connect() as connection:
        store.enqueue_in(connection, [sqlite_app.sight.telemetry.stamp(mail.request("a"))])
    connection.close()
    async with bgjobs.run(sqlite_app.config(mail)) as bg:
        await bg.drain()
    created = context_of(sqlite_app.sight.span("create mail"))
    assert linked(sqlite_app.sight.span("process mail")) == [
        (created.trace_id, created.span_id)
    ]


async def test_what_is_in_before_enqueue_already_goes_first(sqlite_app: Traced) -> None:
    config = sqlite_app.config(
        mail, before_enqueue=lambda request: request.with_metadata(by="us")
    )
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(mail.request("a"))
    assert job.metadata["by"] == "us"
    assert "traceparent" in job.metadata


def stamped(sight: Sight, request: bgjobs.JobRequest) -> dict[str, str]:
    return dict(sight.telemetry.stamp(request).options.metadata)


def test_the_state_of_an_earlier_trace_is_not_taken_along(sight: Sight) -> None:
    old = mail.request("a").with_metadata(traceparent="00-" + "1" * 32, tracestate="a=1")
    metadata = stamped(sight, old)
    assert metadata["tracestate"] == ""
    assert metadata["traceparent"] != "00-" + "1" * 32


def test_the_state_of_the_trace_is_kept(sight: Sight) -> None:
    remote = SpanContext(1, 2, is_remote=True, trace_state=TraceState([("vendor", "x")]))
    with use_span(NonRecordingSpan(remote)):
        metadata = stamped(sight, mail.request("a"))
    assert metadata["tracestate"] == "vendor=x"


def test_a_request_without_room_is_enqueued_all_the_same(
    sight: Sight, caplog: pytest.LogCaptureFixture
) -> None:
    full = mail.request("a").with_metadata(k="x" * (LONGEST_METADATA - 1))
    assert sight.telemetry.stamp(full) == full
    assert caplog.record_tuples == [
        ("bgjobs.telemetry", logging.WARNING, "a job of mail has no room for a trace context")
    ]


def test_without_an_sdk_a_request_stays_as_it_is() -> None:
    request = mail.request("a")
    assert Telemetry().stamp(request) is request


@pytest.mark.parametrize("text", ["", "nonsense", "00-0-0-00", "x" * 600])
async def test_a_context_that_cannot_be_read_is_no_link(sqlite_app: Traced, text: str) -> None:
    async with bgjobs.run(unstamped(sqlite_app)) as bg:
        await bg.enqueue(mail.request("a").with_metadata(traceparent=text))
        await bg.drain()
    assert sqlite_app.sight.span("process mail").links == ()
