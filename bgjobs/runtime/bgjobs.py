"""The running application as its user sees it."""

import signal
import threading
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import final
from uuid import UUID

from anyio import Event, move_on_after, open_signal_receiver
from anyio.abc import TaskGroup

from bgjobs.errors import NotRunningError, NoWorkerForJobError, UnknownNameError
from bgjobs.events import JobEnqueued, NoWorkerForJob
from bgjobs.ids import new_ids
from bgjobs.jobs import FailedJob, Job, JobRequest, SucceededJob
from bgjobs.runtime.bus import EventStream
from bgjobs.runtime.engine import Engine
from bgjobs.runtime.queue_control import QueueControl
from bgjobs.stores.abc import FIRST_PAGE, Counts, NewJob, Page


@final
class BgJobs:
    """What `run` gives: enqueue jobs, look at them, stop. Used inside its block only."""

    def __init__(self, engine: Engine, queues: Sequence[QueueControl], tree: TaskGroup) -> None:
        self._engine = engine
        self._queues = {queue.name: queue for queue in queues}
        self._tree = tree
        self._known = frozenset(worker.name for worker in engine.config.all_workers())
        self._stopping = Event()
        self._closed = False

    async def enqueue(self, request: JobRequest) -> Job:
        """Store one job; when this returns it is committed.

        Cancelled before it is written, nothing is stored; after that, it may be. Calls that
        wait at the same time are committed together.

        Raises:
            NoWorkerForJobError: No worker of this name is known here; nothing was written.
            StoreUnavailableError: The store was away for `config.store_timeout`; the job may
                be stored or not.
        """
        return (await self.enqueue_many([request]))[0]

    async def enqueue_many(self, requests: Iterable[JobRequest]) -> Sequence[Job]:
        """Store many jobs in one transaction, all or none; gives them in their order.

        Raises the same as `enqueue`.
        """
        self._check_running()
        new = list(requests)
        names = {request.name for request in new}
        self._check_known(names)
        ids = new_ids(len(new))
        stored = [NewJob(job_id, request) for job_id, request in zip(ids, new, strict=True)]
        jobs = await self._engine.commits.enqueue(stored) if stored else ()
        for job_id, job in zip(ids, jobs, strict=True):
            if job.id == job_id:
                self._engine.bus.emit(JobEnqueued, job)
        self._engine.wakeups.wake(names)
        self._engine.notifier.tell(names)
        return jobs

    async def drain(self, *, with_delayed: bool = False) -> bool:
        """Wait until no job of this application's queues is due or running.

        Gives True then, and False as soon as `stop` is called before.

        Delayed jobs, and with them the retries that wait for their backoff, are waited for
        only `with_delayed`. Jobs that other processes run are waited for, too; their end is
        noticed at the next poll.
        """
        self._check_running()
        queues = self._engine.config.queues
        check = min((queue.poll_interval for queue in queues), default=0.0)
        with self._engine.wakeups.idleness() as idle:
            while not await self._is_drained(with_delayed=with_delayed):
                if self._stopping.is_set():
                    return False
                with move_on_after(check):
                    await idle.wait()
        return True

    def stop(self, *, grace: float | None = None) -> None:
        """Begin to stop; returns at once. The end of the block waits for it.

        Handlers may go on for `grace` seconds, `config.grace` unless said. A second call can
        shorten that.
        """
        for queue in self._queues.values():
            queue.stop(self._engine.config.grace if grace is None else grace)
        self._stopping.set()
        self._engine.wakeups.idle()

    async def wait_stopping(self) -> None:
        """Wait until `stop` is called."""
        await self._stopping.wait()

    async def run_until_stopped(self) -> None:
        """Wait until `stop` is called; SIGTERM and SIGINT (Ctrl-C) call it."""
        self.stop_on_signals()
        await self.wait_stopping()

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT (Ctrl-C) stop this application from now on.

        A second signal ends the grace. Signals reach the main thread only; elsewhere this
        does nothing.
        """
        self._check_running()
        if threading.current_thread() is threading.main_thread():
            self._tree.start_soon(self._stop_on_signals)

    def queue(self, name: str) -> QueueControl:
        """Give a queue of this application; `UnknownNameError` when there is none."""
        try:
            return self._queues[name]
        except KeyError:
            raise UnknownNameError("queue", name, self._queues) from None

    @property
    def queues(self) -> tuple[QueueControl, ...]:
        """The queues of this application, in their order."""
        return tuple(self._queues.values())

    def events(self, *, buffer: int = 1000) -> AbstractAsyncContextManager[EventStream]:
        """Listen from now on: ``async with bg.events() as events: async for event in events``.

        What does not fit into the buffer is dropped and counted in `EventStream.dropped`.
        """
        return self._engine.bus.subscribe(buffer)

    async def find(self, job_id: UUID) -> Job | SucceededJob | FailedJob | None:
        """Give a job by its id, live or ended, or None."""
        self._check_running()
        return await self._engine.dispatch.call(self._engine.store.find, job_id)

    async def enqueued(self, name: str | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Give waiting and delayed jobs, of one worker or of all, oldest first."""
        self._check_running()
        return await self._engine.dispatch.call(self._engine.store.get_enqueued, name, page)

    async def running(
        self, owner: UUID | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[Job]:
        """Give reserved jobs, of one owner or of all and on any node, oldest first."""
        self._check_running()
        return await self._engine.dispatch.call(self._engine.store.get_running, owner, page)

    async def succeeded(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[SucceededJob]:
        """Give succeeded jobs, of one worker or of all, the newest first."""
        self._check_running()
        return await self._engine.dispatch.call(self._engine.store.get_succeeded, name, page)

    async def failed(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Give failed jobs, of one worker or of all, the newest first."""
        self._check_running()
        return await self._engine.dispatch.call(self._engine.store.get_failed, name, page)

    async def count(self, names: Collection[str] | None = None) -> Counts:
        """Count the jobs of these workers, or of all."""
        self._check_running()
        now = self._engine.clock.store_now()
        return await self._engine.dispatch.call(self._engine.store.count, names, now=now)

    def close(self) -> None:
        """Refuse further use; `run` does this when the block ends."""
        self._closed = True

    def _check_running(self) -> None:
        if self._closed:
            raise NotRunningError

    def _check_known(self, names: Collection[str]) -> None:
        for name in sorted(names):
            if name not in self._known:
                self._engine.bus.emit(NoWorkerForJob, name)
                raise NoWorkerForJobError(name, self._known)

    async def _is_drained(self, *, with_delayed: bool) -> bool:
        taken = [queue.taken for queue in self._queues.values()]
        if any(queue.held for queue in self._queues.values()):
            return False
        if await self._has_waiting(with_delayed=with_delayed) or await self._has_running():
            return False
        # A job may have moved from running to waiting between the two questions above.
        waiting = await self._has_waiting(with_delayed=with_delayed)
        return not waiting and taken == [queue.taken for queue in self._queues.values()]

    async def _has_waiting(self, *, with_delayed: bool) -> bool:
        due_in = await self._engine.dispatch.call(
            self._engine.store.next_due, self._handled, now=self._engine.clock.store_now()
        )
        return due_in is not None and (with_delayed or due_in.total_seconds() <= 0)

    async def _has_running(self) -> bool:
        page = Page(1000)
        while jobs := await self._engine.dispatch.call(
            self._engine.store.get_running, None, page
        ):
            if any(job.name in self._handled for job in jobs):
                return True
            page = Page(page.limit, after=jobs[-1].id)
        return False

    @property
    def _handled(self) -> frozenset[str]:
        return frozenset(
            worker.name for queue in self._engine.config.queues for worker in queue.workers
        )

    async def _stop_on_signals(self) -> None:
        with open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                self.stop(grace=0.0 if self._stopping.is_set() else None)
