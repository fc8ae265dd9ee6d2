"""Reads that several commands share: one job, its time and its error, numbers of jobs."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias, final
from uuid import UUID

from attrs import evolve, frozen

import bgjobs
from bgjobs.errors import UnknownJobError, UnreadableJobError

Row: TypeAlias = bgjobs.AnyJob | bgjobs.UnreadableJob
"""What a row of any state is read as."""
PRIVATE = frozenset({"payload", "result"})
"""The columns that are shown only on request, since they may have personal data."""
COUNT_LIMIT = 100_000
"""Counting stops here; a count that reaches it means at least this many."""
_PAGE = 1_000


async def find(client: bgjobs.Client, job_id: UUID) -> Row:
    """Return the job or the unreadable row of this id, or raise `UnknownJobError`."""
    try:
        found = await client.find(job_id)
    except UnreadableJobError as error:
        return error.job
    if found is None:
        raise UnknownJobError(job_id)
    return found


async def parent_of(client: bgjobs.Client, job: bgjobs.AnyJob) -> Row | bgjobs.Owner | None:
    """Return the parent of a job, or the row that cannot be read as one, if it is stored."""
    try:
        return await client.parent(job)
    except UnreadableJobError as error:
        return error.job


def state_time(job: bgjobs.AnyJob) -> datetime:
    """Return when a job ended, or else when it was reserved, or else when it is due."""
    match job:
        case bgjobs.SucceededJob():
            return job.succeeded_at
        case bgjobs.FailedJob():
            return job.failed_at
        case bgjobs.CancelledJob():
            return job.cancelled_at
        case bgjobs.Job():
            is_running = job.state == "running" and job.reserved_at is not None
            return job.reserved_at or job.available_at if is_running else job.available_at


def last_error(job: bgjobs.AnyJob) -> str | None:
    """Return the whole text of the last error of a job, or None."""
    if isinstance(job, bgjobs.FailedJob):
        return job.error
    return job.errors[-1].error if job.errors else None


def headline(error: str | None) -> str:
    """Return the first line of an error."""
    return "" if error is None else error.strip().partition("\n")[0]


@final
@frozen
class Count:
    """A number of jobs, counted up to `COUNT_LIMIT`."""

    least: int
    noun: str

    @property
    def exactly(self) -> int | None:
        """The number, or None if counting stopped early."""
        return self.least if self.least < COUNT_LIMIT else None

    def __str__(self) -> str:
        about = "" if self.exactly is not None else "at least "
        return f"{about}{self.least:,} {self.noun}{'' if self.least == 1 else 's'}"


async def count(client: bgjobs.Client, *wanted: bgjobs.JobFilter[bgjobs.State]) -> Count:
    """Count the jobs of these filters; the noun of the count is that of the last one."""
    least, noun = 0, "job"
    for one in wanted:
        least += await client.count_matching(one, at_most=COUNT_LIMIT)
        noun = noun_of(one.state)
    return Count(min(least, COUNT_LIMIT), noun)


def noun_of(state: bgjobs.State) -> str:
    """Return what a row of a state is called."""
    return "unreadable row" if state == "unreadable" else f"{state} job"


async def count_read(
    client: bgjobs.Client,
    wanted: bgjobs.JobFilter[bgjobs.State],
    is_counted: Callable[[Any], bool],
) -> int:
    """Count some of the jobs of a filter by reading them, up to `COUNT_LIMIT`."""
    found, page = 0, bgjobs.Page(_PAGE)
    while found < COUNT_LIMIT:
        jobs = await client.list(wanted, page)
        found += sum(1 for job in jobs if is_counted(job))
        if jobs.after is None:
            break
        page = evolve(page, after=jobs.after)
    return found
