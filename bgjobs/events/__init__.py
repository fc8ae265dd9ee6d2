"""Events: one frozen class for each; `Event` is their union.

Listeners are called with these values. The `repr` of an event contains no payload.
"""

from collections.abc import Awaitable, Callable

from bgjobs.events.jobs import (
    CancellationIgnored,
    FailureHookFailed,
    JobAttemptFailed,
    JobCancelled,
    JobDiscarded,
    JobEnqueued,
    JobFailed,
    JobPostponed,
    JobProgressed,
    JobReleased,
    JobReserved,
    JobSnoozed,
    JobStarted,
    JobSucceeded,
    JobUnreadable,
    NoWorkerForJob,
    ReservationLost,
)
from bgjobs.events.processes import (
    AdminAction,
    ChangeRefused,
    ChildCrashed,
    ChildRestarted,
    ClockSkew,
    ListenerFailed,
    LoopLag,
    Migrated,
    MonitorFailed,
    MonitorReleased,
    MonitorReleasing,
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
    OwnerDied,
    Pruned,
    QueueError,
    QueuePaused,
    QueueResumed,
    QueueStarted,
    QueueStopped,
    RestartLimitExceeded,
    ScheduledJobPaused,
    ScheduledJobRemoved,
    ScheduledJobResumed,
    SetupFailed,
    StoreCalled,
    StoreFailed,
    StoreResponded,
)

__all__ = [
    "AdminAction",
    "CancellationIgnored",
    "ChangeRefused",
    "ChildCrashed",
    "ChildRestarted",
    "ClockSkew",
    "Event",
    "FailureHookFailed",
    "JobAttemptFailed",
    "JobCancelled",
    "JobDiscarded",
    "JobEnqueued",
    "JobFailed",
    "JobPostponed",
    "JobProgressed",
    "JobReleased",
    "JobReserved",
    "JobSnoozed",
    "JobStarted",
    "JobSucceeded",
    "JobUnreadable",
    "Listener",
    "ListenerFailed",
    "LoopLag",
    "Migrated",
    "MonitorFailed",
    "MonitorReleased",
    "MonitorReleasing",
    "NoWorkerForJob",
    "OccurrencePlanned",
    "OccurrenceReplanned",
    "OccurrencesMissed",
    "OwnerDied",
    "Pruned",
    "QueueError",
    "QueuePaused",
    "QueueResumed",
    "QueueStarted",
    "QueueStopped",
    "ReservationLost",
    "RestartLimitExceeded",
    "ScheduledJobPaused",
    "ScheduledJobRemoved",
    "ScheduledJobResumed",
    "SetupFailed",
    "StoreCalled",
    "StoreFailed",
    "StoreResponded",
]

Event = (
    JobEnqueued
    | NoWorkerForJob
    | JobReserved
    | JobStarted
    | JobPostponed
    | JobProgressed
    | JobSucceeded
    | JobAttemptFailed
    | JobFailed
    | FailureHookFailed
    | JobDiscarded
    | JobCancelled
    | JobSnoozed
    | JobReleased
    | CancellationIgnored
    | ReservationLost
    | OccurrencePlanned
    | OccurrenceReplanned
    | OccurrencesMissed
    | ScheduledJobPaused
    | ScheduledJobResumed
    | ScheduledJobRemoved
    | QueueStarted
    | QueueStopped
    | QueuePaused
    | QueueResumed
    | QueueError
    | OwnerDied
    | MonitorReleasing
    | MonitorReleased
    | MonitorFailed
    | ChildCrashed
    | ChildRestarted
    | RestartLimitExceeded
    | SetupFailed
    | StoreCalled
    | StoreResponded
    | StoreFailed
    | JobUnreadable
    | Migrated
    | LoopLag
    | ClockSkew
    | AdminAction
    | ChangeRefused
    | Pruned
    | ListenerFailed
)

Listener = Callable[[Event], Awaitable[None] | None]
"""A plain or an async function that is called with each event, in the order of the events."""
