"""How many jobs there are, as far as it is worth to count."""

from collections.abc import Callable
from datetime import datetime
from typing import final

from attrs import frozen

import bgjobs
from bgjobs.cli.states import AnyJob, State, moment_of

AT_MOST = 100_000
"""Counting ends here; a count that reaches it means at least so many."""
_PAGE = 1_000


@final
@frozen
class Count:
    """A number of jobs, of one kind."""

    least: int
    noun: str

    @property
    def exactly(self) -> int | None:
        """The number, if counting came to its end."""
        return self.least if self.least < AT_MOST else None

    def __str__(self) -> str:
        about = "" if self.exactly is not None else "at least "
        return f"{about}{self.least:,} {self.noun}{'' if self.least == 1 else 's'}"


@final
@frozen
class Failed:
    """A choice of failed jobs."""

    worker: str | None = None
    search: str | None = None
    before: datetime | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether it is less than all of them."""
        return self != Failed()

    async def count(self, admin: bgjobs.Admin) -> Count:
        """Count them; what the store cannot count is read."""
        if self.search is None and self.before is None:
            names = None if self.worker is None else [self.worker]
            found = (await admin.count(names, at_most=AT_MOST)).failed
        else:
            found = await read(admin, "failed", self._fits, self.worker, self.search)
        return Count(min(found, AT_MOST), "failed job")

    def _fits(self, job: AnyJob) -> bool:
        return self.before is None or moment_of(job) < self.before


async def read(
    admin: bgjobs.Admin,
    state: State,
    fits: Callable[[AnyJob], bool],
    worker: str | None = None,
    search: str | None = None,
) -> int:
    """Count the jobs of a state that fit by reading them, up to `AT_MOST`."""
    found = 0
    page = bgjobs.Page(_PAGE)
    while found < AT_MOST:
        jobs = await admin.list(state, name=worker, search=search, page=page)
        found += sum(1 for job in jobs if fits(job))
        if len(jobs) < _PAGE:
            break
        page = page.behind(jobs)
    return found
