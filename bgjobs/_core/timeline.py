"""The timeline of one job, derived from its stored row."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import final

from attrs import field, frozen

from bgjobs._core.arguments import check_type
from bgjobs._core.jobs import FailedJob, Job, StoredJob, SucceededJob


@final
@frozen
class TimelineEntry:
    """One entry of the timeline of a job."""

    at: datetime
    """When it happened; in the future for a delayed job that is ``due``."""
    what: str
    """What happened: ``enqueued``, ``due``, ``attempt 1 reserved``, ``attempt 1 failed``,
    ``succeeded`` or ``failed for good``."""
    error: str | None = field(default=None, repr=False)
    """The error of the attempt, or the reason why the job ended."""


def timeline(job: StoredJob) -> Sequence[TimelineEntry]:
    """Return what happened to a job, as far as its row has the times.

    The row has the last 20 attempts that raised. Of earlier attempts, crashes and interruptions
    it has only the counts, so they have no entries.

    Args:
        job: A stored job, live or ended.

    Returns:
        The entries, oldest first. Attempts are counted from 1.

    Raises:
        TypeError: `job` is not a stored job.
    """
    check_type("timeline", job, StoredJob, "a job")
    return sorted(_entries(job), key=lambda entry: entry.at)


def _entries(job: StoredJob) -> Iterator[TimelineEntry]:
    yield TimelineEntry(job.created_at, "enqueued")
    for one in job.errors:
        if one.reserved_at is not None:
            yield TimelineEntry(one.reserved_at, f"attempt {one.attempt} reserved")
        yield TimelineEntry(one.failed_at, f"attempt {one.attempt} failed", one.error)
    if job.reserved_at is not None and job.reserved_at not in _reserved(job):
        yield TimelineEntry(job.reserved_at, f"attempt {job.attempts + 1} reserved")
    yield from _end(job)


def _end(job: StoredJob) -> Iterator[TimelineEntry]:
    if isinstance(job, SucceededJob):
        yield TimelineEntry(job.succeeded_at, "succeeded")
    elif isinstance(job, FailedJob):
        is_listed = bool(job.errors) and job.errors[-1].error == job.error
        yield TimelineEntry(job.failed_at, "failed for good", None if is_listed else job.error)
    elif isinstance(job, Job) and job.reserved_by is None:
        yield TimelineEntry(job.available_at, "due")


def _reserved(job: StoredJob) -> set[datetime | None]:
    return {one.reserved_at for one in job.errors}
