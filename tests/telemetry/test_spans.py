"""Spans: current while the handler runs, and linked to the span of the producer."""

import logging
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceState, use_span

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.requests import LONGEST_METADATA
from bgjobs.events import Event, JobProgressed, JobStarted
from bgjobs.telemetry import Telemetry
from bgjobs.testing.contract.steps import NOW
from tests.telemetry.conftest import Exports, Traced

pytestmark = pytest.mark.anyio
ONE_SLOT = {"concurrency": 1}


def attribute(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {})[name]


def children(exports: Exports, parent: ReadableSpan) -> list[str]:
    assert parent.context is not None
    return [
        span.name
        for span in exports.spans()
        if span.parent is not None and span.parent.span_id == parent.context.span_id
    ]


async def test_spans_of_a_handler_are_children_of_its_attempt(app: Traced) -> None:
    exports = app.exports

    @bgjobs.worker
    async def waits(name: str) -> None:
        with exports.tracer.start_as_current_span(name):
            await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(in_a_task, name)

    async def in_a_task(name: str) -> None:
        exports.tracer.start_span(f"{name}, task").end()

    @bgjobs.worker
    def in_thread(name: str) -> None:
        exports.tracer.start_span(name).end()

    async with bgjobs.run(app.config(waits, in_thread)) as bg:
        for name in ("a", "b"):
            await bg.enqueue(waits.request(name))
            await bg.enqueue(in_thread.request(name))
        await bg.drain()
    found = [children(exports, span) for span in exports.spans("process waits")]
    assert sorted(found) == [["a", "a, task"], ["b", "b, task"]]
    found = [children(exports, span) for span in exports.spans("process in_thread")]
    assert sorted(found) == [["a"], ["b"]]


async def test_the_context_of_a_job_does_not_reach_the_next_job_of_its_slot(
    sqlite_app: Traced,
) -> None:
    seen: list[tuple[str, object, str]] = []

    @bgjobs.worker
    async def leaky(number: int) -> None:
        span = trace.get_current_span()
        assert isinstance(span, ReadableSpan)
        seen.append(
            (attribute(span, "messaging.message.id"), baggage.get_baggage("k"), span.name)
        )
        context.attach(baggage.set_baggage("k", number))
        context.attach(
            trace.set_span_in_context(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT))
        )

    config = sqlite_app.config(leaky, queue=ONE_SLOT)
    async with bgjobs.run(config) as bg:
        jobs = await bg.enqueue_many(leaky.request(number) for number in range(5))
        await bg.drain()
    assert seen == [(str(job.id), None, "process leaky") for job in jobs]
    assert all(span.parent is None for span in sqlite_app.exports.spans("process leaky"))


async def test_the_span_around_run_is_no_parent_and_stays_current(
    sqlite_app: Traced,
) -> None:
    @bgjobs.worker
    async def work() -> None: ...

    exports = sqlite_app.exports
    with exports.tracer.start_as_current_span("main") as main:
        async with bgjobs.run(sqlite_app.config(work)) as bg:
            await bg.enqueue(work.request())
            await bg.drain()
            assert trace.get_current_span() is main
    assert exports.span("process work").parent is None


async def test_other_listeners_receive_the_start_inside_the_span(sqlite_app: Traced) -> None:
    names: list[str] = []

    def listener(event: Event) -> None:
        if isinstance(event, JobStarted):
            span = trace.get_current_span()
            assert isinstance(span, ReadableSpan)
            names.append(span.name)

    @bgjobs.worker
    async def work() -> None: ...

    async with bgjobs.run(sqlite_app.config(work, listeners=[listener])) as bg:
        await bg.enqueue(work.request())
        await bg.drain()
    assert names == ["process work"]


@bgjobs.worker
async def mail(to: str) -> None: ...


def context_of(span: ReadableSpan) -> SpanContext:
    context: SpanContext | None = span.context
    assert context is not None
    return context


def linked(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


async def test_the_link_goes_through_the_row(app: Traced) -> None:
    """One application enqueues, another one runs the job."""
    producer = Exports()
    only = app.database.store()
    enqueues = producer.telemetry.instrument(bgjobs.Config(store=only, enqueue_only=[mail]))
    async with bgjobs.run(enqueues) as bg:
        with producer.tracer.start_as_current_span("request") as request:
            await bg.enqueue(mail.request("ada@example.com"))
    async with bgjobs.run(app.config(mail)) as bg:
        await bg.drain()

    created, processed = producer.span("create mail"), app.exports.span("process mail")
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


async def test_a_job_without_a_stamp_has_a_span_without_a_link(sqlite_app: Traced) -> None:
    async with bgjobs.run(unstamped(sqlite_app)) as bg:
        await bg.enqueue(mail.request("a"))
        await bg.drain()
    assert sqlite_app.exports.span("process mail").links == ()


async def test_requests_of_enqueue_in_are_stamped_explicitly(sqlite_app: Traced) -> None:
    store = bgjobs.SQLiteStore(sqlite_app.database.path)  # type: ignore[attr-defined]  # the database of this fixture is a file
    async with bgjobs.run(sqlite_app.config(mail)):
        pass  # this migrates the tables
    with sqlite_app.database.connect() as connection:
        store.enqueue_in(connection, [sqlite_app.exports.telemetry.stamp(mail.request("a"))])
    connection.close()
    async with bgjobs.run(sqlite_app.config(mail)) as bg:
        await bg.drain()
    created = context_of(sqlite_app.exports.span("create mail"))
    assert linked(sqlite_app.exports.span("process mail")) == [
        (created.trace_id, created.span_id)
    ]


async def test_the_before_enqueue_of_the_configuration_runs_first(sqlite_app: Traced) -> None:
    config = sqlite_app.config(
        mail, before_enqueue=lambda request: request.with_metadata(by="us")
    )
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(mail.request("a"))
    assert job.metadata["by"] == "us"
    assert "traceparent" in job.metadata


def stamped(exports: Exports, request: bgjobs.JobRequest) -> dict[str, str]:
    return dict(exports.telemetry.stamp(request).options.metadata)


def test_the_state_of_an_earlier_trace_is_dropped(exports: Exports) -> None:
    old = mail.request("a").with_metadata(traceparent="00-" + "1" * 32, tracestate="a=1")
    metadata = stamped(exports, old)
    assert metadata["tracestate"] == ""
    assert metadata["traceparent"] != "00-" + "1" * 32


def test_the_state_of_the_trace_is_kept(exports: Exports) -> None:
    remote = SpanContext(1, 2, is_remote=True, trace_state=TraceState([("vendor", "x")]))
    with use_span(NonRecordingSpan(remote)):
        metadata = stamped(exports, mail.request("a"))
    assert metadata["tracestate"] == "vendor=x"


def test_a_request_without_room_for_the_headers_is_returned_as_it_is(
    exports: Exports, caplog: pytest.LogCaptureFixture
) -> None:
    full = mail.request("a").with_metadata(k="x" * (LONGEST_METADATA - 1))
    assert exports.telemetry.stamp(full) == full
    assert caplog.record_tuples == [
        (
            "bgjobs.telemetry",
            logging.WARNING,
            (
                "the metadata of a job of mail has no room for a trace context; "
                "its span will have no link"
            ),
        )
    ]


def test_without_an_sdk_a_request_is_returned_as_it_is() -> None:
    request = mail.request("a")
    assert Telemetry().stamp(request) is request


@pytest.mark.parametrize("text", ["", "nonsense", "00-0-0-00", "x" * 600])
async def test_an_unreadable_context_is_no_link(sqlite_app: Traced, text: str) -> None:
    async with bgjobs.run(unstamped(sqlite_app)) as bg:
        await bg.enqueue(mail.request("a").with_metadata(traceparent=text))
        await bg.drain()
    assert sqlite_app.exports.span("process mail").links == ()


async def test_a_span_has_the_last_progress_of_its_attempt(app: Traced) -> None:
    @bgjobs.worker
    async def counting(context: bgjobs.JobContext) -> None:
        await context.report_progress(context.attempt, 7, "a note that may be private")
        if context.attempt == 1:
            raise ValueError
        await context.report_progress(context.attempt + 0.5)

    async with bgjobs.run(app.config(counting)) as bg:
        await bg.enqueue(counting.request())
        await bg.drain()
    first, second = app.exports.spans("process counting")
    assert attribute(first, "bgjobs.progress.done") == 1
    assert attribute(first, "bgjobs.progress.total") == 7
    assert attribute(second, "bgjobs.progress.done") == 2.5
    assert "private" not in first.to_json() + second.to_json()


async def test_progress_without_a_span_is_left_out(app: Traced) -> None:
    """A queue that was stopping had ended it."""
    job = bgjobs.Job(
        id=new_id(), name="x", payload="[]", created_at=NOW, available_at=NOW, reservations=1
    )
    progress = bgjobs.Progress(done=1, reported_at=NOW)
    app.exports.send(JobProgressed("default", job, progress))
    assert not app.exports.spans()
