"""The state of a job, and how many jobs are in a state."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias, final

from attrs import frozen

import bgjobs

AnyJob: TypeAlias = bgjobs.Job | bgjobs.SucceededJob | bgjobs.FailedJob
State: TypeAlias = bgjobs.State
UNREADABLE = "unreadable"
"""The state that is shown for a row that is no job."""
COUNT_LIMIT = 100_000
"""Counting stops here; a count that reaches it means at least this many."""
_PAGE = 1_000


def state_of(job: AnyJob, now: datetime) -> State:
    """Return the state of a job."""
    if isinstance(job, bgjobs.SucceededJob):
        return "succeeded"
    if isinstance(job, bgjobs.FailedJob):
        return "failed"
    if job.reserved_by is not None:
        return "running"
    return "delayed" if job.available_at > now else "waiting"


def state_time(job: AnyJob) -> datetime:
    """Return when a job ended, or else when it was reserved, or else when it is due."""
    if isinstance(job, bgjobs.SucceededJob):
        return job.succeeded_at
    if isinstance(job, bgjobs.FailedJob):
        return job.failed_at
    if job.reserved_by is not None and job.reserved_at is not None:
        return job.reserved_at
    return job.available_at


def last_error(job: AnyJob) -> str | None:
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


@final
@frozen
class FailedJobs:
    """A selection of failed jobs."""

    worker: str | None = None
    search: str | None = None
    before: datetime | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves out any failed jobs."""
        return self != FailedJobs()

    async def count(self, admin: bgjobs.Admin) -> Count:
        """Count the selected jobs; where the store cannot count them, read them."""
        if self.search is None and self.before is None:
            names = None if self.worker is None else [self.worker]
            found = (await admin.count(names, at_most=COUNT_LIMIT)).failed
        else:
            found = await count_read(admin, "failed", self._is_in, self.worker, self.search)
        return Count(min(found, COUNT_LIMIT), "failed job")

    def _is_in(self, job: AnyJob) -> bool:
        return self.before is None or state_time(job) < self.before


async def count_unreadable(admin: bgjobs.Admin) -> Count:
    """Count the rows that are no jobs."""
    found = (await admin.count((), at_most=COUNT_LIMIT)).unreadable
    return Count(min(found, COUNT_LIMIT), "unreadable row")


async def count_read(
    admin: bgjobs.Admin,
    state: State,
    is_counted: Callable[[AnyJob], bool],
    worker: str | None = None,
    search: str | None = None,
) -> int:
    """Count jobs of a state by reading them, up to `COUNT_LIMIT`."""
    found = 0
    page = bgjobs.Page(_PAGE)
    while found < COUNT_LIMIT:
        jobs = await admin.list(state, name=worker, search=search, page=page)
        found += sum(1 for job in jobs if is_counted(job))
        if len(jobs) < _PAGE:
            break
        page = page.behind(jobs)
    return found
