"""What a job is doing, in one word."""

from datetime import datetime
from typing import TypeAlias

import bgjobs

AnyJob: TypeAlias = bgjobs.Job | bgjobs.SucceededJob | bgjobs.FailedJob
State: TypeAlias = bgjobs.State
UNREADABLE = "unreadable"
"""What a row is that is no job."""


def state_of(job: AnyJob, now: datetime) -> State:
    """Say which state a job is in."""
    if isinstance(job, bgjobs.SucceededJob):
        return "succeeded"
    if isinstance(job, bgjobs.FailedJob):
        return "failed"
    if job.reserved_by is not None:
        return "running"
    return "delayed" if job.available_at > now else "waiting"


def moment_of(job: AnyJob) -> datetime:
    """Give the instant that tells most: its end, its beginning, or when it is due."""
    if isinstance(job, bgjobs.SucceededJob):
        return job.succeeded_at
    if isinstance(job, bgjobs.FailedJob):
        return job.failed_at
    if job.reserved_by is not None and job.reserved_at is not None:
        return job.reserved_at
    return job.available_at


def last_error(job: AnyJob) -> str | None:
    """Give the whole text of the error that matters, or None."""
    if isinstance(job, bgjobs.FailedJob):
        return job.error
    return job.errors[-1].error if job.errors else None


def headline(error: str | None) -> str:
    """Give the first line of an error."""
    return "" if error is None else error.strip().partition("\n")[0]
