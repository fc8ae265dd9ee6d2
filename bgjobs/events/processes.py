"""Events about scheduled jobs, queues, the supervisor, the store and the event loop."""

from datetime import datetime
from typing import final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.jobs import Job


@final
@frozen
class OccurrencePlanned:
    """The next run of a scheduled job was stored by this process."""

    scheduled_job: str
    at: datetime
    """The time of the occurrence, without jitter."""


@final
@frozen
class OccurrenceReplanned:
    """A waiting run of a scheduled job was moved, paused or resumed by this process.

    The scheduled job was changed, or a clock was corrected.
    """

    scheduled_job: str
    before: datetime
    """The time that was planned before."""
    at: datetime
    """The time that is planned now."""


@final
@frozen
class OccurrencesMissed:
    """Occurrences of a scheduled job passed without a run of their own."""

    scheduled_job: str
    first: datetime
    """The first of them."""
    count: int
    """How many there were; at most 1,000 are counted."""


@final
@frozen
class ScheduledJobPaused:
    """`ScheduleControl.pause` was called in this process."""

    scheduled_job: str


@final
@frozen
class ScheduledJobResumed:
    """`ScheduleControl.resume` was called in this process."""

    scheduled_job: str


@final
@frozen
class ScheduledJobRemoved:
    """`BgJobs.remove_scheduled_job` was called in this process."""

    scheduled_job: str


@final
@frozen
class QueueStarted:
    """A queue has a lease and begins to look for jobs."""

    queue: str
    owner: UUID
    """The id of the lease; each start of a queue has another one."""


@final
@frozen
class QueueStopped:
    """A queue has ended, in an orderly way or by an error."""

    queue: str
    owner: UUID
    """The id of the lease that the queue had."""


@final
@frozen
class QueuePaused:
    """A queue was paused and starts no further jobs; running handlers continue."""

    queue: str


@final
@frozen
class QueueResumed:
    """A paused queue was resumed."""

    queue: str


@final
@frozen
class QueueError:
    """A queue, a scheduled job or the supervisor met an error.

    Mostly one after which it continues, such as an unreachable database, or a function given
    as `backoff` or `retry_on` that raised. If the error ends the queue, `ChildCrashed` follows.
    """

    queue: str
    """The name of the queue, of the scheduled job, or of the child of the supervisor."""
    error: Exception


@final
@frozen
class OwnerDied:
    """A queue of this process ended without releasing its jobs; the monitor will do so."""

    owner: UUID
    """The id of the lease that the queue had."""
    queue: str


@final
@frozen
class MonitorReleasing:
    """The monitor is about to release the jobs of an owner that died."""

    owner: UUID | None
    """The id of the lease; None for jobs of several owners, of any process."""
    jobs: int
    """How many jobs the owner holds."""


@final
@frozen
class MonitorReleased:
    """The monitor put a job of a dead owner back; it will run again."""

    job: Job


@final
@frozen
class MonitorFailed:
    """The monitor stored a job of a dead owner as failed, because it passed a limit."""

    job: Job
    error: str = field(repr=False)
    """Which limit was passed."""


@final
@frozen
class ChildCrashed:
    """A child of the supervisor, such as a queue, raised."""

    child: str
    error: BaseException


@final
@frozen
class ChildRestarted:
    """The supervisor restarts a child that crashed, after its backoff."""

    child: str
    restarts: int
    """The number of crashes within the window of `RestartTolerance`."""


@final
@frozen
class RestartLimitExceeded:
    """A child crashed more often than `RestartTolerance` allows.

    The supervisor stops all other children, and ``async with bgjobs.run(...)`` raises.
    """

    child: str
    error: BaseException
    """The error of the last crash."""


@final
@frozen
class SetupFailed:
    """`run` could not open the store; it raises the same error."""

    error: Exception


@final
@frozen
class StoreCalled:
    """A method of the store is about to be called.

    `StoreResponded` or `StoreFailed` follows, unless the caller is cancelled first.
    """

    verb: str
    """The name of the method."""


@final
@frozen
class StoreResponded:
    """A method of the store returned."""

    verb: str
    """The name of the method."""
    seconds: float
    """How long the call took."""


@final
@frozen
class StoreFailed:
    """A method of the store raised."""

    verb: str
    """The name of the method."""
    error: Exception


@final
@frozen
class Migrated:
    """`run` migrated the schema of the store."""

    migrations: tuple[str, ...]
    """The names of the migrations, in the order in which they were applied."""


@final
@frozen
class LoopLag:
    """The event loop was blocked and could not run other tasks."""

    seconds: float
    """For how long."""
    worker: str | None
    """The worker whose handler the loop was running; None if it was running something else."""


@final
@frozen
class ClockSkew:
    """The clock of this machine differs from that of the database."""

    seconds: float
    """The difference; positive if this machine is ahead."""


@final
@frozen
class AdminAction:
    """An operator's action ended in this process, by a method of `Admin` or of a schedule.

    The action is also recorded in the store: see `Admin.audit`.
    """

    action: str
    """The name of the method; with ``_schedule`` for a method of `ScheduleControl`."""
    subject: str
    """What was changed: ids of jobs, or the name of a worker, queue or scheduled job."""
    count: int
    """The number of changed or exported jobs; 1 for a queue or a scheduled job."""


@final
@frozen
class ChangeRefused:
    """The database refused a change of one job by `Admin`, an import or the pruner.

    The other jobs of the call are changed.
    """

    action: str
    """The name of the method of `Admin`; ``prune`` for the pruner."""
    job_id: UUID
    error: Exception


@final
@frozen
class Pruned:
    """Ended jobs older than the `Retention` were deleted."""

    count: int
    """The number of deleted jobs."""


@final
@frozen
class ListenerFailed:
    """A listener raised; the other listeners receive this event."""

    listener: str
    """The name of the listener."""
    event: str
    """The class of the event with which it was called."""
    error: Exception
