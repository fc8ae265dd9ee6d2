"""Operating a system of processes over one store, from any of them or from beside them."""

from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar, final, get_args
from uuid import UUID

from attrs import evolve, frozen

from bgjobs._core.arguments import (
    check_flag,
    check_id,
    check_ids,
    check_instant,
    check_name,
    check_names,
    check_span,
    check_text,
    check_texts,
    check_type,
    check_whole,
)
from bgjobs._core.config import Config
from bgjobs._core.ids import ids_between
from bgjobs._core.jobs import FailedJob, Job, SucceededJob, UnreadableJob
from bgjobs._core.requests import JobRequest, check_priority
from bgjobs._core.text import clean_text, value_text
from bgjobs._core.timestamps import check_delay
from bgjobs._runtime.admin.bulk import Bulk, Progress
from bgjobs._runtime.admin.imports import Imported
from bgjobs._runtime.admin.lists import State, list_jobs
from bgjobs._runtime.admin.schedules import ScheduleAdmin, ScheduleState
from bgjobs._runtime.admin.unhandled import (
    MOST_TOLD,
    UnhandledJobs,
    find_unhandled,
    findings,
)
from bgjobs._runtime.notifications.commands import COMMANDS
from bgjobs._runtime.persistence.enqueue import enqueue
from bgjobs._runtime.persistence.unreadable import find, unreadable_findings
from bgjobs._runtime.scheduled.handle import ScheduledJobControl
from bgjobs._runtime.services import Services
from bgjobs._runtime.supervision.children import Children
from bgjobs.errors import StoreError, UnknownJobError, UnknownNameError
from bgjobs.events import AdminAction
from bgjobs.stores.operations import (
    Cancellation,
    Failures,
    Finding,
    LiveOwner,
    Operations,
    operations_of,
)
from bgjobs.stores.pages import FIRST_PAGE, Page, words_of
from bgjobs.stores.types import SCHEMA_VERSION, Counts

P = ParamSpec("P")
T = TypeVar("T")

COUNTED = 100_000
"""How many jobs of each kind are counted unless said; more would take longer than a moment."""
LONGEST_REASON = 1_000


@final
@frozen
class Schema:
    """The version of the tables, and the one that this bgjobs needs."""

    found: int
    expected: int = SCHEMA_VERSION


@final
class Admin:
    """What operators do: look, retry, cancel, change, pause, prune, export.

    Given by `BgJobs.admin`, and by `administer` where no queue shall run. It is the same in
    every process and on both stores; whatever it changes holds for all processes.
    """

    def __init__(self, services: Services, children: Children, config: Config) -> None:
        self._services = services
        self._config = config
        self._schedules = ScheduleAdmin(services, children, config.scheduled_jobs)

    async def list(
        self,
        state: State,
        *,
        name: str | None = None,
        search: str | None = None,
        metadata: Mapping[str, str] | None = None,
        page: Page = FIRST_PAGE,
    ) -> Sequence[Job | SucceededJob | FailedJob]:
        """Return one page of the jobs in this state, of one worker or of all.

        What waits or runs comes the oldest first, what has ended the newest first. `search`
        finds failed jobs by all of its words in the first line of the error, whole ones but for
        a last one with a star, as in ``timeout db*``; the last that failed come first.
        `metadata` chooses jobs that have all of it: no index has it, so jobs are read until
        the page is full.
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
        failures = Failures(name=name, words=_words(search))
        return await list_jobs(
            self._services, self._operations, state, failures, metadata, page
        )

    async def unreadable(
        self, page: Page = FIRST_PAGE, *, longest: int = 1_000
    ) -> Sequence[UnreadableJob]:
        """Return one page of the stored rows that are no jobs and were set apart, newest first.

        A row is set apart when a queue, the monitor or one of these methods meets it. Texts of
        its columns are cut after `longest` characters. `delete` removes it, and `retry` puts it
        back if it can be read by now.
        """
        check_type("unreadable: page", page, Page)
        check_whole("unreadable: longest", longest, least=1)
        return await self._ask(self._operations.get_unreadable, page, longest=longest)

    async def count(
        self, names: Collection[str] | None = None, *, at_most: int | None = COUNTED
    ) -> Counts:
        """Count the jobs of these workers, or of all, up to `at_most` of each kind.

        A number that reaches `at_most` means "or more"; None counts them all. Unreadable rows
        are counted whatever the names, as the name of one may be what cannot be read.
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
        """Return a job, live or ended.

        Raises:
            UnknownJobError: There is none of this id.
            UnreadableJobError: Its stored row is no job.
        """
        check_id("get", job_id)
        self._services.lifecycle.check()
        found = await find(self._services, job_id)
        if found is None:
            raise UnknownJobError(job_id)
        return found

    async def find_ids(self, beginning: str, *, limit: int = 10) -> Sequence[UUID]:
        """Return the ids that begin so, of jobs that live or have ended, the oldest first.

        ``beginning`` is the begin of an id as it is written, with its hyphens or without.
        """
        check_text("beginning", beginning)
        first, last = ids_between(beginning)
        check_whole("find_ids: limit", limit, least=0)
        return await self._ask(self._operations.find_ids, first, last, limit)

    async def enqueue(self, request: JobRequest) -> Job:
        """Store a job; raises the same as `BgJobs.enqueue`."""
        self._services.lifecycle.check()
        [job] = await enqueue(self._services, [request])
        return job

    async def retry(self, *job_ids: UUID) -> Sequence[UUID]:
        """Retry failed jobs at once, with all their retries; return those that will run again.

        So do rows that were set apart, if they can be read by now.

        Left out are jobs that have not failed, those whose unique key is taken by now, and
        those that the database refuses: `ChangeRefused` tells each of these.
        """
        check_ids("retry", job_ids)
        return await self._bulk.retry(job_ids)

    async def retry_failed(
        self,
        *,
        name: str | None = None,
        search: str | None = None,
        before: datetime | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Retry all failed jobs that are meant; return how many will run again.

        A few hundred in each transaction: cancelled on the way, those that were not reached
        are failed as before, and none is lost. `progress` is told how many were done so far.
        What the database refuses is left out, and told by `ChangeRefused`.
        """
        check_name("retry_failed: name", name, optional=True)
        chosen = Failures(name=name, words=_words(search), before=before)
        return await self._bulk.retry_failed(chosen, progress)

    async def cancel(self, *job_ids: UUID, reason: str) -> Cancellation:
        """End waiting jobs as failed, and ask the processes that run the others to cancel them.

        A handler is cancelled as by its timeout, as soon as its process hears of it: by news of
        the store, or else with its next heartbeat. Its job is stored as failed; if it returns
        all the same, the job has succeeded. A job that is put back before
        it has heard is cancelled when it runs again. Left out are ended jobs. A waiting run of
        a scheduled job ends, too, and is planned anew where that runs: pause it to stop that.
        """
        check_ids("cancel", job_ids)
        _check_reason(reason)
        return await self._bulk.cancel(job_ids, clean_text(reason, LONGEST_REASON))

    async def delete(self, *job_ids: UUID) -> Sequence[UUID]:
        """Delete jobs for ever that wait or have ended; return the ids of those deleted.

        Rows that are no jobs and were set apart are deleted, too. Left out are running jobs,
        which you cancel first. A waiting run of a scheduled job is
        planned anew where that runs.
        """
        check_ids("delete", job_ids)
        return await self._bulk.delete(job_ids)

    async def cancel_waiting(
        self, *, name: str | None = None, reason: str, progress: Progress | None = None
    ) -> int:
        """End all waiting and delayed jobs, of one worker or of all, as failed.

        Left out are waiting runs of scheduled jobs, and what is enqueued after the call.
        """
        check_name("cancel_waiting: name", name, optional=True)
        _check_reason(reason)
        text = clean_text(reason, LONGEST_REASON)
        return await self._bulk.cancel_waiting(name, text, progress)

    async def reschedule(
        self, *job_ids: UUID, at: datetime | None = None, in_: timedelta | None = None
    ) -> Sequence[UUID]:
        """Let waiting jobs be due at an instant, or after a while; give those changed."""
        if (at is None) == (in_ is None):
            raise ValueError("reschedule: expected one of at= and in_=, found both or neither")
        check_instant("reschedule: at", at)
        check_span("reschedule: in_", in_)
        delay = None if in_ is None else check_delay("reschedule", in_.total_seconds())
        return await self._change(job_ids, available_at=at, available_in=delay)

    async def change_priority(self, *job_ids: UUID, priority: int) -> Sequence[UUID]:
        """Give waiting jobs another priority; give those changed."""
        check_priority(priority)
        return await self._change(job_ids, priority=priority)

    async def pause_queue(self, name: str) -> None:
        """Let no process reserve jobs for the queue of this name, until `resume_queue`.

        What runs goes on. `UnknownNameError` when the configuration has no such queue.
        """
        self._check_queue(name)
        now = self._services.clock.store_now()
        await self._services.dispatch.call(self._operations.pause_queue, name, now=now)
        await self._switched("pause_queue", name)

    async def resume_queue(self, name: str) -> None:
        """Let its processes reserve again."""
        self._check_queue(name)
        await self._ask(self._operations.resume_queue, name)
        await self._switched("resume_queue", name)

    async def paused_queues(self) -> frozenset[str]:
        """Give the names of the queues that are paused everywhere."""
        return (await self._ask(self._operations.commands, ())).paused

    async def owners(self) -> Sequence[LiveOwner]:
        """Give the queues and scheduled jobs that run now, of all processes."""
        self._services.lifecycle.check()
        now = self._services.clock.store_now()
        return await self._services.dispatch.call(self._operations.get_owners, now=now)

    async def prune(
        self,
        *,
        name: str | None = None,
        succeeded_for: timedelta | None = None,
        failed_for: timedelta | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Delete jobs that succeeded or failed longer ago than this; None keeps that kind.

        Up to 36,500 days, as for `Retention`; of one worker, or of all.
        """
        check_name("prune: name", name, optional=True)
        check_span("prune: succeeded_for", succeeded_for)
        check_span("prune: failed_for", failed_for)
        return await self._bulk.prune(name, succeeded_for, failed_for, progress)

    def export_failed(
        self, *, name: str | None = None, search: str | None = None
    ) -> AsyncIterator[str]:
        """Give failed jobs as lines of JSON, arguments included; see `import_failed`."""
        check_name("export_failed: name", name, optional=True)
        return self._bulk.export_failed(Failures(name=name, words=_words(search)))

    async def import_failed(
        self, lines: Iterable[str], *, skip_bad: bool = False, progress: Progress | None = None
    ) -> Imported:
        """Store failed jobs that were exported, and return how many were not there already.

        Each value of a line is checked as that of a request is. `ExportedLineError` names the
        first line that is refused; the batches before it, of a few hundred lines, are stored.
        With `skip_bad` all others are stored, and `Imported.errors` names those refused.
        """
        check_flag("import_failed: skip_bad", skip_bad)
        return await self._bulk.import_failed(lines, progress, skip_bad=skip_bad)

    async def schedules(self) -> Sequence[ScheduleState]:
        """Return the scheduled jobs, and what waits or runs of each.

        Those of the configuration, those that this process has added, and those of others, as
        far as their rows tell: they are not `is_configured`.
        """
        self._services.lifecycle.check()
        return await self._schedules.states()

    def schedule(self, name: str) -> ScheduledJobControl:
        """Give a scheduled job of the configuration, to pause, resume or trigger it."""
        return self._schedules.control(name)

    async def diagnose(self) -> Sequence[Finding]:
        """Look for trouble in the database, its settings, its statistics and what waits."""
        found = await self._ask(self._operations.diagnose)
        unhandled = await find_unhandled(self._services, self._operations, self._config)
        apart = await self._ask(self._operations.count_unreadable, at_most=COUNTED)
        return [
            *found,
            *unreadable_findings(apart, COUNTED),
            *findings(self._config, unhandled),
        ]

    async def unhandled(self) -> Sequence[UnhandledJobs]:
        """Return the workers whose jobs wait and that no process runs, up to 20 by name.

        A process tells its queues, and not its workers: for those of the configuration it is
        asked whether one of their queues runs; others are unhandled, unless a queue that the
        configuration does not have may be theirs.
        """
        found = await find_unhandled(self._services, self._operations, self._config)
        return found[:MOST_TOLD]

    async def schema(self) -> Schema:
        """Say which version the tables have, and which they should have."""
        return Schema(await self._ask(self._operations.schema_version))

    @property
    def _operations(self) -> Operations:
        self._services.lifecycle.check()
        store = self._services.store
        operations = operations_of(store)
        if operations is None:
            raise StoreError(f"{store.label}: expected a store with operations, found none")
        return operations

    @property
    def _bulk(self) -> Bulk:
        self._services.lifecycle.check()
        return Bulk(self._services, self._operations)

    async def _ask(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._services.lifecycle.check()
        return await self._services.dispatch.call(verb, *args, **kwargs)

    async def _change(
        self,
        job_ids: Collection[UUID],
        *,
        available_at: datetime | None = None,
        available_in: timedelta | None = None,
        priority: int | None = None,
    ) -> Sequence[UUID]:
        check_ids("change_priority" if priority is not None else "reschedule", job_ids)
        return await self._bulk.change(job_ids, available_at, available_in, priority)

    def _check_queue(self, name: str) -> None:
        check_text("queue", name)
        known = [queue.name for queue in self._config.queues]
        if name not in known:
            raise UnknownNameError("queue", name, known)

    async def _switched(self, action: str, name: str) -> None:
        self._services.bus.emit(AdminAction, action, name, 1)
        await self._services.announce_now([COMMANDS])


def _words(search: str | None) -> Sequence[str]:
    return () if search is None else words_of(search)


def _check_reason(reason: str) -> None:
    check_text("reason", reason)
    if not reason.strip():
        raise ValueError("reason: expected a text, found an empty one")
