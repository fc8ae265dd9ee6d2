"""The span is current while the handler runs, and only for that job."""

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan

import bgjobs
from bgjobs.events import Event, JobStarted
from tests.telemetry.conftest import Sight, Traced

pytestmark = pytest.mark.anyio
ONE_SLOT = {"concurrency": 1}


def attribute(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {})[name]


def children(sight: Sight, parent: ReadableSpan) -> list[str]:
    assert parent.context is not None
    return [
        span.name
        for span in sight.spans()
        if span.parent is not None and span.parent.span_id == parent.context.span_id
    ]


async def test_spans_of_a_handler_nest_beneath(app: Traced) -> None:
    sight = app.sight

    @bgjobs.worker
    async def waits(name: str) -> None:
        with sight.tracer.start_as_current_span(name):
            await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(in_a_task, name)

    async def in_a_task(name: str) -> None:
        sight.tracer.start_span(f"{name}, task").end()

    @bgjobs.worker
    def in_thread(name: str) -> None:
        sight.tracer.start_span(name).end()

    async with bgjobs.run(app.config(waits, in_thread)) as bg:
        for name in ("a", "b"):
            await bg.enqueue(waits.request(name))
            await bg.enqueue(in_thread.request(name))
        await bg.drain()
    found = [children(sight, span) for span in sight.spans("process waits")]
    assert sorted(found) == [["a", "a, task"], ["b", "b, task"]]
    found = [children(sight, span) for span in sight.spans("process in_thread")]
    assert sorted(found) == [["a"], ["b"]]


async def test_nothing_of_one_job_is_left_for_the_next_in_its_slot(sqlite_app: Traced) -> None:
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
    assert all(span.parent is None for span in sqlite_app.sight.spans("process leaky"))


async def test_who_starts_the_application_is_no_parent_and_sees_no_job(
    sqlite_app: Traced,
) -> None:
    @bgjobs.worker
    async def work() -> None: ...

    sight = sqlite_app.sight
    with sight.tracer.start_as_current_span("main") as main:
        async with bgjobs.run(sqlite_app.config(work)) as bg:
            await bg.enqueue(work.request())
            await bg.drain()
            assert trace.get_current_span() is main
    assert sight.span("process work").parent is None


async def test_other_listeners_hear_of_the_start_inside_the_span(sqlite_app: Traced) -> None:
    heard: list[str] = []

    def listener(event: Event) -> None:
        if isinstance(event, JobStarted):
            span = trace.get_current_span()
            assert isinstance(span, ReadableSpan)
            heard.append(span.name)

    @bgjobs.worker
    async def work() -> None: ...

    async with bgjobs.run(sqlite_app.config(work, listeners=[listener])) as bg:
        await bg.enqueue(work.request())
        await bg.drain()
    assert heard == ["process work"]
