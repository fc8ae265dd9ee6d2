"""`log_listener`, which writes each event to the standard library's logging."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import attrs

from bgjobs._core.jobs import StoredJob, UnreadableJob
from bgjobs._core.progress import Progress
from bgjobs._core.text import visible
from bgjobs.events import (
    CancellationIgnored,
    ChangeRefused,
    ChildCrashed,
    ClockSkew,
    Event,
    FailureHookFailed,
    JobFailed,
    JobProgressed,
    JobUnreadable,
    ListenerFailed,
    LoopLag,
    MonitorFailed,
    NoWorkerForJob,
    OccurrencesMissed,
    OwnerDied,
    QueueError,
    ReservationLost,
    RestartLimitExceeded,
    SetupFailed,
    StoreCalled,
    StoreFailed,
    StoreResponded,
)

_logger = logging.getLogger("bgjobs")

_NAMES = {"job": "job_id"}
"""Fields whose attribute of the record has another name than the field in the message."""

_DEBUG = (JobProgressed, StoreCalled, StoreResponded)
_WARNING = (
    JobFailed,
    MonitorFailed,
    OccurrencesMissed,
    ReservationLost,
    JobUnreadable,
    OwnerDied,
    LoopLag,
    ClockSkew,
    CancellationIgnored,
    ChangeRefused,
)
_ERROR = (
    QueueError,
    FailureHookFailed,
    StoreFailed,
    SetupFailed,
    NoWorkerForJob,
    ChildCrashed,
    RestartLimitExceeded,
    ListenerFailed,
)


def log_listener(event: Event) -> None:
    """Log an event to the logger ``bgjobs`` as ``Event|key:value|key:value``.

    The record has the fields as attributes, too, for formatters that write JSON:
    ``bgjobs_event_type``, and one for each field that is not None, such as ``bgjobs_job_id``,
    ``bgjobs_worker``, ``bgjobs_attempt``, ``bgjobs_queue`` and ``bgjobs_seconds``.

    Store calls and progress have the level DEBUG, the other events of jobs INFO. Events that
    need attention, such as a job that failed, have WARNING, and errors of the application and
    of the store ERROR.

    A job is logged as its id, worker and attempt, counted from 1; an error is logged as its
    type. Payloads are not logged, and neither are texts of errors, which may quote a payload;
    these are stored with the job.

    Args:
        event: The event; pass this function as ``Config(listeners=[bgjobs.log_listener])``.
    """
    level = level_of(event)
    if _logger.isEnabledFor(level):
        name, fields = type(event).__name__, dict(_fields(event))
        shown = (_escaped(f"{key}:{_text(value)}") for key, value in fields.items())
        _logger.log(level, "%s", "|".join([name, *shown]), extra=_attributes(name, fields))


def level_of(event: Event) -> int:
    """Return the logging level of an event."""
    if isinstance(event, _DEBUG):
        return logging.DEBUG
    if isinstance(event, _WARNING):
        return logging.WARNING
    if isinstance(event, _ERROR):
        return logging.ERROR
    return logging.INFO


def _fields(event: Event) -> Iterator[tuple[str, Any]]:
    # Any: the fields of an event are of many types.
    for field in attrs.fields(type(event)):
        value = getattr(event, field.name)
        if isinstance(value, StoredJob):
            yield from (
                ("job", value.id),
                ("worker", value.name),
                ("attempt", value.attempts + 1),
            )
        elif isinstance(value, UnreadableJob):
            yield from (("job", value.id), ("table", value.table), ("reason", value.reason))
        elif isinstance(value, Progress):
            yield from (("done", value.done), ("total", value.total))
        elif field.repr:
            yield field.name, value


def _attributes(name: str, fields: dict[str, Any]) -> dict[str, str | int | float]:
    """Return the fields that are not None, as attributes for all three styles of formatters."""
    known = {key: value for key, value in fields.items() if value is not None}
    return {
        "bgjobs_event_type": name,
        **{f"bgjobs_{_NAMES.get(key, key)}": _plain(value) for key, value in known.items()},
    }


def _plain(value: Any) -> str | int | float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if isinstance(value, int | float) else _escaped(_text(value))


def _text(value: Any) -> str:
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
    """Escape separators, ends of lines and control characters, which names may contain."""
    return visible(text).replace("|", "\\x7c")
