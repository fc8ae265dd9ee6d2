"""One span for each attempt, linked to the span in which its job was enqueued."""

import logging
from collections.abc import Mapping, Sequence
from time import perf_counter, time_ns
from typing import Final, final
from uuid import UUID

from attrs import frozen
from opentelemetry.context import Context, attach
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bgjobs import Job, JobRequest
from bgjobs.events import JobStarted
from bgjobs.telemetry.attributes import (
    ATTEMPT,
    CREATE,
    ERROR_TYPE,
    GROUP,
    MESSAGE_ID,
    OPERATION_TYPE,
    OUTCOME,
    PROCESS,
    SCHEDULED_JOB,
    Ending,
    messaging,
)
from bgjobs.visible import visible

_SECOND: Final = 1_000_000_000


@final
@frozen(eq=False)
class Begun:
    """An attempt whose handler is running, or whose end is not stored yet."""

    event: JobStarted
    span: Span
    started: float
    """By the monotonic clock, which gives the length."""
    started_at: int
    """In nanoseconds of the epoch, for the span."""


@final
class Spans:
    """Begins and ends the spans of one application."""

    def __init__(self, tracer: Tracer, *, error_texts: bool) -> None:
        self._tracer = tracer
        self._error_texts = error_texts
        # By reservation: a job that is tried again at once may start before the end of its
        # last attempt has been told.
        self._begun: dict[tuple[UUID, int], Begun] = {}

    def stamp(self, request: JobRequest) -> JobRequest:
        """Let a request carry a span of its own, made where it is asked for.

        It is as short as the call: storing the job comes later, and may be a batch.
        """
        attributes = {**messaging(CREATE, request.name), OPERATION_TYPE: CREATE}
        name = f"{CREATE} {request.name}"
        span = self._tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)
        stamped = carrying(request, span)
        span.end()
        return stamped

    def begin(self, event: JobStarted) -> None:
        """Begin a span and make it current in this task, for its handler."""
        started, started_at = perf_counter(), time_ns()
        job = event.job
        span = self._tracer.start_span(
            f"{PROCESS} {job.name}",
            NO_CONTEXT,
            SpanKind.CONSUMER,
            _attributes(event.queue, job),
            links(job.metadata),
            start_time=started_at,
        )
        attach(set_span_in_context(span, NO_CONTEXT))
        self._begun[_key(job)] = Begun(event, span, started, started_at)

    def end(self, job: Job, ending: Ending, ran: float | None = None) -> float | None:
        """End the span of an attempt, and say how many seconds it took.

        `ran` is how long its handler ran, where that is known; else it is taken until now.
        None for an attempt that was never begun, as its queue was stopping, say.
        """
        begun = self._begun.pop(_key(job), None)
        if begun is None:
            return None
        seconds = perf_counter() - begun.started if ran is None else ran
        if begun.span.is_recording():
            self._describe(begun.span, ending)
        begun.span.end(begun.started_at + int(seconds * _SECOND))
        return seconds

    def unended(self, owner: UUID) -> list[JobStarted]:
        """Give the attempts of an owner whose end was not told."""
        begun = [one.event for one in list(self._begun.values())]
        return [event for event in begun if event.job.reserved_by == owner]

    def _describe(self, span: Span, ending: Ending) -> None:
        span.set_attribute(OUTCOME, ending.outcome)
        if ending.error_type is None:
            return
        span.set_attribute(ERROR_TYPE, ending.error_type)
        span.set_status(StatusCode.ERROR)
        if self._error_texts and ending.error:
            summary, _, trace = ending.error.partition("\n\n")
            exception = {
                "exception.type": ending.error_type,
                "exception.message": summary.removeprefix(f"{ending.error_type}: "),
                "exception.stacktrace": trace,
            }
            span.add_event("exception", exception)


def _key(job: Job) -> tuple[UUID, int]:
    return job.id, job.reservations


def _attributes(queue: str, job: Job) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        **messaging(PROCESS, job.name),
        OPERATION_TYPE: PROCESS,
        GROUP: queue,
        MESSAGE_ID: str(job.id),
        ATTEMPT: job.attempts,
    }
    if job.occurrence is not None:
        attributes[SCHEDULED_JOB] = job.occurrence.plan.name
    return attributes


_log = logging.getLogger("bgjobs.telemetry")

# Not the application's own propagators: baggage may be private, and would stand in the row.
_W3C: Final = TraceContextTextMapPropagator()
_STATE = "tracestate"

NO_CONTEXT: Final = Context()
"""What stands around a handler: nothing of whoever started the application."""


def carrying(request: JobRequest, span: Span) -> JobRequest:
    """Return a request with the context of this span, if there is one and it fits."""
    headers: dict[str, str] = {}
    _W3C.inject(headers, set_span_in_context(span, NO_CONTEXT))
    if not headers:
        return request
    if _STATE in dict(request.options.metadata):  # of an earlier stamp, and another trace
        headers.setdefault(_STATE, "")
    try:
        return request.with_metadata(**headers)
    except ValueError:  # no trace is worth a job that is not stored
        _log.warning("a job of %s has no room for a trace context", visible(request.name))
        return request


def links(metadata: Mapping[str, str]) -> Sequence[Link]:
    """Give the link to the span that a job carries; none when it carries none."""
    if not metadata:
        return ()
    carried = get_current_span(_W3C.extract(metadata, NO_CONTEXT)).get_span_context()
    return (Link(carried),) if carried.is_valid else ()
