"""`Client`: the methods that need no queue."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Literal, TypeVar, overload
from uuid import UUID

from anyio import move_on_after

from bgjobs._core.activity import HOUR, MINUTE, Activity
from bgjobs._core.arguments import check_id, check_names, check_type, check_whole, id_of
from bgjobs._core.config import AnyWorker
from bgjobs._core.job_tree import JobTree
from bgjobs._core.jobs import (
    AnyJob,
    CancelledJob,
    EndedJob,
    FailedJob,
    Job,
    LiveState,
    Owner,
    State,
    StoredJob,
    SucceededJob,
    UnreadableJob,
)
from bgjobs._core.requests import JobRequest
from bgjobs._core.timeline import TimelineEntry, timeline
from bgjobs._core.workers import Worker
from bgjobs._runtime.activity.reads import read_activity
from bgjobs._runtime.admin.admin import Admin
from bgjobs._runtime.bus import EventStream
from bgjobs._runtime.family_reader import FamilyReader
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.persistence.enqueue import enqueue
from bgjobs._runtime.persistence.reads import count_matching, counts, find, listed
from bgjobs._runtime.persistence.results import keeper_of, of_worker, result_of
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import UnknownJobError
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import COUNTED
from bgjobs.stores.types import Counts

R = TypeVar("R")

FIRST_POLL, LONGEST_POLL = 0.02, 1.0
"""Seconds between two polls of `wait_for`, doubling: ends in other processes send no notice."""


class Client(FamilyReader):
    """Access to the jobs of a system, as `connect` yields it: enqueue, wait, read, operate.

    Use it in the block of `connect`. After that, its methods raise `NotRunningError`. Methods
    that read or write the store raise `StoreUnavailableError` when it stays unavailable for
    `config.store_timeout`.
    """

    def __init__(self, services: ClientServices, admin: Admin) -> None:
        super().__init__(services)
        self.admin: Admin = admin
        """The methods for operators: retry, cancel, pause, prune and more."""

    async def enqueue(self, request: JobRequest[R]) -> Job[R]:
        """Store one job. It is committed when this returns.

        If this call is cancelled before the job is sent to the store, nothing is stored;
        afterwards, it may be. Calls that wait at the same time are committed together.

        Returns:
            The stored job; or, if the request has a unique key that a live job has, that job,
            unless the request says ``on_conflict="raise"``.

        Raises:
            NoWorkerForJobError: The configuration has no worker of this name. Nothing was
                stored.
            DuplicateJobError: A live job has the unique key, and the request says
                ``on_conflict="raise"``. Nothing was stored.
            StoreUnavailableError: The store was unavailable for `config.store_timeout`. The job
                may be stored or not.
            RowRefusedError: The database refused the job, for example by a constraint. Nothing
                was stored.
            UnreadableJobError: An unreadable row has the unique key, and this process lacks the
                right to move it. Other jobs of `enqueue_many` may be stored.
        """
        return (await self.enqueue_many([request]))[0]

    async def enqueue_many(self, requests: Iterable[JobRequest[R]]) -> Sequence[Job[R]]:
        """Store many jobs in one transaction, all or none.

        Returns:
            The jobs, in the order of the requests; see `enqueue` about unique keys.

        Raises:
            Exception: The same exceptions as `enqueue`.
        """
        self._services.lifecycle.check()
        return await enqueue(self._services, requests)

    @overload
    async def wait_for(self, job: Job[R]) -> EndedJob[R]: ...
    @overload
    async def wait_for(self, job: UUID) -> EndedJob: ...
    async def wait_for(self, job: Job[Any] | UUID) -> EndedJob[Any]:
        """Wait until a job has ended, in this process or another.

        A client polls the store, and notices the end within a second. In a running application
        the end of a run in this process is noticed at once. To limit the wait, use
        ``anyio.fail_after`` or ``trio.fail_after``; cancelling it does not change the job.

        Returns:
            The ended job, as it is stored.

        Raises:
            UnknownJobError: There is no job of this id, or it was deleted.
        """
        services = self._services
        services.lifecycle.check()
        job_id = id_of("wait_for", job)
        with services.wakeups.endings() as ended:
            found = await self._find_ended(job_id)
            return found or await self._wait_for_end(job_id, ended)

    async def _wait_for_end(self, job_id: UUID, ended: Wakeup) -> EndedJob[Any]:
        """Wait until a live job has ended; `ended` is set when any job may have."""
        pause = FIRST_POLL
        while True:
            with move_on_after(pause):
                await ended.wait()
            pause = min(2 * pause, LONGEST_POLL)
            self._services.lifecycle.check()
            if found := await self._find_ended(job_id):
                return found

    async def _find_ended(self, job_id: UUID) -> EndedJob[Any] | None:
        """Return the job if it has ended, and None while it is live."""
        found = await find(self._services, job_id)
        if found is None:
            raise UnknownJobError(job_id)
        return None if isinstance(found, Job) else found

    def events(self, *, buffer: int = 1000) -> AbstractAsyncContextManager[EventStream]:
        """Read events: ``async with bg.events() as events: async for event in events: ...``.

        Args:
            buffer: How many events wait to be read, at most. When it is full, new events are
                dropped and counted in `EventStream.dropped`.

        Returns:
            A context manager for the `EventStream`, which has the events from the start of the
            block on. The iteration ends with the block or with the application.
        """
        self._services.lifecycle.check()
        check_whole("events: buffer", buffer, least=1)
        return self._services.bus.subscribe(buffer)

    @overload
    async def find(self, job_id: UUID) -> AnyJob | None: ...
    @overload
    async def find(self, job_id: UUID, *, worker: Worker[..., R]) -> AnyJob[R] | None: ...
    async def find(
        self, job_id: UUID, *, worker: AnyWorker | None = None
    ) -> AnyJob[Any] | None:
        """Return the job of this id, live or ended, or None if there is none.

        Args:
            job_id: The id of the job.
            worker: The worker of the job. It reads the result, and type checkers know the type
                of the result by it.

        Raises:
            UnreadableJobError: There is a stored row of this id that cannot be read as a job.
            ValueError: The job is one of another worker.
        """
        check_id("find", job_id)
        if worker is not None:
            check_type("find: worker", worker, Worker, "a worker made by @bgjobs.worker")
        self._services.lifecycle.check()
        found = await find(self._services, job_id)
        return found if found is None or worker is None else of_worker(found, worker)

    @overload
    async def result(self, job: StoredJob[R]) -> R: ...
    @overload
    async def result(self, job: UUID, *, worker: Worker[..., R]) -> R: ...
    async def result(
        self, job: StoredJob[Any] | UUID, *, worker: AnyWorker | None = None
    ) -> Any:
        """Wait until a job has ended, and return what its handler returned.

        The wait is that of `wait_for`; cancelling it does not change the job.

        Args:
            job: The job, or its id.
            worker: The worker of the job. It may be left out if `job` is a job of a worker of
                this configuration.

        Returns:
            The result, read from the store.

        Raises:
            JobFailedError: The job has failed.
            JobCancelledError: The job was cancelled.
            UnknownJobError: There is no job of this id, or it was pruned.
            TypeError: The worker keeps no results, or it is not known here, or the job ended
                before its worker kept results.
            ResultError: The stored result does not fit the annotation of the worker.
            ValueError: The job is one of another worker.
        """
        job_id = id_of("result", job)
        keeper = keeper_of(self._services, job, worker)
        if isinstance(job, UUID) and await self.find(job, worker=keeper) is None:
            raise UnknownJobError(job)
        return result_of(of_worker(await self.wait_for(job_id), keeper))

    @overload
    async def list(
        self, wanted: JobFilter[LiveState], page: Page = FIRST_PAGE
    ) -> Listing[Job]: ...
    @overload
    async def list(
        self, wanted: JobFilter[Literal["succeeded"]], page: Page = FIRST_PAGE
    ) -> Listing[SucceededJob]: ...
    @overload
    async def list(
        self, wanted: JobFilter[Literal["failed"]], page: Page = FIRST_PAGE
    ) -> Listing[FailedJob]: ...
    @overload
    async def list(
        self, wanted: JobFilter[Literal["cancelled"]], page: Page = FIRST_PAGE
    ) -> Listing[CancelledJob]: ...
    @overload
    async def list(
        self, wanted: JobFilter[Literal["unreadable"]], page: Page = FIRST_PAGE
    ) -> Listing[UnreadableJob]: ...
    @overload
    async def list(self, wanted: JobFilter[State], page: Page = FIRST_PAGE) -> Listing[Any]: ...
    async def list(self, wanted: JobFilter[State], page: Page = FIRST_PAGE) -> Listing[Any]:
        """Return one page of the jobs that a filter selects.

        Args:
            wanted: Their state, and other properties: ``JobFilter("failed", name="mail")``.
            page: How many jobs, and after which one; `Page.behind` makes the next page.

        Returns:
            Waiting, delayed and running jobs, the oldest first; others, the newest first; those
            of a search by the time of the failure, the latest first. `Listing.after` is None if
            no job follows. A page of a filter with properties that have no index may be short,
            or empty, although more jobs follow.
        """
        self._services.lifecycle.check()
        check_type("list: wanted", wanted, JobFilter, "a JobFilter")
        check_type("list: page", page, Page)
        return await listed(self._services, wanted, page)

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
        self._services.lifecycle.check()
        check_names("count: names", names)
        if at_most is not None:
            check_whole("count: at_most", at_most, least=0)
        return await counts(self._services, names, at_most)

    async def count_matching(self, wanted: JobFilter[State], *, at_most: int = COUNTED) -> int:
        """Count the jobs that a filter selects.

        The jobs of a state, also of one worker, are counted by the store. Those of other
        filters are read, which takes longer.

        Args:
            wanted: The filter, as for `list`.
            at_most: Where to stop counting. A number that reaches it means "or more".
        """
        self._services.lifecycle.check()
        check_type("count_matching: wanted", wanted, JobFilter, "a JobFilter")
        check_whole("count_matching: at_most", at_most, least=0)
        return await count_matching(self._services, wanted, at_most)

    async def next_due(self) -> timedelta | None:
        """Return the time until the first waiting job that the configuration runs is due.

        Negative if it is due already; None if no job waits. In a running application, the jobs
        are those of the queues that it runs.
        """
        services = self._services
        services.lifecycle.check()
        names = {worker.name for worker in services.config.run_workers()}
        now = services.clock.store_now()
        return await services.dispatch.call(services.store.next_due, names, now=now)

    async def activity(
        self,
        last: timedelta = HOUR,
        step: timedelta = MINUTE,
        *,
        names: Collection[str] | None = None,
    ) -> Sequence[Activity]:
        """Return how many runs have ended, how, and how long they took, in all processes.

        Processes count the runs of their queues, and write the counts at the
        `Config.heartbeat_interval`. The counts are exact, but for the last seconds of a process
        that was killed, and for runs that ended while the store took no write for an hour. They
        are known by the minute for a day, then by the hour for `Retention.activity`.

        Args:
            last: How long ago the time begins that is returned.
            step: The time is divided into parts of this length: whole minutes, at most a day.
            names: Names of workers; None means all.

        Returns:
            One for each worker and part in which a run ended, ordered by worker and time.

        Raises:
            StoreError: The store has no operations; see ``bgjobs.operations_of``.
        """
        return await read_activity(self._services, last, step, names)

    async def timeline(
        self, job: Job | EndedJob, *, tree: JobTree | None = None
    ) -> Sequence[TimelineEntry]:
        """Return what happened to a job, oldest first, with the queue and node of each run.

        See `bgjobs.timeline`. The queue and the node of the last run are read from the store.

        Args:
            job: The job.
            tree: The job with its descendants, from `tree`: when its children started and
                ended is added, and since when its handler waits for them, if it does.
        """
        self._services.lifecycle.check()
        check_type("timeline", job, StoredJob, "a job")
        if tree is not None:
            check_type("timeline: tree", tree, JobTree)
        has_children = tree is not None and bool(tree.children)
        since = (await self.waits(job)).get(job.id) if has_children else None
        owners = await self._owners_of(job)
        return timeline(job, *owners, tree=tree, waits_since=since)

    async def _owners_of(self, job: StoredJob) -> Sequence[Owner]:
        """Return the owner of the last reservation of a job, if there is one."""
        if job.reserved_by is None:
            return ()
        find_owners = self._services.store.find_owners
        return await self._services.dispatch.call(find_owners, [job.reserved_by])
