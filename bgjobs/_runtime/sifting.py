"""Pages of jobs that are chosen by what no index has."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from attrs import evolve

from bgjobs._core.jobs import StoredJob
from bgjobs.stores.pages import Cursor, Listing, Page

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
        if len(jobs) < part.limit:
            break
        part = part.behind(jobs)
    return found[: page.limit]


async def sifted_search(
    read: Callable[[Page], Awaitable[Sequence[J]]], metadata: Mapping[str, str], page: Page
) -> Sequence[J]:
    """Return the same of a search.

    Each read is limited to the room that is left in the page. A search has a cursor only for
    the end of what was read, so the page has to end there too.
    """
    found: list[J] = []
    part = page
    while part.limit > 0 and (jobs := await read(part)):
        found += [job for job in jobs if metadata.items() <= dict(job.metadata).items()]
        part = evolve(part.behind(jobs), limit=page.limit - len(found))
    return Listing(found, after=part.after if isinstance(part.after, Cursor) else None)
