"""What happens to jobs."""

from datetime import timedelta
from typing import final

from attrs import field, frozen

from bgjobs._core.jobs import Job, UnreadableJob


@final
@frozen
class JobEnqueued:
    """A job was stored; told after the commit, when a queue may have it already."""

    job: Job


@final
@frozen
class NoWorkerForJob:
    """A job was asked for that nobody here handles; nothing was stored."""

    name: str


@final
@frozen
class JobReserved:
    """A queue took a job."""

    queue: str
    job: Job


@final
@frozen
class JobStarted:
    """A handler is about to be called; once for every attempt."""

    queue: str
    job: Job


@final
@frozen
class JobSucceeded:
    """A handler returned and the job is stored as succeeded."""

    queue: str
    job: Job
    seconds: float
    """How long the handler ran."""


@final
@frozen
class JobAttemptFailed:
    """A handler raised and the job will be tried again."""

    queue: str
    job: Job
    error: str = field(repr=False)
    retry_in: timedelta


@final
@frozen
class JobFailed:
    """A job is stored as failed and will not run again."""

    queue: str
    job: Job
    error: str = field(repr=False)


@final
@frozen
class JobDiscarded:
    """A handler raised `Discard`; the job is stored as failed."""

    queue: str
    job: Job
    reason: str = field(repr=False)


@final
@frozen
class JobCancelled:
    """A job was cancelled by an operator while a queue had it; it is stored as failed.

    The handler may have ended by itself, before its queue heard of it: with an error, or asking
    to run again later.
    """

    queue: str
    job: Job
    reason: str = field(repr=False)


@final
@frozen
class JobSnoozed:
    """A handler raised `Snooze`; the job waits again."""

    queue: str
    job: Job
    delay: timedelta


@final
@frozen
class JobReleased:
    """A job was handed back unfinished, because its queue is stopping."""

    queue: str
    job: Job


@final
@frozen
class CancellationIgnored:
    """A handler was cancelled and has not ended; its queue cannot stop before it does."""

    queue: str
    job: Job


@final
@frozen
class ReservationLost:
    """A finished run was not written: the job belongs to somebody else by now."""

    queue: str
    job: Job


@final
@frozen
class JobUnreadable:
    """A stored row is no job; it was moved to a table of its own, and this is told once."""

    job: UnreadableJob
