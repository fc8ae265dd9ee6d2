"""The methods of `Admin` that list, count, find and enqueue jobs."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Literal, ParamSpec, TypeVar, get_args
from uuid import UUID

from attrs import evolve

from bgjobs._core.arguments import (
    check_id,
    check_name,
    check_names,
    check_text,
    check_texts,
    check_type,
    check_whole,
)
from bgjobs._core.config import Config
from bgjobs._core.ids import ids_between
from bgjobs._core.jobs import FailedJob, Job, StoredJob, SucceededJob, UnreadableJob
from bgjobs._core.requests import JobRequest
from bgjobs._core.text import value_text
from bgjobs._runtime.persistence.enqueue import enqueue
from bgjobs._runtime.persistence.unreadable import find, listed, readable
from bgjobs._runtime.services import Services
from bgjobs.errors import StoreError, UnknownJobError
from bgjobs.stores.operations import Failures, Operations, operations_of
from bgjobs.stores.pages import FIRST_PAGE, Cursor, Listing, Page, words_of
from bgjobs.stores.types import Counts

P = ParamSpec("P")
T = TypeVar("T")
J = TypeVar("J", bound=StoredJob)

State = Literal["waiting", "delayed", "running", "succeeded", "failed"]

COUNTED = 100_000
"""Jobs counted of each state by default; counting more takes noticeable time."""
READ = 500
"""Jobs read in one call while a page is filtered by metadata."""


class JobQueries:
    """The methods of `Admin` that read jobs, and what its other methods share."""

    def __init__(self, services: Services, config: Config) -> None:
        self._services = services
        self._config = config

    async def list(
        self,
        state: State,
        *,
        name: str | None = None,
        search: str | None = None,
        metadata: Mapping[str, str] | None = None,
        page: Page = FIRST_PAGE,
    ) -> Sequence[Job | SucceededJob | FailedJob]:
        """Return one page of the jobs in this state.

        Args:
            state: ``"waiting"``, ``"delayed"``, ``"running"``, ``"succeeded"`` or ``"failed"``.
            name: The worker of the jobs; None means all workers.
            search: Words that the first line of the error contains, for failed jobs only. All
                of them must match whole words, ignoring case; a star after the last one makes
                it a prefix, as in ``"timeout db*"``.
            metadata: Keys and values that the metadata of the jobs contains. There is no index
                for it: jobs are read until the page is full.
            page: How many jobs, and after which one; `Page.behind` makes the next page.

        Returns:
            Waiting, delayed and running jobs are sorted from the oldest to the newest, ended
            ones from the newest to the oldest. A search is sorted by the time of failure, the
            latest first.

        Raises:
            SearchError: `search` has no word, or more than 500 characters.
        """
        if state not in get_args(State):
            found = value_text(state)
            raise ValueError(f"state: expected one of {get_args(State)}, found {found}")
        check_name("list: name", name, optional=True)
        check_type("list: page", page, Page)
        check_texts("list: metadata", metadata)
        if search is not None and state != "failed":
            found = value_text(search)
            raise ValueError(f"search: expected none for {state} jobs, found {found}")
        failures = Failures(name=name, words=search_words(search))
        read = partial(_list, self._services, self._operations, state, failures)
        if not metadata:
            return await read(page)
        filtered = _filtered_search if failures.words else _filtered
        return await filtered(read, metadata, page)

    async def unreadable(
        self, page: Page = FIRST_PAGE, *, longest: int = 1_000
    ) -> Sequence[UnreadableJob]:
        """Return one page of the stored rows that cannot be read as jobs, newest first.

        When a queue, the monitor or one of these methods reads such a row, it moves it to a
        table of its own. `delete` deletes it; `retry` moves it back if it can be read by then.

        Args:
            page: How many rows, and after which one.
            longest: Characters after which text in the columns of a row is cut.
        """
        check_type("unreadable: page", page, Page)
        check_whole("unreadable: longest", longest, least=1)
        return await self._ask(self._operations.get_unreadable, page, longest=longest)

    async def count(
        self, names: Collection[str] | None = None, *, at_most: int | None = COUNTED
    ) -> Counts:
        """Count the jobs of these workers, or of all, in each state.

        Unreadable rows are counted whatever `names` is, as the name of a row may be unreadable.

        Args:
            names: Names of workers; None means all.
            at_most: Where to stop counting, for each state. A number that reaches it means "or
                more". None counts all jobs, which takes long for millions of jobs.
        """
        if at_most is not None:
            check_whole("count: at_most", at_most, least=0)
        self._services.lifecycle.check()
        check_names("count: names", names)
        now = self._services.clock.store_now()
        count = self._services.store.count
        counts = await self._services.dispatch.call(count, names, at_most=at_most, now=now)
        unreadable = await self._ask(self._operations.count_unreadable, at_most=at_most)
        return evolve(counts, unreadable=unreadable)

    async def get(self, job_id: UUID) -> Job | SucceededJob | FailedJob:
        """Return the job of this id, live or ended.

        Raises:
            UnknownJobError: There is no job of this id.
            UnreadableJobError: The stored row cannot be read as a job.
        """
        check_id("get", job_id)
        self._services.lifecycle.check()
        found = await find(self._services, job_id)
        if found is None:
            raise UnknownJobError(job_id)
        return found

    async def find_ids(self, beginning: str, *, limit: int = 10) -> Sequence[UUID]:
        """Return the ids of live and ended jobs that begin with these digits, oldest first.

        Args:
            beginning: The first hexadecimal digits of an id, with or without its hyphens.
            limit: How many ids to return, at most.
        """
        check_text("beginning", beginning)
        first, last = ids_between(beginning)
        check_whole("find_ids: limit", limit, least=0)
        return await self._ask(self._operations.find_ids, first, last, limit)

    async def enqueue(self, request: JobRequest) -> Job:
        """Store one job, as `BgJobs.enqueue` does."""
        self._services.lifecycle.check()
        [job] = await enqueue(self._services, [request])
        return job

    @property
    def _operations(self) -> Operations:
        self._services.lifecycle.check()
        store = self._services.store
        operations = operations_of(store)
        if operations is None:
            raise StoreError(f"{store.label}: expected a store with operations, found none")
        return operations

    async def _ask(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._services.lifecycle.check()
        return await self._services.dispatch.call(verb, *args, **kwargs)


def search_words(search: str | None) -> Sequence[str]:
    """Return the words of a search; `SearchError` if there is none."""
    return () if search is None else words_of(search)


Jobs = Sequence[Job | SucceededJob | FailedJob]


async def _list(
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


async def _filtered(
    read: Callable[[Page], Awaitable[Sequence[J]]], metadata: Mapping[str, str], page: Page
) -> Sequence[J]:
    """Return a page of the jobs with this metadata; read jobs until it is full."""
    found: list[J] = []
    part = Page(READ, page.after)
    while len(found) < page.limit:
        jobs = await read(part)
        found += [job for job in jobs if metadata.items() <= dict(job.metadata).items()]
        if len(jobs) < part.limit:
            break
        part = part.behind(jobs)
    return found[: page.limit]


async def _filtered_search(
    read: Callable[[Page], Awaitable[Sequence[J]]], metadata: Mapping[str, str], page: Page
) -> Sequence[J]:
    """Return a page of the jobs of a search with this metadata.

    A search has a cursor for the end of each read only, so the page has to end there too: no
    read is longer than the space left in the page.
    """
    found: list[J] = []
    part = page
    while part.limit > 0 and (jobs := await read(part)):
        found += [job for job in jobs if metadata.items() <= dict(job.metadata).items()]
        part = evolve(part.behind(jobs), limit=page.limit - len(found))
    return Listing(found, after=part.after if isinstance(part.after, Cursor) else None)
