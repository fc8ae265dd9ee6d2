"""The attributes of spans and metrics, and how an event maps to an outcome."""

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
SCHEDULED_JOB = "bgjobs.scheduled_job"

BGJOBS = "bgjobs"
"""The system, and the name under which spans and metrics are told to come from here."""
CREATE = "create"
SEND = "send"
PROCESS = "process"

OTHER_ERROR = "_OTHER"
"""What the conventions say for an error whose type is not known."""


def messaging(operation: str, worker: str) -> dict[str, str]:
    """Give what is said of every operation on a job of this worker."""
    return {SYSTEM: BGJOBS, OPERATION: operation, DESTINATION: worker}


JobEnded = (
    JobSucceeded
    | JobAttemptFailed
    | JobFailed
    | JobDiscarded
    | JobCancelled
    | JobSnoozed
    | JobReleased
    | ReservationLost
)

OUTCOMES: Mapping[type[JobEnded], str] = {
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
"""How an error begins that a handler raised; other texts are whole sentences."""


@final
@frozen
class Ending:
    """How an attempt ended: well, or with an error."""

    outcome: str
    error_type: str | None = None
    """Set exactly when it is to be shown as an error."""
    error: str = field(default="", repr=False)
    """Its text, which may quote arguments."""


CUT_OFF = Ending("cut_off", "cut_off")
"""The queue ended first; what becomes of the job is told later, by whoever gives it back."""


def ending_of(event: JobEnded) -> Ending:
    """Say how an attempt ended.

    What a handler or an operator has ordered is no error, nor is a stop. A result that could
    not be written is one.
    """
    match event:
        case JobAttemptFailed(error=error) | JobFailed(error=error):
            return Ending(OUTCOMES[type(event)], error_type(error), error)
        case ReservationLost():
            return Ending(OUTCOMES[type(event)], "reservation_lost")
        case _:
            return Ending(OUTCOMES[type(event)])


def error_type(text: str) -> str:
    """Give the type that the text of an error begins with."""
    found = _TYPE.match(text)
    return OTHER_ERROR if found is None else found["type"]
