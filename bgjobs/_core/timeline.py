"""What has happened to one job, in the order in which it happened."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import final

from attrs import field, frozen

from bgjobs._core.arguments import check_type
from bgjobs._core.jobs import FailedJob, Job, StoredJob, SucceededJob


@final
@frozen
class TimelineEntry:
    """One thing that happened to a job."""

    at: datetime
    what: str
    error: str | None = field(default=None, repr=False)
    """What was raised, or why the job ended."""


def timeline(job: StoredJob) -> Sequence[TimelineEntry]:
    """Tell a job's life as far as its row knows it: the last 20 attempts that raised.

    Of those before it knows only the number; crashes and interruptions are counted, without
    their times.
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
        said = bool(job.errors) and job.errors[-1].error == job.error
        yield TimelineEntry(job.failed_at, "failed for good", None if said else job.error)
    elif isinstance(job, Job) and job.reserved_by is None:
        yield TimelineEntry(job.available_at, "due")


def _reserved(job: StoredJob) -> set[datetime | None]:
    return {one.reserved_at for one in job.errors}
