"""`Admin`: the operators' methods for a system of processes over one store."""

from collections.abc import Sequence
from typing import final

from attrs import frozen

from bgjobs._core.arguments import check_text
from bgjobs._core.config import Config
from bgjobs._runtime.admin.bulk import BulkChanges
from bgjobs._runtime.admin.jobs import COUNTED
from bgjobs._runtime.admin.schedules import ScheduleAdmin, ScheduleState
from bgjobs._runtime.admin.unhandled import (
    MOST_REPORTED,
    UnhandledJobs,
    find_unhandled,
    unhandled_findings,
)
from bgjobs._runtime.notifications.commands import COMMANDS
from bgjobs._runtime.persistence.unreadable import unreadable_findings
from bgjobs._runtime.scheduled.handle import ScheduledJobControl
from bgjobs._runtime.services import Services
from bgjobs._runtime.supervision.children import Children
from bgjobs.errors import UnknownNameError
from bgjobs.events import AdminAction
from bgjobs.stores.operations import Finding, LiveOwner
from bgjobs.stores.types import SCHEMA_VERSION


@final
@frozen
class Schema:
    """The version of the database schema, and the version that this bgjobs needs."""

    found: int
    """The version of the database; 0 if it has no schema."""
    expected: int = SCHEMA_VERSION
    """The version that this bgjobs needs."""


@final
class Admin(BulkChanges):
    """The operators' methods: list, retry, cancel, change, pause, prune, export and more.

    It is `BgJobs.admin`, or yielded by `administer`, which runs no queue. Every change applies
    to all processes over the store. Methods raise `NotRunningError` after the last handler of
    the application has ended, `StoreUnavailableError` when the store stays unavailable for
    `config.store_timeout`, and `StoreError` if the store has no operations; see
    ``bgjobs.operations_of``.
    """

    def __init__(self, services: Services, children: Children, config: Config) -> None:
        super().__init__(services, config)
        self._schedules = ScheduleAdmin(services, children, config.scheduled_jobs)

    async def pause_queue(self, name: str) -> None:
        """Stop all processes from reserving jobs for a queue, until `resume_queue`.

        Handlers that run are not affected. The queue stays paused when processes restart.

        Raises:
            UnknownNameError: The configuration has no queue of this name.
        """
        self._check_queue(name)
        now = self._services.clock.store_now()
        await self._services.dispatch.call(self._operations.pause_queue, name, now=now)
        await self._announce("pause_queue", name)

    async def resume_queue(self, name: str) -> None:
        """Make all processes reserve jobs for a queue again.

        Raises:
            UnknownNameError: The configuration has no queue of this name.
        """
        self._check_queue(name)
        await self._ask(self._operations.resume_queue, name)
        await self._announce("resume_queue", name)

    async def paused_queues(self) -> frozenset[str]:
        """Return the names of the queues that `pause_queue` has paused."""
        return (await self._ask(self._operations.commands, ())).paused

    async def owners(self) -> Sequence[LiveOwner]:
        """Return the queues and scheduled jobs that run now, of all processes."""
        self._services.lifecycle.check()
        now = self._services.clock.store_now()
        return await self._services.dispatch.call(self._operations.get_owners, now=now)

    async def schedules(self) -> Sequence[ScheduleState]:
        """Return the scheduled jobs, each with its waiting or running row.

        Returns:
            Those of the configuration, then those that this process has added, then those of
            other processes, which have only a row here and are not `is_configured`.
        """
        self._services.lifecycle.check()
        return await self._schedules.states()

    def schedule(self, name: str) -> ScheduledJobControl:
        """Return a scheduled job, to pause, resume or trigger it.

        Raises:
            UnknownNameError: Neither the configuration nor this process has it.
        """
        return self._schedules.control(name)

    async def diagnose(self) -> Sequence[Finding]:
        """Check the database, its settings and statistics, and the waiting jobs.

        Returns:
            What was found, including checks without a problem; see `Finding.level`.
        """
        found = await self._ask(self._operations.diagnose)
        unhandled = await find_unhandled(self._services, self._operations, self._config)
        unreadable = await self._ask(self._operations.count_unreadable, at_most=COUNTED)
        return [
            *found,
            *unreadable_findings(unreadable, COUNTED),
            *unhandled_findings(self._config, unhandled),
        ]

    async def unhandled(self) -> Sequence[UnhandledJobs]:
        """Return the workers with waiting jobs that no process runs, up to 20, sorted by name.

        Processes register the names of their queues in the store, not those of the workers. A
        worker counts as handled if a queue or scheduled job that has it in the configuration
        runs in some process, or if a scheduled job of its own name does. A worker that is only
        enqueued here counts as handled, too, if any queue runs that the configuration does not
        have, as that queue may have it.
        """
        found = await find_unhandled(self._services, self._operations, self._config)
        return found[:MOST_REPORTED]

    async def schema(self) -> Schema:
        """Return the version of the database schema."""
        return Schema(await self._ask(self._operations.schema_version))

    def _check_queue(self, name: str) -> None:
        check_text("queue", name)
        known = [queue.name for queue in self._config.queues]
        if name not in known:
            raise UnknownNameError("queue", name, known)

    async def _announce(self, action: str, name: str) -> None:
        self._services.bus.emit(AdminAction, action, name, 1)
        await self._services.announce_now([COMMANDS])
