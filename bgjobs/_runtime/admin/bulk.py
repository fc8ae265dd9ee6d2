"""The methods of `Admin` that change, export and import all jobs of a kind."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from uuid import UUID

from bgjobs._core.arguments import check_flag, check_name, check_span
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, SucceededJob
from bgjobs._core.lazy import check_plain_function, refuse_lazy
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.admin.changes import BATCH, JobChanges, clean_reason
from bgjobs._runtime.admin.imports import Imported, Importer, numbered_parts
from bgjobs._runtime.admin.jobs import search_words
from bgjobs._runtime.admin.pruner import Pruning, prune_kind
from bgjobs._runtime.persistence.unreadable import listed
from bgjobs.events import AdminAction, Pruned
from bgjobs.stores.imports import to_line
from bgjobs.stores.operations import Failures, Operations
from bgjobs.stores.pages import Page

Progress = Callable[[int], None]
"""Called after each batch with the number of jobs changed so far."""


class BulkChanges(JobChanges):
    """The methods of `Admin` for all jobs of a kind, some hundreds per transaction.

    If one of them is cancelled, the batches before are stored and the jobs of the others are
    unchanged, so it can be called again.
    """

    async def retry_failed(
        self,
        *,
        name: str | None = None,
        search: str | None = None,
        before: datetime | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Retry all failed jobs that match, as `retry` does.

        The jobs are retried in batches, each in a transaction. If this call is cancelled, the
        remaining jobs stay failed, and none is lost.

        Args:
            name: The worker of the jobs; None means all workers.
            search: Words of the error, as for `list`.
            before: Jobs that failed before this time, with a time zone; None means all.
            progress: Called after each batch with the number of jobs retried so far.

        Returns:
            How many jobs will run again.
        """
        check_name("retry_failed: name", name, optional=True)
        failures = Failures(name=name, words=search_words(search), before=before)
        operations = self._operations
        _check(progress)
        done = 0

        async def retry(part: Sequence[UUID]) -> None:
            nonlocal done
            done += len(await self._retry(operations, part))

        try:
            async with aclosing(self._failed_ids(operations, failures)) as batches:
                async for batch in batches:
                    await self._isolate("retry_failed", batch, retry)
                    await self._wake_workers()
                    _report_to(progress, done)
        finally:
            self._services.bus.emit(AdminAction, "retry_failed", name or "all", done)
        return done

    async def cancel_waiting(
        self, *, name: str | None = None, reason: str, progress: Progress | None = None
    ) -> int:
        """End all waiting and delayed jobs as failed, of one worker or of all.

        Left out are waiting runs of scheduled jobs, and jobs enqueued after this call began.

        Args:
            name: The worker of the jobs; None means all workers.
            reason: As for `cancel`.
            progress: Called after each batch with the number of jobs ended so far.

        Returns:
            How many jobs were ended.
        """
        check_name("cancel_waiting: name", name, optional=True)
        reason = clean_reason(reason)
        operations = self._operations
        _check(progress)
        done = 0

        async def cancel(part: Sequence[UUID]) -> None:
            nonlocal done
            done += len((await self._cancel(operations, part, reason)).ended)

        try:
            async with aclosing(self._waiting_ids(name)) as batches:
                async for batch in batches:
                    await self._isolate("cancel_waiting", batch, cancel)
                    _report_to(progress, done)
        finally:
            self._services.bus.emit(AdminAction, "cancel_waiting", name or "all", done)
        return done

    async def prune(
        self,
        *,
        name: str | None = None,
        succeeded_for: timedelta | None = None,
        failed_for: timedelta | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Delete jobs that ended a time ago. Jobs that end after this call began are left out.

        Args:
            name: The worker of the jobs; None means all workers.
            succeeded_for: Delete jobs that succeeded at least this long ago, up to 36,500 days;
                None deletes none of them.
            failed_for: The same for failed jobs.
            progress: Called after each batch with the number of jobs deleted so far.

        Returns:
            How many jobs were deleted.
        """
        check_name("prune: name", name, optional=True)
        check_span("prune: succeeded_for", succeeded_for)
        check_span("prune: failed_for", failed_for)
        operations = self._operations
        _check(progress)
        done, now = 0, await self._store_now()
        for kind, age in ((SucceededJob, succeeded_for), (FailedJob, failed_for)):
            if age is None:
                continue
            pruning = Pruning(operations, name, kind, age, now)
            async with aclosing(prune_kind(self._services, pruning, BATCH)) as counts:
                async for count in counts:
                    done += count
                    _report_to(progress, done)
        if done:
            self._services.bus.emit(Pruned, done)
        return done

    def export_failed(
        self, *, name: str | None = None, search: str | None = None
    ) -> AsyncIterator[str]:
        """Yield failed jobs as lines of JSON, including their arguments, for `import_failed`.

        Args:
            name: The worker of the jobs; None means all workers.
            search: Words of the error, as for `list`.
        """
        check_name("export_failed: name", name, optional=True)
        return self._export(self._operations, Failures(name=name, words=search_words(search)))

    async def import_failed(
        self, lines: Iterable[str], *, skip_bad: bool = False, progress: Progress | None = None
    ) -> Imported:
        """Store failed jobs from lines that `export_failed` wrote, in batches.

        Every value of a line is checked as the values of a request are. Blank lines are left
        out.

        Args:
            lines: One job of JSON each.
            skip_bad: Whether to store the other jobs when lines are refused. `Imported.errors`
                names these lines.
            progress: Called after each batch with the number of jobs stored so far.

        Raises:
            ExportedLineError: The first line that cannot be read or that the database refuses,
                unless `skip_bad`. The batches before it are stored, some hundred lines each.
        """
        check_flag("import_failed: skip_bad", skip_bad)
        operations = self._operations
        if isinstance(lines, str | bytes) or not isinstance(lines, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            raise TypeError(f"import_failed: expected lines, found {_not_lines(lines)}")
        _check(progress)
        importer = Importer(self._services, operations)
        for part in numbered_parts(lines, BATCH):
            _report_to(progress, await importer.store(part, skip_bad=skip_bad))
        return importer.finish()

    async def _export(self, operations: Operations, failures: Failures) -> AsyncIterator[str]:
        page = Page(BATCH)
        while jobs := await listed(self._services, operations.get_failed, failures, page):
            for job in jobs:
                yield to_line(job)
            page = page.behind(jobs)

    async def _store_now(self) -> datetime:
        services = self._services
        lease, now = as_duration(services.config.lease), services.clock.store_now()
        return (await services.dispatch.call(services.store.heartbeat, (), lease, now=now)).now

    async def _waiting_ids(self, name: str | None) -> AsyncGenerator[Sequence[UUID]]:
        """Yield pages of the ids of jobs that wait now, without runs of scheduled jobs.

        A cancelled run would be planned again; a paused one would not be paused any longer.
        """
        last, page = new_id(), Page(BATCH)
        get = self._services.store.get_enqueued
        while waiting := await listed(self._services, get, name, page):
            yield [job.id for job in waiting if job.id <= last and job.occurrence is None]
            page = page.behind(waiting)
            if waiting[-1].id > last:
                return

    async def _failed_ids(
        self, operations: Operations, failures: Failures
    ) -> AsyncGenerator[Sequence[UUID]]:
        get, page = operations.get_failed_ids, Page(BATCH)
        while ids := await self._services.dispatch.call(get, failures, page):
            yield ids
            page = page.behind(ids)


def _not_lines(found: object) -> str:
    kind = "None" if found is None else type(found).__name__
    return f"one {kind}; split it into lines" if isinstance(found, str | bytes) else kind


def _check(progress: Progress | None) -> None:
    if progress is not None:
        check_plain_function("progress", progress)


def _report_to(progress: Progress | None, done: int) -> None:
    if progress is not None:
        answer: object = progress(done)
        refuse_lazy("progress", answer)
