"""The attributes that spans and metrics carry, by the conventions for messaging systems.

A job is a message there, its worker the destination that it is sent to, and a queue the group
of those that consume it. These conventions are still being developed.
"""

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
