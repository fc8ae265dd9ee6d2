"""Reads of stored jobs, in the task of the caller.

Rows that cannot be read as jobs are set apart when a read meets them, and the page is filled up
with the rows behind them. An unavailable store ends a read with `StoreUnavailableError`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from typing import Any, TypeVar
from uuid import UUID

from attrs import evolve

from bgjobs._core.jobs import AnyJob, State, StoredJob, UnreadableJob
from bgjobs._runtime.persistence.results import with_known_reader
from bgjobs._runtime.persistence.unreadable import set_apart
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import UnreadableJobError
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.operations import operations_of
from bgjobs.stores.pages import Listing, Page, unreadable_in
from bgjobs.stores.types import Counts

J = TypeVar("J", bound=StoredJob | UnreadableJob)

_COUNTED_PAGE = 1_000
"""Jobs that are read at once to be counted."""


async def readable(
    services: ClientServices, ask: Callable[[Page], Awaitable[Sequence[J]]], page: Page
) -> list[J]:
    """Return the jobs of a page. Unreadable rows are set apart, and the page is filled up."""
    kept: list[J] = []
    while True:
        jobs = await ask(page)
        kept += jobs
        unreadable = unreadable_in(jobs)
        if not unreadable:
            return kept
        is_less = await set_apart(services, unreadable)
        following = evolve(page.behind(jobs), limit=page.limit - len(jobs))
        if following == page and not is_less:
            return kept  # the same rows would be read again; those behind are out of reach
        page = following


async def listed(
    services: ClientServices, wanted: JobFilter[State], page: Page
) -> Listing[Any]:
    """Return a page of the jobs that a filter selects, as `readable` does.

    Unlike other verbs, `Store.list` says where the next page begins, and None at the end.
    """
    kept: list[Any] = []
    while True:
        now = services.clock.store_now()
        jobs = await services.dispatch.call(services.store.list, wanted, page, now=now)
        kept += [with_known_reader(services, job) for job in jobs]
        if not jobs.unreadable:
            return Listing(kept, after=jobs.after)
        is_less = await set_apart(services, jobs.unreadable)
        following = evolve(page, after=jobs.after, limit=page.limit - len(jobs))
        if jobs.after is None or (following == page and not is_less):
            return Listing(kept)  # in the latter case as in `readable`
        page = following


async def each_page(
    services: ClientServices, wanted: JobFilter[State], size: int
) -> AsyncGenerator[Listing[Any]]:
    """Yield the jobs that a filter selects, in pages of up to `size` jobs."""
    page = Page(size)
    while True:
        jobs = await listed(services, wanted, page)
        if jobs:
            yield jobs
        if jobs.after is None:
            return
        page = evolve(page, after=jobs.after)


async def find(services: ClientServices, job_id: UUID) -> AnyJob | None:
    """Return a job by its id, live or ended, or None.

    Raises:
        UnreadableJobError: The row of this id cannot be read. It is set apart.
    """
    try:
        now = services.clock.store_now()
        found = await services.dispatch.call(services.store.find, job_id, now=now)
    except UnreadableJobError as error:
        await set_apart(services, [error.job])
        raise
    operations = operations_of(services.store)
    if found is None and operations is not None:
        apart = await services.dispatch.call(operations.find_unreadable, job_id)
        if apart is not None:
            raise UnreadableJobError(apart)
    return None if found is None else with_known_reader(services, found)


async def counts(
    services: ClientServices, names: Collection[str] | None, at_most: int | None
) -> Counts:
    """Return how many jobs of these workers are in each state, and all unreadable rows."""
    store, now = services.store, services.clock.store_now()
    found = await services.dispatch.call(store.count, names, at_most=at_most, now=now)
    operations = operations_of(store)
    if operations is None:
        return found
    count = operations.count_unreadable
    return evolve(found, unreadable=await services.dispatch.call(count, at_most=at_most))


async def count_matching(
    services: ClientServices, wanted: JobFilter[State], at_most: int
) -> int:
    """Return how many jobs a filter selects; where the store cannot count them, read them."""
    if wanted == JobFilter[State](wanted.state, name=wanted.name):
        names = None if wanted.name is None else [wanted.name]
        found: int = getattr(await counts(services, names, at_most), wanted.state)
        return min(found, at_most)
    read = 0
    async with aclosing(each_page(services, wanted, _COUNTED_PAGE)) as pages:
        async for jobs in pages:
            read += len(jobs)
            if read >= at_most:
                break
    return min(read, at_most)
