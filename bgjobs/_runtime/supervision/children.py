"""The children of one running application, and how they are started.

services       heartbeat, commands, monitor, marked ends, watch, pruner, progress, waits,
|              activity; they end last
'- queues      queues and scheduled jobs, one child each; they end when they are stopped
"""

import os
import socket
from collections.abc import Awaitable, Callable
from typing import final

from anyio.abc import TaskGroup

from bgjobs._core.config import Queue, ScheduledJob
from bgjobs._runtime.activity.writer import ActivityWriter
from bgjobs._runtime.admin.admin import Admin
from bgjobs._runtime.admin.pruner import Pruner
from bgjobs._runtime.leases.heartbeat import Heartbeat
from bgjobs._runtime.leases.marked_ends import MarkedEnds
from bgjobs._runtime.leases.monitor import Monitor
from bgjobs._runtime.notifications.commands import CommandListener
from bgjobs._runtime.notifications.listener import ChangeListener
from bgjobs._runtime.queues.consumer import Consumer
from bgjobs._runtime.queues.handle import QueueControl
from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.scheduled.handle import ScheduledJobControl
from bgjobs._runtime.scheduled.kept_row import KeptRow
from bgjobs._runtime.scheduled.runner import queue_of, run_scheduled
from bgjobs._runtime.supervision.supervisor import Child, Supervisor
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.errors import ConfigError
from bgjobs.events import ScheduledJobRemoved


@final
class Children:
    """Starts services, queues and scheduled jobs as tasks that the supervisor restarts."""

    def __init__(self, services: WorkerServices, supervisor: Supervisor) -> None:
        self.queues: list[QueueControl] = []
        """In the order of the configuration."""
        self.scheduled_jobs: list[ScheduledJobControl] = []
        """In the order of the configuration, then in the order in which they were added."""
        self._services = services
        self._supervisor = supervisor
        self.node: str = f"{socket.gethostname()}:{os.getpid()}"
        """Host and process, for people to read."""
        self.admin: Admin = Admin(services, self.scheduled_jobs)
        """The methods for operators of this application, and of its handlers."""
        self._activity: ActivityWriter | None = None
        """Made with the services, which the first queue starts."""
        self._heartbeat = Heartbeat(services)
        self._rows: dict[str, KeptRow] = {}

    def start(self, background: TaskGroup, queues: TaskGroup) -> None:
        """Start services in the group `background`, and the configured queues in `queues`."""
        self._background, self._queues_group = background, queues
        for queue in self._services.config.queues:
            self.start_queue(queue)
        for job in self._services.config.scheduled_jobs:
            self.start_scheduled_job(job)

    @property
    def loop_lag(self) -> float:
        """By how many seconds the event loop is late now."""
        return self._heartbeat.lag

    def _consumer(self, state: QueueState) -> Consumer:
        return Consumer(state, self._services, self.node, self.admin)

    def start_service(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a service until all queues have ended."""
        child = Child(name, run, self._services.bus)
        self._background.start_soon(
            self._supervisor.supervise, child, self._queues_group.cancel_scope
        )

    def start_queue(self, queue: Queue) -> None:
        """Run a queue until it is stopped."""
        services = self._services
        wakeup = services.wakeups.subscribe(worker.name for worker in queue.workers)
        state = QueueState(queue, services.bus.scoped(queue.listeners), wakeup)

        async def run() -> None:
            await self._consumer(state).run()

        self.queues.append(QueueControl(state))
        self._start(state, f"queue {state.name!r}", run)

    def start_scheduled_job(self, job: ScheduledJob) -> KeptRow:
        """Plan and run a scheduled job until it is stopped or removed.

        Raises:
            ConfigError: There is a scheduled job of this name, or a run of a removed one has
                not ended. Nothing was started.
        """
        self._check_name(job.name)
        services = self._services
        row = KeptRow(job, services, services.bus.scoped(job.listeners))
        wakeup = services.wakeups.subscribe([job.worker.name])
        queue = QueueState(queue_of(job), row.bus, wakeup, is_scheduled=True)

        async def run() -> None:
            await run_scheduled(row, queue, services, self._consumer(queue))
            if row.removed:
                row.close()

        self._rows[job.name] = row
        self.scheduled_jobs.append(ScheduledJobControl(row, services))
        services.planner.add(job.name, row)
        self._start(queue, f"scheduled job {job.name!r}", run)
        return row

    def remove_scheduled_job(self, control: ScheduledJobControl) -> KeptRow:
        """Remove a scheduled job; its child ends once its row is deleted."""
        row = self._rows[control.name]
        self.scheduled_jobs.remove(control)
        row.remove()
        row.bus.emit(ScheduledJobRemoved, control.name)
        return row

    async def finish_changes(self) -> None:
        """Write what is left to write; call it when all runs have ended."""
        for row in self._rows.values():
            await row.apply_at_the_end()
        if self._activity is not None:
            await self._activity.finish()

    def _check_name(self, name: str) -> None:
        row = self._rows.get(name)
        if row is not None and not row.removed:
            raise ConfigError([f"scheduled_jobs: two have the name {name!r}"])
        if row is not None and row.pending:
            raise ConfigError(
                [f"scheduled_jobs: {name!r} was removed, but a run has not ended"]
            )

    def _start(self, queue: QueueState, name: str, run: Callable[[], Awaitable[None]]) -> None:
        if self._activity is None:
            self._start_services()
        self._services.queues.append(queue)
        self._services.workers.add(queue.config.workers)
        self._queues_group.start_soon(
            self._keep_queue, Child(name, run, queue.bus, queue.stopped), queue
        )

    async def _keep_queue(self, child: Child, queue: QueueState) -> None:
        await self._supervisor.supervise(child, self._queues_group.cancel_scope)
        # While the application stops, handlers may still enqueue jobs for its workers.
        if not self._services.lifecycle.is_ending:
            self._services.queues.remove(queue)
            self._services.workers.remove(queue.config.workers)
        self._services.wakeups.unsubscribe(queue.jobs_available)

    def _start_services(self) -> None:
        services, heartbeat = self._services, self._heartbeat
        self._activity = ActivityWriter(services, self.node, heartbeat.take_lag)
        self.start_service("heartbeat", heartbeat.run)
        self.start_service("commands", CommandListener(services).run)
        self.start_service("monitor", Monitor(services).run)
        self.start_service("marked ends", MarkedEnds(services).run)
        self.start_service("watch", ChangeListener(services).run)
        self.start_service("pruner", Pruner(services).run)
        self.start_service("progress", services.progress.run)
        self.start_service("waits", services.waits.run)
        self.start_service("activity", self._activity.run)
