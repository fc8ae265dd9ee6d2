"""The attributes of spans and metrics, and the outcome of each event that ends an attempt.

The names follow the OpenTelemetry conventions for messaging
(https://opentelemetry.io/docs/specs/semconv/messaging/), which are still in development. In
their terms a job is a message, its worker is the destination, and a queue is the group of
consumers.
"""

import re
from collections.abc import Mapping
from typing import final

from attrs import field, frozen

from bgjobs.events import (
    JobAttemptFailed,
    JobCancelled,
    JobDiscarded,
    JobFailed,
    JobReleased,
    JobSnoozed,
    JobSucceeded,
    ReservationLost,
)

SYSTEM = "messaging.system"
OPERATION = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
GROUP = "messaging.consumer.group.name"
MESSAGE_ID = "messaging.message.id"
ERROR_TYPE = "error.type"

ATTEMPT = "bgjobs.attempt"
OUTCOME = "bgjobs.outcome"
PROGRESS_DONE = "bgjobs.progress.done"
PROGRESS_TOTAL = "bgjobs.progress.total"
SCHEDULED_JOB = "bgjobs.scheduled_job"
PARENT = "bgjobs.parent"

BGJOBS = "bgjobs"
"""The messaging system, and the instrumentation scope of all spans and metrics."""
CREATE = "create"
SEND = "send"
PROCESS = "process"

OTHER_ERROR = "_OTHER"
"""The conventional value for an error whose type is not known."""


def messaging(operation: str, worker: str) -> dict[str, str]:
    """Return the attributes that all operations on jobs of this worker have in common."""
    return {SYSTEM: BGJOBS, OPERATION: operation, DESTINATION: worker}


EndEvent = (
    JobSucceeded
    | JobAttemptFailed
    | JobFailed
    | JobDiscarded
    | JobCancelled
    | JobSnoozed
    | JobReleased
    | ReservationLost
)
"""The events that end an attempt."""

OUTCOMES: Mapping[type[EndEvent], str] = {
    JobSucceeded: "succeeded",
    JobAttemptFailed: "retried",
    JobFailed: "failed",
    JobDiscarded: "discarded",
    JobCancelled: "cancelled",
    JobSnoozed: "snoozed",
    JobReleased: "released",
    ReservationLost: "lost",
}
_TYPE = re.compile(r"(?P<type>[\w.<>]+)(?=:|\n|$)")
"""Matches the class name that begins the text of an exception; other errors are sentences."""


@final
@frozen
class AttemptEnd:
    """How an attempt ended."""

    outcome: str
    error_type: str | None = None
    """Set if the span has the status error."""
    error: str = field(default="", repr=False)
    """The text of the error, which may quote arguments."""


CUT_OFF = AttemptEnd("cut_off", "cut_off")
"""The queue ended before the attempt; the event that ends the job comes from another owner."""


def attempt_end(event: EndEvent) -> AttemptEnd:
    """Return how an attempt ended.

    Only an exception, a timeout and a lost reservation are errors. `Discard`, `Snooze`, a
    cancellation and a stop of the queue are not.
    """
    match event:
        case JobAttemptFailed(error=error) | JobFailed(error=error):
            return AttemptEnd(OUTCOMES[type(event)], error_type(error), error)
        case ReservationLost():
            return AttemptEnd(OUTCOMES[type(event)], "reservation_lost")
        case _:
            return AttemptEnd(OUTCOMES[type(event)])


def error_type(text: str) -> str:
    """Return the class name that the text of an error begins with, or `OTHER_ERROR`."""
    found = _TYPE.match(text)
    return OTHER_ERROR if found is None else found["type"]
