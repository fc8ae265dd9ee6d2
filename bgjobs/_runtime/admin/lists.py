"""Pages of jobs in one state, for operators."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Literal, TypeVar

from attrs import evolve

from bgjobs._core.jobs import FailedJob, Job, StoredJob, SucceededJob
from bgjobs._runtime.persistence.unreadable import listed, readable
from bgjobs._runtime.services import Services
from bgjobs.stores.operations import Failures, Operations
from bgjobs.stores.pages import Cursor, Listing, Page

READ = 500
"""Jobs that are read at once."""

J = TypeVar("J", bound=StoredJob)


async def filtered(
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


async def filtered_search(
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


State = Literal["waiting", "delayed", "running", "succeeded", "failed"]
Jobs = Sequence[Job | SucceededJob | FailedJob]


async def list_jobs(
    services: Services,
    operations: Operations,
    state: State,
    failures: Failures,
    metadata: Mapping[str, str] | None,
    page: Page,
) -> Jobs:
    """Return a page of the jobs in a state; `failures` has the name and the words wanted."""
    read = partial(_listed, services, operations, state, failures)
    if not metadata:
        return await read(page)
    sift = filtered_search if failures.words else filtered
    return await sift(read, metadata, page)


async def _listed(
    services: Services, operations: Operations, state: State, failures: Failures, page: Page
) -> Jobs:
    if state == "failed":
        return await listed(services, operations.get_failed, failures, page)
    if state == "succeeded":
        return await listed(services, services.store.get_succeeded, failures.name, page)
    if state == "running":
        return await listed(services, operations.get_named_running, failures.name, page)
    verb, now = operations.get_waiting, services.clock.store_now()

    async def ask(page: Page) -> Sequence[Job]:
        call, is_delayed = services.dispatch.call, state == "delayed"
        return await call(verb, failures.name, delayed=is_delayed, page=page, now=now)

    return await readable(services, ask, page)
