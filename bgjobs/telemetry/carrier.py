"""The trace context of whoever enqueues a job, in the job's metadata, as W3C headers."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bgjobs import JobRequest
from bgjobs._core.text import visible

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
