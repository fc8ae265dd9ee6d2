"""`BgJobs`: the methods of a running application, on top of those of a client."""

import threading
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Protocol, TypeVar, final

from anyio import move_on_after

from bgjobs._core.arguments import check_flag, check_seconds, check_text, check_type
from bgjobs._core.checks import check_handlers
from bgjobs._core.config import ScheduledJob
from bgjobs._runtime.admin.audit import audited, clean_author
from bgjobs._runtime.client import Client
from bgjobs._runtime.health import Health, health_of
from bgjobs._runtime.lifespan import check_resources
from bgjobs._runtime.nurseries.application import open_application_nursery
from bgjobs._runtime.nurseries.nursery import JobNursery
from bgjobs._runtime.persistence.with_work import register_hooks
from bgjobs._runtime.queues.handle import QueueControl
from bgjobs._runtime.scheduled.handle import ScheduledJobControl
from bgjobs._runtime.supervision.children import Children
from bgjobs._runtime.supervision.signals import on_each_signal
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import NotRunningError, UnknownNameError


class Named(Protocol):
    """An object with a name."""

    @property
    def name(self) -> str:
        """The name."""
        ...


N = TypeVar("N", bound=Named)


@final
class BgJobs(Client):
    """A running application, as `run` yields it: a client that runs queues and schedules.

    Use it in the block of `run`, and in handlers until the last one has ended, including their
    grace and their cleanup. After that, its methods raise `NotRunningError`.

    Methods that read or write the store raise `StoreUnavailableError` when it stays unavailable
    for `config.store_timeout`. A plain handler runs in a thread and calls async methods with
    `anyio.from_thread.run`, see https://anyio.readthedocs.io/en/stable/threads.html. Once such
    a handler was cancelled, these calls raise the cancellation.
    """

    def __init__(self, services: WorkerServices, children: Children) -> None:
        super().__init__(services, children.admin)
        self._worker = services
        self._children = children

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
        self._worker.lifecycle.check()
        check_flag("drain: with_delayed", with_delayed)
        queues = self._worker.queues
        check = min((queue.config.poll_interval for queue in queues), default=0.0)
        with self._worker.wakeups.idleness() as idle:
            while not await self._is_drained(with_delayed=with_delayed):
                if self._worker.lifecycle.is_ending:
                    return False
                with move_on_after(check):
                    await idle.wait()
        return True

    def stop(self, *, grace: float | None = None) -> None:
        """Start to stop the application, and return at once. The end of the block waits for it.

        Args:
            grace: Seconds for which handlers may run on before they are cancelled; None means
                `config.grace`. A second call can shorten it.
        """
        if grace is not None:
            check_seconds("stop: grace", grace)
        for queue in self._worker.queues:
            queue.stop(self._worker.config.grace if grace is None else grace)
        self._worker.lifecycle.stopping.set()
        self._worker.wakeups.notify_idle()

    async def wait_stopping(self) -> None:
        """Wait until `stop` is called."""
        await self._worker.lifecycle.stopping.wait()

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
        self._worker.lifecycle.check()
        if threading.current_thread() is threading.main_thread():
            self._children.start_service(
                "signals", partial(on_each_signal, self._stop_for_signal)
            )

    def open_nursery(
        self, *, cancel_on_failure: bool = True
    ) -> AbstractAsyncContextManager[JobNursery]:
        """Open a block that starts jobs as children of the application, and ends after them.

        It is what `JobContext.open_nursery` is for handlers. The children may run in any
        process. They end with the block: if it raises or is cancelled, they are cancelled, and
        the block waits for their end. If the process dies, they are cancelled when the lease of
        the nursery has ended. Nothing runs the block again, so no child is adopted.

        The block must not wait for children after the application has stopped in all processes,
        as no queue runs them then.

        Args:
            cancel_on_failure: False lets the other children and the block go on when a child
                ends without success.

        Returns:
            A context manager for the `JobNursery`. It raises an `ExceptionGroup` of
            `ChildFailedError` and `ChildCancelledError` if children have ended without success,
            with the exception of the block, if there is one.
        """
        self._worker.lifecycle.check()
        check_flag("open_nursery: cancel_on_failure", cancel_on_failure)
        return open_application_nursery(
            self._worker, self._children.node, cancel_on_failure=cancel_on_failure
        )

    @property
    def health(self) -> Health:
        """What is wrong with the application now; the store is not asked."""
        return health_of(self._worker, self._children.loop_lag)

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
            ConfigError: A scheduled job of this name runs here, another handler has the name
                of its worker, or its handler expects other resources. Nothing was stored.
            NoOccurrenceError: Its schedule has no occurrence from now on. Nothing was stored.
            StoreUnavailableError: The scheduled job runs, and is planned once the store is
                available again. If its worker has a function for `on_failure`, it does not run.
            NotRunningError: This application is stopping. The job of a handler that raises this
                is released, as if it was cancelled, and spends no attempt.
        """
        self._worker.lifecycle.check()
        if self._worker.lifecycle.is_ending:
            raise NotRunningError
        check_type("add_scheduled_job", job, ScheduledJob)
        job.schedule.next_after(self._worker.time.now())
        check_handlers([*self._worker.workers.all(), job.worker])
        check_resources(self._worker.config, self._worker.resources, [job.worker])
        await register_hooks(self._worker, [job.worker])
        row = self._children.start_scheduled_job(job)
        await row.apply_pending()
        return self.scheduled_job(job.name)

    async def remove_scheduled_job(self, name: str, *, by: str | None = None) -> None:
        """Stop planning a scheduled job, and delete its waiting row.

        A run in this process ends first, and its row is deleted then; for a run in another
        process, this call waits. Waiting runs that were triggered are not deleted; if no queue
        has the worker, they keep waiting. A process whose configuration has the scheduled job
        plans it again, at the latest at its next poll.

        Args:
            name: The name of the scheduled job.
            by: Who removes it, for the audit.

        Raises:
            UnknownNameError: This application has no scheduled job of this name.
        """
        by = clean_author(by)
        self._worker.lifecycle.check()
        self.scheduled_job(name)
        async with audited(self._worker, "remove_scheduled_job", name, by) as action:
            row = self._children.remove_scheduled_job(self.scheduled_job(name))
            action.changed = None  # the row is deleted later, if this call does not do it
            await row.apply_pending()
            action.changed = 1

    async def next_due(self) -> timedelta | None:
        """Return the time until the first waiting job of the queues of this application is due.

        Negative if it is due already; None if no job waits.
        """
        self._worker.lifecycle.check()
        return await self._next_due(planned=True)

    async def _is_drained(self, *, with_delayed: bool) -> bool:
        taken = [queue.taken for queue in self._worker.queues]
        if self._has_work or (with_delayed and await self._has_delayed()):
            return False
        # One call counts both: between two calls, a job could move from one state to the other,
        # and back, before this process knows that it has reserved it.
        counts = await self._worker.dispatch.call(
            self._worker.store.count,
            self._handled,
            at_most=1,
            now=self._worker.clock.store_now(),
        )
        if counts.waiting or counts.running:
            return False
        if with_delayed and counts.delayed and await self._has_delayed():
            return False
        return not self._has_work and taken == [queue.taken for queue in self._worker.queues]

    @property
    def _has_work(self) -> bool:
        now = self._worker.clock.monotonic()
        return any(queue.held or queue.postponed_until > now for queue in self._worker.queues)

    async def _has_delayed(self) -> bool:
        # A scheduled job always has a next run, so waiting for all runs would never end.
        return await self._next_due(planned=False) is not None

    async def _next_due(self, *, planned: bool) -> timedelta | None:
        return await self._worker.dispatch.call(
            self._worker.store.next_due,
            self._handled,
            planned=planned,
            now=self._worker.clock.store_now(),
        )

    @property
    def _handled(self) -> frozenset[str]:
        return frozenset(
            worker.name for queue in self._worker.queues for worker in queue.config.workers
        )

    def _stop_for_signal(self) -> None:
        self.stop(grace=0.0 if self._worker.lifecycle.stopping.is_set() else None)


def _named(kind: str, name: str, known: Sequence[N]) -> N:
    check_text(kind, name)
    for one in known:
        if one.name == name:
            return one
    raise UnknownNameError(kind, name, [one.name for one in known])
