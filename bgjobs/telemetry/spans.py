"""One span for each attempt, linked to the span in which its job was enqueued.

The event that ends an attempt may arrive in another task than the one that began it, so the
context that was attached in the task of the slot cannot be detached there. Instead each attempt
attaches a new context, made from an empty one, which hides whatever the last handler left.
"""

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
from bgjobs._core.text import visible
from bgjobs.events import JobProgressed, JobStarted
from bgjobs.telemetry.attributes import (
    ATTEMPT,
    CREATE,
    ERROR_TYPE,
    GROUP,
    MESSAGE_ID,
    OPERATION_TYPE,
    OUTCOME,
    PARENT,
    PROCESS,
    PROGRESS_DONE,
    PROGRESS_TOTAL,
    SCHEDULED_JOB,
    AttemptEnd,
    messaging,
)

_log = logging.getLogger("bgjobs.telemetry")

_SECOND: Final = 1_000_000_000
# Not the propagators of the application: baggage may be private, and would be stored.
_W3C: Final = TraceContextTextMapPropagator()
_STATE = "tracestate"

_EMPTY: Final = Context()
"""The parent context of handlers, so that they inherit nothing from the application."""


@final
@frozen(eq=False)
class OpenSpan:
    """The span of an attempt whose end is not stored yet."""

    event: JobStarted
    span: Span
    started: float
    """Seconds of the monotonic clock, from which the length is computed."""
    started_at: int
    """Nanoseconds since the epoch, which spans use."""


@final
class Spans:
    """Starts and ends the spans of one application."""

    def __init__(self, tracer: Tracer, *, error_texts: bool) -> None:
        self._tracer = tracer
        self._error_texts = error_texts
        # By reservation, not by job: a job that is retried at once may start before the event
        # that ends its last attempt.
        self._open: dict[tuple[UUID, int], OpenSpan] = {}

    def stamp(self, request: JobRequest) -> JobRequest:
        """Return the request with the context of a new producer span.

        The span ends here, as the job is stored later and perhaps in a batch.
        """
        attributes = {**messaging(CREATE, request.name), OPERATION_TYPE: CREATE}
        name = f"{CREATE} {request.name}"
        span = self._tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)
        stamped = with_trace_context(request, span)
        span.end()
        return stamped

    def start(self, event: JobStarted) -> None:
        """Start a span and make it current in this task, in which the handler runs."""
        started, started_at = perf_counter(), time_ns()
        job = event.job
        span = self._tracer.start_span(
            f"{PROCESS} {job.name}",
            _EMPTY,
            SpanKind.CONSUMER,
            _attributes(event.queue, job),
            trace_links(job.metadata),
            start_time=started_at,
        )
        attach(set_span_in_context(span, _EMPTY))
        self._open[_key(job)] = OpenSpan(event, span, started, started_at)

    def progressed(self, event: JobProgressed) -> None:
        """Set how far an attempt has come, without the note, which may quote arguments."""
        found = self._open.get(_key(event.job))
        if found is None:
            return
        found.span.set_attribute(PROGRESS_DONE, event.progress.done)
        if event.progress.total is not None:
            found.span.set_attribute(PROGRESS_TOTAL, event.progress.total)

    def end(self, job: Job, end: AttemptEnd, ran: float | None = None) -> float | None:
        """End the span of an attempt.

        Args:
            job: The job as it was reserved.
            end: How the attempt ended.
            ran: Seconds that the handler ran; None ends the span now.

        Returns:
            The length of the span in seconds, or None if no span was started for the attempt,
            for example because its queue was stopping.
        """
        found = self._open.pop(_key(job), None)
        if found is None:
            return None
        seconds = perf_counter() - found.started if ran is None else ran
        if found.span.is_recording():
            self._describe(found.span, end)
        found.span.end(found.started_at + int(seconds * _SECOND))
        return seconds

    def open_of(self, owner: UUID) -> list[JobStarted]:
        """Return the events that started the open spans of an owner."""
        events = [one.event for one in list(self._open.values())]
        return [event for event in events if event.job.reserved_by == owner]

    def _describe(self, span: Span, end: AttemptEnd) -> None:
        span.set_attribute(OUTCOME, end.outcome)
        if end.error_type is None:
            return
        span.set_attribute(ERROR_TYPE, end.error_type)
        span.set_status(StatusCode.ERROR)
        if self._error_texts and end.error:
            summary, _, trace = end.error.partition("\n\n")
            exception = {
                "exception.type": end.error_type,
                "exception.message": summary.removeprefix(f"{end.error_type}: "),
                "exception.stacktrace": trace,
            }
            span.add_event("exception", exception)


def with_trace_context(request: JobRequest, span: Span) -> JobRequest:
    """Return the request with the context of the span as W3C headers in its metadata.

    The headers are those of https://www.w3.org/TR/trace-context/. The request is returned as it
    is if the span has no valid context or the metadata has no room for the headers.
    """
    headers: dict[str, str] = {}
    _W3C.inject(headers, set_span_in_context(span, _EMPTY))
    if not headers:
        return request
    if _STATE in dict(request.options.metadata):  # from an earlier stamp, of another trace
        headers.setdefault(_STATE, "")
    try:
        return request.with_metadata(**headers)
    except ValueError:  # a job without its trace is better than no job
        _log.warning(
            "the metadata of a job of %s has no room for a trace context; "
            "its span will have no link",
            visible(request.name),
        )
        return request


def trace_links(metadata: Mapping[str, str]) -> Sequence[Link]:
    """Return the link to the span whose context the metadata has; empty if it has none."""
    if not metadata:
        return ()
    carried = get_current_span(_W3C.extract(metadata, _EMPTY)).get_span_context()
    return (Link(carried),) if carried.is_valid else ()


def _key(job: Job) -> tuple[UUID, int]:
    return job.id, job.reservations


def _attributes(queue: str, job: Job) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        **messaging(PROCESS, job.name),
        OPERATION_TYPE: PROCESS,
        GROUP: queue,
        MESSAGE_ID: str(job.id),
        ATTEMPT: job.attempts + 1,
    }
    if job.occurrence is not None:
        attributes[SCHEDULED_JOB] = job.occurrence.recurrence.name
    if job.parent_id is not None:
        attributes[PARENT] = str(job.parent_id)
    return attributes
