"""Pages of jobs that are chosen by what no index has."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from bgjobs.jobs import StoredJob
from bgjobs.stores.abc import Page

READ = 500
"""Jobs that are read at once."""

J = TypeVar("J", bound=StoredJob)


async def sifted(
    read: Callable[[Page], Awaitable[Sequence[J]]], metadata: Mapping[str, str], page: Page
) -> Sequence[J]:
    """Return the page of those that have all of this in their metadata, reading all others."""
    found: list[J] = []
    part = Page(READ, page.after)
    while len(found) < page.limit:
        jobs = await read(part)
        found += [job for job in jobs if metadata.items() <= dict(job.metadata).items()]
        if len(jobs) < READ:
            break
        part = part.behind(jobs)
    return found[: page.limit]
