"""What happens to schedules, queues, children, the store and the event loop of a process."""

from datetime import datetime
from typing import final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.jobs import Job


@final
@frozen
class OccurrencePlanned:
    """The next run of a scheduled job is stored and waits."""

    scheduled_job: str
    at: datetime


@final
@frozen
class OccurrenceReplanned:
    """A waiting run was moved: by a change, by `resume`, or because time was set right."""

    scheduled_job: str
    before: datetime
    at: datetime


@final
@frozen
class OccurrencesMissed:
    """Occurrences of a scheduled job passed without a run of their own."""

    scheduled_job: str
    first: datetime
    count: int
    """At most 1,000 are counted."""


@final
@frozen
class ScheduledJobPaused:
    """`pause` was called here."""

    scheduled_job: str


@final
@frozen
class ScheduledJobResumed:
    """`resume` was called here."""

    scheduled_job: str


@final
@frozen
class ScheduledJobRemoved:
    """`remove_scheduled_job` was called here."""

    scheduled_job: str


@final
@frozen
class QueueStarted:
    """A queue has its lease and begins to look for jobs."""

    queue: str
    owner: UUID


@final
@frozen
class QueueStopped:
    """A queue looks for jobs no more."""

    queue: str
    owner: UUID


@final
@frozen
class QueuePaused:
    """`pause` was called; running handlers go on."""

    queue: str


@final
@frozen
class QueueResumed:
    """`resume` was called."""

    queue: str


@final
@frozen
class QueueError:
    """A queue met an error that it survives, such as a database that is away."""

    queue: str
    error: Exception


@final
@frozen
class OwnerDied:
    """A queue of this process ended without giving back what it held."""

    owner: UUID
    queue: str


@final
@frozen
class MonitorReleasing:
    """The monitor is about to release what an owner left behind; `owner` None: of any node."""

    owner: UUID | None
    jobs: int


@final
@frozen
class MonitorReleased:
    """The monitor put a dead owner's job back, so that it runs again."""

    job: Job


@final
@frozen
class MonitorFailed:
    """The monitor ended a dead owner's job as failed: it passed a limit or was cancelled."""

    job: Job
    error: str = field(repr=False)


@final
@frozen
class ChildCrashed:
    """A child of the supervisor raised."""

    child: str
    error: BaseException


@final
@frozen
class ChildRestarted:
    """The supervisor starts a child again."""

    child: str
    restarts: int
    """How many times within the tolerance's window."""


@final
@frozen
class RestartLimitExceeded:
    """A child crashed more often than tolerated; the supervisor takes everything down."""

    child: str
    error: BaseException


@final
@frozen
class SetupFailed:
    """`run` could not start."""

    error: Exception


@final
@frozen
class StoreCalled:
    """A verb of the store is about to be called.

    `StoreResponded` or `StoreFailed` follows, unless the caller is cancelled first.
    """

    verb: str


@final
@frozen
class StoreResponded:
    """A verb of the store returned."""

    verb: str
    seconds: float


@final
@frozen
class StoreFailed:
    """A verb of the store raised."""

    verb: str
    error: Exception


@final
@frozen
class Migrated:
    """The schema was brought up to date."""

    migrations: tuple[str, ...]


@final
@frozen
class LoopLag:
    """The event loop answered late: something blocked it."""

    seconds: float
    worker: str | None
    """The worker whose handler was on the stack, when one was."""


@final
@frozen
class ClockSkew:
    """The clock of this machine differs from the database's."""

    seconds: float
    """Positive when this machine is ahead."""


@final
@frozen
class AdminAction:
    """An operator has changed something through `Admin`, in this process."""

    action: str
    """The name of the method."""
    subject: str
    """What it was about: ids, or the name of a queue or a worker."""
    count: int
    """How many jobs it has changed; 1 for a queue."""


@final
@frozen
class ChangeRefused:
    """The database refused what an operator wanted of a job; the rest of the call is done."""

    action: str
    """The name of the method of `Admin`."""
    job_id: UUID
    error: Exception


@final
@frozen
class Pruned:
    """Old ended jobs were deleted."""

    count: int


@final
@frozen
class ListenerFailed:
    """A listener raised; told to the other listeners."""

    listener: str
    event: str
    error: Exception
