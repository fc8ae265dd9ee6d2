"""`log_listener`: every event as a line of the standard library's logging."""

import logging
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import attrs

from bgjobs.events import (
    CancellationIgnored,
    ChildCrashed,
    ChildGaveUp,
    ClockSkew,
    Event,
    ListenerFailed,
    LoopLag,
    NoWorkerForJob,
    OccurrencesMissed,
    OwnerDied,
    QueueError,
    ReservationLost,
    SetupFailed,
    StoreCalled,
    StoreFailed,
    StoreResponded,
)
from bgjobs.jobs import StoredJob

_logger = logging.getLogger("bgjobs")

_DEBUG = (StoreCalled, StoreResponded)
_WARNING = (
    OccurrencesMissed,
    ReservationLost,
    OwnerDied,
    LoopLag,
    ClockSkew,
    CancellationIgnored,
)
_ERROR = (
    QueueError,
    StoreFailed,
    SetupFailed,
    NoWorkerForJob,
    ChildCrashed,
    ChildGaveUp,
    ListenerFailed,
)


def log_listener(event: Event) -> None:
    """Log an event to the logger ``bgjobs`` as ``Event|key:value|key:value``.

    Store calls are DEBUG; what happens to jobs, good or bad, is INFO; what needs a look is
    WARNING; errors of the application and of the store are ERROR.
    Of a job its id, worker and attempt are shown, of an error its type; never a payload, and
    never the text of an error, which may quote one. That text is kept with the job.
    """
    level = level_of(event)
    if _logger.isEnabledFor(level):
        line = "|".join([type(event).__name__, *map(_escaped, _fields(event))])
        _logger.log(level, "%s", line)


def level_of(event: Event) -> int:
    """Give the logging level of an event."""
    if isinstance(event, _DEBUG):
        return logging.DEBUG
    if isinstance(event, _WARNING):
        return logging.WARNING
    if isinstance(event, _ERROR):
        return logging.ERROR
    return logging.INFO


def _fields(event: Event) -> list[str]:
    shown: list[str] = []
    for field in attrs.fields(type(event)):
        value = getattr(event, field.name)
        if isinstance(value, StoredJob):
            shown += [f"job:{value.id}", f"worker:{value.name}", f"attempt:{value.attempts}"]
        elif field.repr:
            shown.append(f"{field.name}:{_text(value)}")
    return shown


def _text(value: Any) -> str:
    # Any: the fields of an event are of many types.
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, tuple):
        return ",".join(map(str, cast("tuple[object, ...]", value)))
    return str(value) if isinstance(value, str | int | UUID) or value is None else repr(value)


def _escaped(text: str) -> str:
    """Keep a name from another program from making fields and lines, or moving the cursor."""
    if text.isprintable() and "|" not in text:
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character == "|":
        return "\\x7c"
    return character if character.isprintable() else ascii(character)[1:-1]
