"""The running application as its user sees it."""

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
from bgjobs._core.config import Config, ScheduledJob, check_handlers
from bgjobs._core.jobs import FailedJob, Job, SucceededJob
from bgjobs._core.requests import JobRequest
from bgjobs._runtime.admin.jobs import Admin
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

FIRST_LOOK, LONGEST_LOOK = 0.02, 1.0
"""Seconds between two looks at the store, which double: nothing tells of ends elsewhere."""


async def wait_for(services: Services, job_id: UUID) -> SucceededJob | FailedJob:
    """See `BgJobs.wait_for`."""
    pause = FIRST_LOOK
    with services.wakeups.endings() as news:
        while True:
            services.lifecycle.check()
            found = await find(services, job_id)
            if found is None:
                raise UnknownJobError(job_id)
            if not isinstance(found, Job):
                return found
            with move_on_after(pause):
                await news.wait()
            pause = min(2 * pause, LONGEST_LOOK)


class Named(Protocol):
    """Something that is looked up by its name."""

    @property
    def name(self) -> str:
        """The name."""
        ...


N = TypeVar("N", bound=Named)


@final
class BgJobs:
    """What `run` gives: enqueue jobs, look at them, stop.

    It works inside the block of `run`, and in handlers until the last one has ended, also while
    they use their grace or clean up. After that its methods raise `NotRunningError`.
    """

    def __init__(self, services: Services, children: Children, config: Config) -> None:
        self._services = services
        self._children = children
        self.admin: Admin = Admin(services, children, config)
        """What operators do: look, retry, cancel, pause, and more."""

    async def enqueue(self, request: JobRequest) -> Job:
        """Store one job; when this returns it is committed.

        Cancelled before it is written, nothing is stored; after that, it may be. Calls that
        wait at the same time are committed together.

        Raises:
            NoWorkerForJobError: No worker of this name is known here; nothing was written.
            StoreUnavailableError: The store was away for `config.store_timeout`; the job may
                be stored or not.
            UnreadableJobError: A row that is no job has the unique key, and this process may
                not set it apart. Other jobs of `enqueue_many` may be stored.
        """
        return (await self.enqueue_many([request]))[0]

    async def enqueue_many(self, requests: Iterable[JobRequest]) -> Sequence[Job]:
        """Store many jobs in one transaction, all or none; gives them in their order.

        Raises the same as `enqueue`.
        """
        self._services.lifecycle.check()
        return await enqueue(self._services, requests)

    async def drain(self, *, with_delayed: bool = False) -> bool:
        """Wait until no job of this application's queues is due or running.

        Gives True then, and False as soon as `stop` is called or the block is left before.

        Delayed jobs, and with them the retries that wait for their backoff, are waited for
        only `with_delayed`; those of scheduled jobs never, as there is always a next one.
        Jobs that other processes run are waited for, too; their end is noticed at the next
        poll.
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
        """Wait until a job has ended, wherever it runs, and give it as it is stored then.

        The end of a run in this process is heard of at once, one elsewhere within a second.
        `UnknownJobError` when there is no such job, or none any more. Bound it with
        ``anyio.fail_after``; cancelling the wait does nothing to the job.
        """
        self._services.lifecycle.check()
        return await wait_for(self._services, id_of("wait_for", job))

    def stop(self, *, grace: float | None = None) -> None:
        """Begin to stop; returns at once. The end of the block waits for it.

        Handlers may go on for `grace` seconds, `config.grace` unless said. A second call can
        shorten that.
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
        """Let SIGTERM and SIGINT (Ctrl-C) stop this application from now on.

        A second signal ends the grace. Several applications in one event loop all hear it.
        Signals reach the main thread only; elsewhere this does nothing.
        """
        self._services.lifecycle.check()
        if threading.current_thread() is threading.main_thread():
            self._children.serve("signals", partial(on_each_signal, self._stop_for_signal))

    def queue(self, name: str) -> QueueControl:
        """Give a queue of this application; `UnknownNameError` when there is none."""
        return _named("queue", name, self._children.queues)

    @property
    def queues(self) -> tuple[QueueControl, ...]:
        """The queues of this application, in their order."""
        return tuple(self._children.queues)

    def scheduled_job(self, name: str) -> ScheduledJobControl:
        """Give a scheduled job of this application; `UnknownNameError` when there is none."""
        return _named("scheduled job", name, self._children.scheduled_jobs)

    @property
    def scheduled_jobs(self) -> tuple[ScheduledJobControl, ...]:
        """The scheduled jobs of this application, in their order."""
        return tuple(self._children.scheduled_jobs)

    async def add_scheduled_job(self, job: ScheduledJob) -> ScheduledJobControl:
        """Plan and run another scheduled job from now on; its row is stored when this returns.

        `ConfigError` when one of its name runs here already, or another handler has the name
        of its worker; `NoOccurrenceError` when its schedule has ended. After
        `StoreUnavailableError` it is planned once the store is back. `NotRunningError` once
        this application stops; a handler that raises it then is given back like one that is cut
        off, and spends no attempt.
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
        """Plan a scheduled job no more, and delete the row that waits.

        A run that goes on here is finished first, and its row deleted at its end; for one in
        another process this waits. Extra runs that wait are left, if no queue has the worker.
        A process that has it in its settings too plans it again, at the latest at its next
        poll. `UnknownNameError` when there is none.
        """
        self._services.lifecycle.check()
        await self._children.remove_scheduled_job(self.scheduled_job(name)).apply_pending()

    def events(self, *, buffer: int = 1000) -> AbstractAsyncContextManager[EventStream]:
        """Listen from now on: ``async with bg.events() as events: async for event in events``.

        What does not fit into the buffer is dropped and counted in `EventStream.dropped`.
        """
        self._services.lifecycle.check()
        check_whole("events: buffer", buffer, least=1)
        return self._services.bus.subscribe(buffer)

    async def find(self, job_id: UUID) -> Job | SucceededJob | FailedJob | None:
        """Return a job by its id, live or ended, or None.

        `UnreadableJobError` when there is one whose stored row is no job.
        """
        check_id("find", job_id)
        self._services.lifecycle.check()
        return await find(self._services, job_id)

    async def enqueued(self, name: str | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return waiting and delayed jobs, of one worker or of all, oldest first."""
        self._services.lifecycle.check()
        _check_listing("enqueued", name, page)
        return await listed(self._services, self._services.store.get_enqueued, name, page)

    async def running(
        self, owner: UUID | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[Job]:
        """Return reserved jobs, of one owner or of all and on any node, oldest first."""
        self._services.lifecycle.check()
        if owner is not None:
            check_type("running: owner", owner, UUID)
        check_type("running: page", page, Page)
        return await listed(self._services, self._services.store.get_running, owner, page)

    async def succeeded(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[SucceededJob]:
        """Return succeeded jobs, of one worker or of all, the newest first."""
        self._services.lifecycle.check()
        _check_listing("succeeded", name, page)
        return await listed(self._services, self._services.store.get_succeeded, name, page)

    async def failed(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Return failed jobs, of one worker or of all, the newest first."""
        self._services.lifecycle.check()
        _check_listing("failed", name, page)
        return await listed(self._services, self._services.store.get_failed, name, page)

    async def count(self, names: Collection[str] | None = None) -> Counts:
        """Count the jobs of these workers, or of all."""
        self._services.lifecycle.check()
        check_names("count: names", names)
        now = self._services.clock.store_now()
        return await self._services.dispatch.call(self._services.store.count, names, now=now)

    async def next_due(self) -> timedelta | None:
        """Say how long until the first job is due that the queues here wait for.

        Less than zero when it has been due for so long; None when there is none.
        """
        self._services.lifecycle.check()
        return await self._next_due(planned=True)

    async def _is_drained(self, *, with_delayed: bool) -> bool:
        taken = [queue.taken for queue in self._services.queues]
        if self._has_work or (with_delayed and await self._has_delayed()):
            return False
        # One question for both: between two, a job may move from one answer to the other, and
        # back, before this process hears that it has reserved it.
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
        # There is always a next run of a scheduled job, so nobody can wait for the last one.
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
