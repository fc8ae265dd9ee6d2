"""`Admin`: the operators' methods for a system of processes over one store."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal, final, get_args

from attrs import frozen

from bgjobs._core.activity import RunningProcess
from bgjobs._core.arguments import check_flag, check_name, check_span, check_text, check_type
from bgjobs._core.audit import AuditEntry
from bgjobs._core.jobs import AnyJob, EndState, LiveState, State
from bgjobs._runtime.admin import by_filter
from bgjobs._runtime.admin.audit import audited, clean_author
from bgjobs._runtime.admin.batches import clean_reason
from bgjobs._runtime.admin.by_filter import Progress, Retried, Waiting
from bgjobs._runtime.admin.imports import Imported
from bgjobs._runtime.admin.jobs import JobAdmin
from bgjobs._runtime.admin.schedules import ScheduleAdmin, ScheduleState
from bgjobs._runtime.admin.unhandled import (
    MOST_REPORTED,
    UnhandledJobs,
    find_unhandled,
    marked_findings,
    unhandled_findings,
)
from bgjobs._runtime.persistence.unreadable import unreadable_findings
from bgjobs._runtime.scheduled.handle import ScheduleControl, ScheduledJobControl
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import UnknownNameError
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.operations import Finding, LiveOwner
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import COUNTED
from bgjobs.stores.types import SCHEMA_VERSION, Notice


@final
@frozen
class Schema:
    """The version of the database schema, and the version that this bgjobs needs."""

    found: int
    """The version of the database; 0 if it has no schema."""
    expected: int = SCHEMA_VERSION
    """The version that this bgjobs needs."""


@final
class Admin(JobAdmin):
    """The operators' methods: retry, cancel, change, pause, prune, export and more.

    Each call that changes something, and each export, is recorded: see `audit`. If it cannot be
    recorded, nothing is changed. `by` names who makes the call.

    Those for all jobs of a filter change some hundreds per transaction. If one of them is
    cancelled, the batches before are stored and the other jobs are unchanged, so it can be
    called again.

    It is `Client.admin`. Every change applies to all processes over the store. Methods raise
    `NotRunningError` after the block of a client, or the last handler of an application, has
    ended, `StoreUnavailableError` when the store stays unavailable for `config.store_timeout`,
    and `StoreError` if the store has no operations; see ``bgjobs.operations_of``.
    """

    def __init__(
        self, services: ClientServices, scheduled_jobs: Sequence[ScheduledJobControl] = ()
    ) -> None:
        super().__init__(services)
        self._schedules = ScheduleAdmin(services, scheduled_jobs)

    async def retry_all(
        self,
        wanted: JobFilter[Retried],
        *,
        by: str | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Retry all jobs of a filter, as `retry` does.

        The jobs are retried in batches, each in a transaction. If this call is cancelled, the
        remaining jobs stay as they are, and none is lost.

        Args:
            wanted: Failed or cancelled jobs: ``JobFilter("failed", name="mail")``.
            by: Who retries them, for their timelines and the audit.
            progress: Called after each batch with the number of jobs retried so far.

        Returns:
            How many jobs will run again.
        """
        check_filter("retry_all", wanted, Retried)
        return await by_filter.retry_all(self._services, self._operations, wanted, by, progress)

    async def cancel_all(
        self,
        wanted: JobFilter[Waiting],
        *,
        reason: str,
        by: str | None = None,
        progress: Progress | None = None,
    ) -> int:
        """End all waiting or delayed jobs of a filter.

        Left out are waiting runs of scheduled jobs, and jobs enqueued after this call began.
        Jobs that begin to run meanwhile are asked to end, as by `cancel`.

        Args:
            wanted: Waiting or delayed jobs: ``JobFilter("delayed")``.
            reason: As for `cancel`.
            by: As for `cancel`.
            progress: Called after each batch with the number of jobs ended or asked so far.

        Returns:
            How many jobs were ended, or asked to end.
        """
        check_filter("cancel_all", wanted, Waiting)
        reason = clean_reason(reason)
        return await by_filter.cancel_all(
            self._services, self._operations, wanted, reason, by, progress
        )

    async def prune(
        self,
        *,
        name: str | None = None,
        succeeded_for: timedelta | None = None,
        failed_for: timedelta | None = None,
        cancelled_for: timedelta | None = None,
        by: str | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Delete jobs that ended a time ago. Jobs that end after this call began are left out.

        Args:
            name: The worker of the jobs; None means all workers.
            succeeded_for: Delete jobs that succeeded at least this long ago, up to 36,500 days;
                None deletes none of them.
            failed_for: The same for failed jobs.
            cancelled_for: The same for cancelled jobs.
            by: Who deletes them, for the audit.
            progress: Called after each batch with the number of jobs deleted so far.

        Returns:
            How many jobs were deleted.
        """
        check_name("prune: name", name, optional=True)
        ages: dict[EndState, timedelta | None] = {
            "succeeded": succeeded_for,
            "failed": failed_for,
            "cancelled": cancelled_for,
        }
        for state, age in ages.items():
            check_span(f"prune: {state}_for", age)
        self._services.lifecycle.check()
        return await by_filter.prune(self._services, name, ages, by, progress)

    def export_failed(
        self, wanted: JobFilter[Literal["failed"]] | None = None, *, by: str | None = None
    ) -> AsyncIterator[str]:
        """Yield failed jobs as lines of JSON, including their arguments, for `import_failed`.

        Args:
            wanted: Which failed jobs; None means all.
            by: Who exports them, for the audit.
        """
        chosen = JobFilter("failed") if wanted is None else wanted
        check_filter("export_failed", chosen, Literal["failed"])
        author = clean_author(by)
        self._services.lifecycle.check()
        return by_filter.export_lines(self._services, chosen, author)

    def export_jobs(
        self, wanted: JobFilter[State], *, by: str | None = None
    ) -> AsyncIterator[AnyJob]:
        """Yield the jobs of a filter, for an export in a form of your own.

        It reads like `Client.list`, page by page, and is recorded with the number of jobs that
        were taken from it.

        Args:
            wanted: Which jobs; unreadable rows cannot be exported.
            by: Who exports them, for the audit.
        """
        check_filter("export_jobs", wanted, Literal[LiveState, EndState])
        author = clean_author(by)
        self._services.lifecycle.check()
        return by_filter.export(self._services, "export_jobs", wanted, author)

    async def import_failed(
        self,
        lines: Iterable[str],
        *,
        skip_bad: bool = False,
        by: str | None = None,
        progress: Progress | None = None,
    ) -> Imported:
        """Store failed jobs from lines that `export_failed` wrote, in batches.

        Every value of a line is checked as the values of a request are. Blank lines are left
        out.

        Args:
            lines: One job of JSON each.
            skip_bad: Whether to store the other jobs when lines are refused. `Imported.errors`
                names these lines.
            by: Who imports them, for the audit.
            progress: Called after each batch with the number of jobs stored so far.

        Raises:
            ExportedLineError: The first line that cannot be read or that the database refuses,
                unless `skip_bad`. The batches before it are stored, some hundred lines each.
        """
        check_flag("import_failed: skip_bad", skip_bad)
        return await by_filter.import_lines(
            self._services, self._operations, lines, by, progress, skip_bad=skip_bad
        )

    async def pause_queue(self, name: str, *, by: str | None = None) -> None:
        """Stop all processes from reserving jobs for a queue, until `resume_queue`.

        Handlers that run are not affected. The queue stays paused when processes restart.

        Args:
            name: The name of the queue.
            by: Who pauses it, for the audit.

        Raises:
            UnknownNameError: The configuration has no queue of this name.
        """
        by = clean_author(by)
        self._check_queue(name)
        pause, now = self._operations.pause_queue, self._services.clock.store_now()
        async with self._commanding("pause_queue", name, by):
            await self._services.dispatch.call(pause, name, now=now)

    async def resume_queue(self, name: str, *, by: str | None = None) -> None:
        """Make all processes reserve jobs for a queue again.

        Args:
            name: The name of the queue.
            by: Who resumes it, for the audit.

        Raises:
            UnknownNameError: The configuration has no queue of this name.
        """
        by = clean_author(by)
        self._check_queue(name)
        resume = self._operations.resume_queue
        async with self._commanding("resume_queue", name, by):
            await self._services.dispatch.call(resume, name)

    async def audit(
        self,
        page: Page = FIRST_PAGE,
        *,
        author: str | None = None,
        action: str | None = None,
    ) -> Listing[AuditEntry]:
        """Return what operators did, the newest first.

        Entries are kept for `Retention.audit`. Rows that cannot be read are left out.

        Args:
            page: How many entries, and where to begin: ``Page(100, found.after)`` is behind
                those of `found`.
            author: Only what this author did.
            action: Only calls of this method, such as ``"retry_all"``.
        """
        check_type("audit: page", page, Page)
        check_name("audit: author", author, optional=True)
        check_name("audit: action", action, optional=True)
        return await self._ask(self._operations.list_audit, page, author=author, action=action)

    async def paused_queues(self) -> frozenset[str]:
        """Return the names of the queues that `pause_queue` has paused."""
        return (await self._ask(self._operations.commands, ())).paused

    async def owners(self) -> Sequence[LiveOwner]:
        """Return the queues and scheduled jobs that run now, of all processes."""
        self._services.lifecycle.check()
        now = self._services.clock.store_now()
        return await self._services.dispatch.call(self._operations.get_owners, now=now)

    async def processes(self) -> Sequence[RunningProcess]:
        """Return the processes that run queues, up to 1,000, ordered by node.

        A process reports itself after its first `Config.heartbeat_interval`, and then every 30
        seconds. One that was killed stays for a day after its
        last report; see `RunningProcess.silent_for`.
        """
        now = self._services.clock.store_now()
        return await self._ask(self._operations.processes, now=now)

    async def schedules(self) -> Sequence[ScheduleState]:
        """Return the scheduled jobs, each with its waiting or running row.

        Returns:
            Those of the configuration, then those that this process has added, then those of
            other processes, which have only a row here and are not `is_configured`.
        """
        self._services.lifecycle.check()
        return await self._schedules.states()

    def schedule(self, name: str) -> ScheduleControl:
        """Return a scheduled job of any process, to pause, resume, change or trigger it.

        The methods of the control find the scheduled job. They raise `UnknownNameError` if
        neither the configuration nor a row has the name.
        """
        return self._schedules.control(name)

    async def diagnose(self) -> Sequence[Finding]:
        """Check the database, its settings and statistics, and the waiting jobs.

        Returns:
            What was found, including checks without a problem; see `Finding.level`.
        """
        found = await self._ask(self._operations.diagnose)
        unhandled = await find_unhandled(self._services, self._operations)
        unreadable = await self._ask(self._operations.count_unreadable, at_most=COUNTED)
        return [
            *found,
            *unreadable_findings(unreadable, COUNTED),
            *unhandled_findings(self._services.config, unhandled),
            *await marked_findings(self._services, self._operations),
        ]

    async def unhandled(self) -> Sequence[UnhandledJobs]:
        """Return the workers with waiting jobs that no process runs, up to 20, sorted by name.

        Processes register the names of their queues in the store, not those of the workers. A
        worker counts as handled if a queue or scheduled job that has it in the configuration
        runs in some process, or if a scheduled job of its own name does. A worker that is only
        enqueued here counts as handled, too, if any queue runs that the configuration does not
        have, as that queue may have it.
        """
        found = await find_unhandled(self._services, self._operations)
        return found[:MOST_REPORTED]

    async def schema(self) -> Schema:
        """Return the version of the database schema."""
        return Schema(await self._ask(self._operations.schema_version))

    def _check_queue(self, name: str) -> None:
        check_text("queue", name)
        known = [queue.name for queue in self._services.config.queues]
        if name not in known:
            raise UnknownNameError("queue", name, known)

    @asynccontextmanager
    async def _commanding(self, what: str, name: str, by: str | None) -> AsyncGenerator[None]:
        """Record a command for a queue, and announce it after the block."""
        async with audited(self._services, what, name, by) as action:
            yield
            action.changed = 1
            await self._services.announce_now(Notice(commands=True))


def check_filter(what: str, found: object, states: Any) -> None:
    """Expect a `JobFilter` of one of these states, which are a Literal."""
    check_type(f"{what}: wanted", found, JobFilter, "a JobFilter")
    state = getattr(found, "state", None)
    if state not in get_args(states):
        expected = " or ".join(map(repr, get_args(states)))
        raise ValueError(f"{what}: wanted: expected a filter of {expected}, found {state!r}")
