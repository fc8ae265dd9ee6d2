"""The children of one running application, and how they are started.

services       heartbeat, orders, monitor, watch, notifier, pruner; they end after the queues
'- queues      queues and scheduled jobs, one child each; they end when they are stopped
"""

import os
import socket
from collections.abc import Awaitable, Callable
from typing import final

from anyio.abc import TaskGroup

from bgjobs._core.config import Queue, ScheduledJob
from bgjobs._runtime.admin.pruner import Pruner
from bgjobs._runtime.leases.heartbeat import Heartbeat
from bgjobs._runtime.leases.monitor import Monitor
from bgjobs._runtime.notifications.commands import CommandListener
from bgjobs._runtime.notifications.listener import ChangeListener
from bgjobs._runtime.queues.consumer import Consumer
from bgjobs._runtime.queues.state import QueueControl
from bgjobs._runtime.scheduled.handle import ScheduledJobControl
from bgjobs._runtime.scheduled.row import ScheduledRow
from bgjobs._runtime.scheduled.runner import queue_of, run_scheduled
from bgjobs._runtime.services import Services
from bgjobs._runtime.supervision.supervisor import Child, Supervisor
from bgjobs.errors import ConfigError
from bgjobs.events import ScheduledJobRemoved


@final
class Children:
    """Starts children under the supervisor, each in its place."""

    def __init__(self, services: Services, supervisor: Supervisor) -> None:
        self.queues: list[QueueControl] = []
        """In the order of the configuration."""
        self.scheduled_jobs: list[ScheduledJobControl] = []
        """In the order of the configuration, and then as they were added."""
        self._services = services
        self._supervisor = supervisor
        self._node = f"{socket.gethostname()}:{os.getpid()}"
        self._running_jobs = False
        self._rows: dict[str, ScheduledRow] = {}

    def start(self, background: TaskGroup, queues: TaskGroup) -> None:
        """Start what the configuration asks for, in these task groups."""
        self._background, self._group = background, queues
        self.serve("notifier", self._services.notifier.run)
        for queue in self._services.config.queues:
            self.start_queue(queue)
        for job in self._services.config.scheduled_jobs:
            self.start_scheduled_job(job)

    def start_queue(self, queue: Queue) -> None:
        """Run a queue until it is stopped."""
        services = self._services
        news = services.wakeups.subscribe(worker.name for worker in queue.workers)
        control = QueueControl(queue, services.bus.scoped(queue.listeners), news)

        async def run() -> None:
            await Consumer(control, services, self._node).run()

        self.queues.append(control)
        self._start(control, f"queue {control.name!r}", run)

    def start_scheduled_job(self, job: ScheduledJob) -> ScheduledRow:
        """Plan and run a scheduled job until it is stopped or removed.

        `ConfigError` while another one of its name is there.
        """
        self._check_name(job.name)
        services = self._services
        row = ScheduledRow(job, services, services.bus.scoped(job.listeners))
        news = services.wakeups.subscribe([job.worker.name])
        queue = QueueControl(queue_of(job), row.bus, news, is_scheduled=True)

        async def run() -> None:
            await run_scheduled(row, queue, services, self._node)
            if row.removed:
                row.close()

        self._rows[job.name] = row
        self.scheduled_jobs.append(ScheduledJobControl(row, services))
        services.planner.add(job.name, row)
        self._start(queue, f"scheduled job {job.name!r}", run)
        return row

    def remove_scheduled_job(self, control: ScheduledJobControl) -> ScheduledRow:
        """Forget a scheduled job; its child ends when its row is gone."""
        row = self._rows[control.name]
        self.scheduled_jobs.remove(control)
        row.remove()
        row.bus.emit(ScheduledJobRemoved, control.name)
        return row

    async def bring_about_last_changes(self) -> None:
        """Make the changes that had to wait for runs; called when all of them have ended."""
        for row in self._rows.values():
            await row.apply_at_the_end()

    def _check_name(self, name: str) -> None:
        row = self._rows.get(name)
        if row is not None and not row.removed:
            raise ConfigError([f"scheduled_jobs: two have the name {name!r}"])
        if row is not None and row.pending:
            raise ConfigError([f"scheduled_jobs: {name!r} was removed, but a run goes on"])

    def _start(
        self, control: QueueControl, name: str, run: Callable[[], Awaitable[None]]
    ) -> None:
        if not self._running_jobs:
            self._running_jobs = True
            self._start_services()
        self._services.queues.append(control)
        self._group.start_soon(
            self._keep_queue, Child(name, run, control.bus, control.stopped), control
        )

    async def _keep_queue(self, child: Child, control: QueueControl) -> None:
        await self._supervisor.keep(child, self._group.cancel_scope)
        if (
            not self._services.lifecycle.is_ending
        ):  # else handlers may enqueue for its workers yet
            self._services.queues.remove(control)
        self._services.wakeups.unsubscribe(control.jobs_available)

    def _start_services(self) -> None:
        services = self._services
        self.serve("heartbeat", Heartbeat(services).run)
        self.serve("commands", CommandListener(services).run)
        self.serve("monitor", Monitor(services).run)
        self.serve("watch", ChangeListener(services).run)
        self.serve("pruner", Pruner(services).run)

    def serve(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a service running until everything has ended."""
        child = Child(name, run, self._services.bus)
        self._background.start_soon(self._supervisor.keep, child, self._group.cancel_scope)
