"""What happened to one job, as spans of time that follow each other.

The timeline of a job has what its row has: the last 100 reservations without success, and the
last 20 errors.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Literal, TypeAlias, final

from attrs import frozen

import bgjobs
from bgjobs._core.timeline import WAITS

SpanKind: TypeAlias = Literal["waited", "attempt", "pause", "ended"]
"""Due or delayed; reserved; between two attempts; between an end and the retry by a person."""
_ENDS = ("succeeded", "failed for good", "cancelled")
_RESERVED = " reserved"


@final
@frozen
class Span:
    """A time in the life of a job."""

    kind: SpanKind
    label: str
    """What it was: ``waited``, ``attempt 1``, ``pause``, or how the job had ended."""
    start: datetime
    end: datetime
    outcome: str
    """How an attempt ended; ``running``, or ``not known``; empty for other spans."""
    is_open: bool
    """Whether it goes on."""
    queue: str | None
    node: str | None
    error: str | None
    """The error of the attempt, or why the job had ended."""
    by: str | None
    """Who had cancelled or retried the job at its start."""

    @property
    def length(self) -> timedelta:
        """How long it took so far."""
        return self.end - self.start


@final
@frozen
class Life:
    """All that is known of the life of a job."""

    spans: Sequence[Span]
    """Oldest first; each begins where the one before ends."""
    end: bgjobs.TimelineEntry | None
    """How the job has ended; None for a live job."""
    due: datetime | None
    """When a waiting job is due, if that is in the future."""
    runs_backwards: bool
    """Whether a time was before an earlier event, as the clocks of machines differ; it is then
    shown as the time of that event."""

    @property
    def attempts(self) -> Sequence[Span]:
        """The spans in which a queue had the job."""
        return [span for span in self.spans if span.kind == "attempt"]


@final
@frozen
class _Event:
    """An entry of the timeline with its time, which is not before that of the previous one."""

    at: datetime
    entry: bgjobs.TimelineEntry

    @property
    def what(self) -> str:
        return self.entry.what

    @property
    def attempt(self) -> str:
        """The beginning of the texts about its attempt: ``attempt 1``."""
        return " ".join(self.what.split(" ")[:2])


def life(job: bgjobs.AnyJob, entries: Sequence[bgjobs.TimelineEntry], now: datetime) -> Life:
    """Return the life of a job.

    Args:
        job: A live or an ended job.
        entries: Its timeline, from `Client.timeline` or `bgjobs.timeline`. What happened to
            its children is left out, and that it waits for them.
        now: The time until which a live job has waited or run.
    """
    own = [entry for entry in entries if entry.child is None and entry.what != WAITS]
    times = accumulate((entry.at for entry in own), max)
    events = [_Event(at, entry) for at, entry in zip(times, own, strict=True)]
    is_live, last = isinstance(job, bgjobs.Job), events[-1]
    is_ahead = last.what == "due" and last.at > now
    return Life(
        spans=[*_spans(events, now if is_live and not is_ahead else None)],
        end=None if is_live else last.entry,
        due=last.at if is_ahead else None,
        runs_backwards=any(event.at != event.entry.at for event in events),
    )


def _spans(events: Sequence[_Event], now: datetime | None) -> Iterator[Span]:
    """Yield what is between events, and what is after the last one until `now`."""
    before: _Event | None = None
    for event, following in zip(events, [*events[1:], None], strict=True):
        kind = _kind(event.what)
        if kind == "pause" and (before is None or before.what != event.attempt + _RESERVED):
            yield _span("attempt", event, event, event.at)  # only its error is known
        if following is not None:
            until = following.at
            if until > event.at or _counts(kind, following):
                yield _span(kind, event, following, until)
        elif now is not None:
            yield _span(kind, event, None, max(now, event.at))
        before = event


def _counts(kind: SpanKind, following: _Event) -> bool:
    """Whether a span without a duration is shown."""
    return kind == "attempt" or (kind == "waited" and following.what != "due")


def _kind(what: str) -> SpanKind:
    if what in _ENDS:
        return "ended"
    if what.startswith("attempt "):
        return "attempt" if what.endswith(_RESERVED) else "pause"
    return "waited"


def _span(kind: SpanKind, event: _Event, following: _Event | None, end: datetime) -> Span:
    is_attempt, entry = kind == "attempt", event.entry
    failure = following.entry.error if is_attempt and following is not None else None
    return Span(
        kind=kind,
        label=_label(kind, event, following),
        start=event.at,
        end=end,
        outcome=_outcome(event, following) if is_attempt else "",
        is_open=following is None,
        queue=entry.queue if is_attempt else None,
        node=entry.node if is_attempt else None,
        error=failure if is_attempt else entry.error if kind == "ended" else None,
        by=entry.by,
    )


def _label(kind: SpanKind, event: _Event, following: _Event | None) -> str:
    if kind == "attempt":
        return event.attempt
    if kind == "ended":
        return event.what
    if kind == "pause":
        return "pause"
    return "delayed" if following is not None and following.what == "due" else "waited"


def _outcome(event: _Event, following: _Event | None) -> str:
    if following is None:
        return "running"
    if following.what in _ENDS:
        return following.what
    if following.attempt == event.attempt:
        return following.what.removeprefix(event.attempt).strip()
    return "not known"
