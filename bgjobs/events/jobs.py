"""Events about single jobs."""

from datetime import timedelta
from typing import final

from attrs import field, frozen

from bgjobs._core.jobs import Job, UnreadableJob
from bgjobs._core.progress import Progress


@final
@frozen
class JobEnqueued:
    """A job of this process was stored.

    Emitted after the commit, so a queue may have reserved the job before.
    """

    job: Job


@final
@frozen
class NoWorkerForJob:
    """A request named a worker that this configuration lacks; nothing was stored.

    The call raises `NoWorkerForJobError`.
    """

    name: str
    """The name in the request."""


@final
@frozen
class JobReserved:
    """A queue reserved a job; its handler has not been called yet."""

    queue: str
    job: Job


@final
@frozen
class JobStarted:
    """A queue is about to call the handler of a job. Emitted once for each attempt."""

    queue: str
    job: Job


@final
@frozen
class JobPostponed:
    """A job is put back for seconds, because too many handlers wait for children.

    See `Queue.max_waiting`. Its own children go on, and no attempt is counted.
    """

    queue: str
    job: Job
    waiting: int
    """How many other handlers of the queue wait."""


@final
@frozen
class JobProgressed:
    """The progress that a handler has reported was stored.

    Emitted at most once a second while the handler runs, and before the event of its end if
    that has stored a later report.
    """

    queue: str
    job: Job
    """The job as it was reserved."""
    progress: Progress


@final
@frozen
class JobSucceeded:
    """A handler returned, and the job is stored as succeeded."""

    queue: str
    job: Job
    seconds: float
    """How long the handler ran."""


@final
@frozen
class JobAttemptFailed:
    """A handler raised or timed out, and the job is stored to be retried."""

    queue: str
    job: Job
    error: str = field(repr=False)
    """The text of the error with its traceback, as it is stored."""
    retry_in: timedelta
    """The delay before the next attempt."""


@final
@frozen
class JobFailed:
    """A queue stored a job as failed.

    It will not run again: its retries are used up, `retry_on` of its worker decided against
    one, or it was interrupted too often.
    """

    queue: str
    job: Job
    error: str = field(repr=False)
    """The text of the last error, or which limit was passed."""


@final
@frozen
class FailureHookFailed:
    """The `on_failure` function of a worker raised, or broke its contract.

    Nothing is stored of what it wrote. The job has ended all the same.
    """

    queue: str
    """The name of the queue; ``on_failure`` if the end was left to this process, ``monitor`` if
    its monitor has ended the job."""
    job: Job
    error: Exception


@final
@frozen
class JobDiscarded:
    """A handler raised `Discard`, and the job is stored as failed."""

    queue: str
    job: Job
    reason: str = field(repr=False)
    """The reason that the handler gave."""


@final
@frozen
class JobCancelled:
    """An operator cancelled a job that was reserved; it is stored as cancelled.

    The handler may have ended before its queue read the cancellation: it raised, or it raised
    `Snooze`. Or its process had died.
    """

    queue: str
    """The queue that had reserved it; empty if that is not known any longer, ``on_failure`` if
    the end was left to this process for its `on_failure`."""
    job: Job
    reason: str = field(repr=False)
    """The reason that the operator gave."""
    by: str | None = None
    """Who cancelled it; None if the caller named no one."""


@final
@frozen
class JobSnoozed:
    """A handler raised `Snooze`, and the job waits again."""

    queue: str
    job: Job
    delay: timedelta
    """The delay before the job is due again."""


@final
@frozen
class JobReleased:
    """A queue released a job whose handler did not finish or did not start; it will run again.

    The usual reason is that the queue stops.
    """

    queue: str
    job: Job


@final
@frozen
class CancellationIgnored:
    """A handler still runs 5 seconds after it was cancelled.

    Its queue cannot stop before the handler ends.
    """

    queue: str
    job: Job


@final
@frozen
class ReservationLost:
    """The end of a run was not stored, because another owner holds the job or has ended it.

    The lease of this queue had expired before the write.
    """

    queue: str
    job: Job


@final
@frozen
class JobUnreadable:
    """A stored row could not be read as a job and was moved to a table of its own.

    Emitted once, by the process that moved it.
    """

    job: UnreadableJob
