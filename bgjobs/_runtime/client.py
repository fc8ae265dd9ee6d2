"""`BgJobs`: the methods of a running application."""

import threading
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Protocol, TypeVar, final
from uuid import UUID

from anyio import move_on_after

from bgjobs._core.arguments import (
    check_flag,
    check_id,
    check_name,
    check_names,
    check_seconds,
    check_text,
    check_type,
    check_whole,
    id_of,
)
from bgjobs._core.checks import check_handlers
from bgjobs._core.config import Config, ScheduledJob
from bgjobs._core.jobs import FailedJob, Job, SucceededJob
from bgjobs._core.requests import JobRequest
from bgjobs._runtime.admin.admin import Admin
from bgjobs._runtime.bus import EventStream
from bgjobs._runtime.persistence.enqueue import enqueue
from bgjobs._runtime.persistence.unreadable import find, listed
from bgjobs._runtime.queues.state import QueueControl
from bgjobs._runtime.scheduled.handle import ScheduledJobControl
from bgjobs._runtime.services import Services
from bgjobs._runtime.supervision.children import Children
from bgjobs._runtime.supervision.signals import on_each_signal
from bgjobs.errors import NotRunningError, UnknownJobError, UnknownNameError
from bgjobs.stores.pages import FIRST_PAGE, Page
from bgjobs.stores.types import Counts

FIRST_POLL, LONGEST_POLL = 0.02, 1.0
"""Seconds between two polls of `wait_for`, doubling: ends in other processes send no notice."""


class Named(Protocol):
    """An object with a name."""

    @property
    def name(self) -> str:
        """The name."""
        ...


N = TypeVar("N", bound=Named)


@final
class BgJobs:
    """A running application, as `run` yields it: enqueue jobs, wait for them, stop.

    Use it in the block of `run`, and in handlers until the last one has ended, including their
    grace and their cleanup. After that, its methods raise `NotRunningError`.

    Methods that read or write the store raise `StoreUnavailableError` when it stays unavailable
    for `config.store_timeout`. A plain handler runs in a thread and calls async methods with
    `anyio.from_thread.run`, see https://anyio.readthedocs.io/en/stable/threads.html. Once such
    a handler was cancelled, these calls raise the cancellation.
    """

    def __init__(self, services: Services, children: Children, config: Config) -> None:
        self._services = services
        self._children = children
        self.admin: Admin = Admin(services, children, config)
        """The methods for operators: list, retry, cancel, pause, prune and more."""

    async def enqueue(self, request: JobRequest) -> Job:
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

    async def enqueue_many(self, requests: Iterable[JobRequest]) -> Sequence[Job]:
        """Store many jobs in one transaction, all or none.

        Returns:
            The jobs, in the order of the requests; see `enqueue` about unique keys.

        Raises:
            Exception: The same exceptions as `enqueue`.
        """
        self._services.lifecycle.check()
        return await enqueue(self._services, requests)

    async def drain(self, *, with_delayed: bool = False) -> bool:
        """Wait until no job of this application's queues is due or running.

        Jobs that other processes run are included; their end is noticed at the next poll.

        Args:
            with_delayed: Whether to wait for delayed jobs, including retries that wait for
                their backoff. Future runs of scheduled jobs are never waited for.

        Returns:
            True when no such job is left; False as soon as `stop` is called or the block is
            left before that.
        """
        self._services.lifecycle.check()
        check_flag("drain: with_delayed", with_delayed)
        queues = self._services.queues
        check = min((queue.config.poll_interval for queue in queues), default=0.0)
        with self._services.wakeups.idleness() as idle:
            while not await self._is_drained(with_delayed=with_delayed):
                if self._services.lifecycle.is_ending:
                    return False
                with move_on_after(check):
                    await idle.wait()
        return True

    async def wait_for(self, job: Job | UUID) -> SucceededJob | FailedJob:
        """Wait until a job has ended, in this process or another.

        The end of a run in this process is noticed at once, one in another process within a
        second. To limit the wait, use ``anyio.fail_after`` or ``trio.fail_after``; cancelling
        it does not change the job.

        Returns:
            The ended job, as it is stored.

        Raises:
            UnknownJobError: There is no job of this id, or it was deleted.
        """
        services = self._services
        services.lifecycle.check()
        job_id, pause = id_of("wait_for", job), FIRST_POLL
        with services.wakeups.endings() as ended:
            while True:
                services.lifecycle.check()
                found = await find(services, job_id)
                if found is None:
                    raise UnknownJobError(job_id)
                if not isinstance(found, Job):
                    return found
                with move_on_after(pause):
                    await ended.wait()
                pause = min(2 * pause, LONGEST_POLL)

    def stop(self, *, grace: float | None = None) -> None:
        """Start to stop the application, and return at once. The end of the block waits for it.

        Args:
            grace: Seconds for which handlers may run on before they are cancelled; None means
                `config.grace`. A second call can shorten it.
        """
        if grace is not None:
            check_seconds("stop: grace", grace)
        for queue in self._services.queues:
            queue.stop(self._services.config.grace if grace is None else grace)
        self._services.lifecycle.stopping.set()
        self._services.wakeups.notify_idle()

    async def wait_stopping(self) -> None:
        """Wait until `stop` is called."""
        await self._services.lifecycle.stopping.wait()

    async def run_until_stopped(self) -> None:
        """Wait until `stop` is called; SIGTERM and SIGINT (Ctrl-C) call it."""
        self.stop_on_signals()
        await self.wait_stopping()

    def stop_on_signals(self) -> None:
        """Make SIGTERM and SIGINT (Ctrl-C) call `stop` from now on.

        A second signal ends the grace. A signal stops all applications of an event loop that
        have called this. In a thread other than the main one, which receives no signals, this
        does nothing.
        """
        self._services.lifecycle.check()
        if threading.current_thread() is threading.main_thread():
            self._children.start_service(
                "signals", partial(on_each_signal, self._stop_for_signal)
            )

    def queue(self, name: str) -> QueueControl:
        """Return a queue of this application.

        Raises:
            UnknownNameError: This application has no queue of this name.
        """
        return _named("queue", name, self._children.queues)

    @property
    def queues(self) -> tuple[QueueControl, ...]:
        """The queues of this application, in the order of the configuration."""
        return tuple(self._children.queues)

    def scheduled_job(self, name: str) -> ScheduledJobControl:
        """Return a scheduled job of this application.

        Raises:
            UnknownNameError: This application has no scheduled job of this name.
        """
        return _named("scheduled job", name, self._children.scheduled_jobs)

    @property
    def scheduled_jobs(self) -> tuple[ScheduledJobControl, ...]:
        """The scheduled jobs of this application: configured ones, then added ones."""
        return tuple(self._children.scheduled_jobs)

    async def add_scheduled_job(self, job: ScheduledJob) -> ScheduledJobControl:
        """Plan and run another scheduled job from now on. Its row is stored when this returns.

        Raises:
            ConfigError: A scheduled job of this name runs here, or another handler has the name
                of its worker. Nothing was stored.
            NoOccurrenceError: Its schedule has no occurrence from now on. Nothing was stored.
            StoreUnavailableError: The scheduled job runs, and is planned once the store is
                available again.
            NotRunningError: This application is stopping. The job of a handler that raises this
                is released, as if it was cancelled, and spends no attempt.
        """
        self._services.lifecycle.check()
        if self._services.lifecycle.is_ending:
            raise NotRunningError
        check_type("add_scheduled_job", job, ScheduledJob)
        job.schedule.next_after(self._services.time.now())
        check_handlers([*self._services.workers(), job.worker])
        row = self._children.start_scheduled_job(job)
        await row.apply_pending()
        return self.scheduled_job(job.name)

    async def remove_scheduled_job(self, name: str) -> None:
        """Stop planning a scheduled job, and delete its waiting row.

        A run in this process ends first, and its row is deleted then; for a run in another
        process, this call waits. Waiting runs that were triggered are not deleted; if no queue
        has the worker, they keep waiting. A process whose configuration has the scheduled job
        plans it again, at the latest at its next poll.

        Raises:
            UnknownNameError: This application has no scheduled job of this name.
        """
        self._services.lifecycle.check()
        await self._children.remove_scheduled_job(self.scheduled_job(name)).apply_pending()

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

    async def find(self, job_id: UUID) -> Job | SucceededJob | FailedJob | None:
        """Return the job of this id, live or ended, or None if there is none.

        Raises:
            UnreadableJobError: There is a stored row of this id that cannot be read as a job.
        """
        check_id("find", job_id)
        self._services.lifecycle.check()
        return await find(self._services, job_id)

    async def enqueued(self, name: str | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return a page of waiting and delayed jobs, of one worker or of all, oldest first."""
        self._services.lifecycle.check()
        _check_listing("enqueued", name, page)
        return await listed(self._services, self._services.store.get_enqueued, name, page)

    async def running(
        self, owner: UUID | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[Job]:
        """Return a page of reserved jobs, of one owner or of all processes, oldest first."""
        self._services.lifecycle.check()
        if owner is not None:
            check_type("running: owner", owner, UUID)
        check_type("running: page", page, Page)
        return await listed(self._services, self._services.store.get_running, owner, page)

    async def succeeded(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[SucceededJob]:
        """Return a page of succeeded jobs, of one worker or of all, newest first."""
        self._services.lifecycle.check()
        _check_listing("succeeded", name, page)
        return await listed(self._services, self._services.store.get_succeeded, name, page)

    async def failed(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Return a page of failed jobs, of one worker or of all, newest first."""
        self._services.lifecycle.check()
        _check_listing("failed", name, page)
        return await listed(self._services, self._services.store.get_failed, name, page)

    async def count(self, names: Collection[str] | None = None) -> Counts:
        """Count the jobs of these workers, or of all, in each state."""
        self._services.lifecycle.check()
        check_names("count: names", names)
        now = self._services.clock.store_now()
        return await self._services.dispatch.call(self._services.store.count, names, now=now)

    async def next_due(self) -> timedelta | None:
        """Return the time until the first waiting job of the queues of this application is due.

        Negative if it is due already; None if no job waits.
        """
        self._services.lifecycle.check()
        return await self._next_due(planned=True)

    async def _is_drained(self, *, with_delayed: bool) -> bool:
        taken = [queue.taken for queue in self._services.queues]
        if self._has_work or (with_delayed and await self._has_delayed()):
            return False
        # One call counts both: between two calls, a job could move from one state to the other,
        # and back, before this process knows that it has reserved it.
        counts = await self._services.dispatch.call(
            self._services.store.count,
            self._handled,
            at_most=1,
            now=self._services.clock.store_now(),
        )
        if counts.waiting or counts.running:
            return False
        if with_delayed and counts.delayed and await self._has_delayed():
            return False
        return not self._has_work and taken == [queue.taken for queue in self._services.queues]

    @property
    def _has_work(self) -> bool:
        now = self._services.clock.monotonic()
        return any(queue.held or queue.postponed_until > now for queue in self._services.queues)

    async def _has_delayed(self) -> bool:
        # A scheduled job always has a next run, so waiting for all runs would never end.
        return await self._next_due(planned=False) is not None

    async def _next_due(self, *, planned: bool) -> timedelta | None:
        return await self._services.dispatch.call(
            self._services.store.next_due,
            self._handled,
            planned=planned,
            now=self._services.clock.store_now(),
        )

    @property
    def _handled(self) -> frozenset[str]:
        return frozenset(
            worker.name for queue in self._services.queues for worker in queue.config.workers
        )

    def _stop_for_signal(self) -> None:
        self.stop(grace=0.0 if self._services.lifecycle.stopping.is_set() else None)


def _check_listing(verb: str, name: object, page: object) -> None:
    check_name(f"{verb}: name", name, optional=True)
    check_type(f"{verb}: page", page, Page)


def _named(kind: str, name: str, known: Sequence[N]) -> N:
    check_text(kind, name)
    for one in known:
        if one.name == name:
            return one
    raise UnknownNameError(kind, name, [one.name for one in known])
