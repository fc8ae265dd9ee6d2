"""What operators do with all jobs of a filter: retry, cancel, prune, export and import them.

These functions run in the task of the caller, batch by batch; see `batches`.
"""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import EndState, State
from bgjobs._core.lazy import check_plain_function, refuse_lazy
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.admin.audit import audited
from bgjobs._runtime.admin.batches import BATCH, in_batches
from bgjobs._runtime.admin.imports import Imported, Importer, numbered_parts
from bgjobs._runtime.admin.pruner import Pruning, prune_jobs
from bgjobs._runtime.persistence.reads import each_page
from bgjobs._runtime.services import ClientServices
from bgjobs.events import Pruned
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.imports import to_line
from bgjobs.stores.operations import Cancellation, Operations
from bgjobs.stores.pages import Page
from bgjobs.stores.types import Notice

Retried = Literal["failed", "cancelled"]
Waiting = Literal["waiting", "delayed"]
Progress = Callable[[int], None]
"""Called after each batch with the number of jobs changed so far."""


async def retry_all(
    services: ClientServices,
    operations: Operations,
    wanted: JobFilter[Retried],
    by: str | None,
    progress: Progress | None,
) -> int:
    """Retry all jobs of a filter. Return how many; see `Admin.retry_all`."""
    _check(progress)
    retry, now, done = operations.retry, services.clock.store_now(), 0
    async with audited(services, "retry_all", wanted.name or "all", by) as action:

        def count(retried: Sequence[UUID]) -> None:
            nonlocal done
            action.changed = done = done + len(retried)

        async with aclosing(_ids(services, operations, wanted)) as batches:
            async for batch in batches:
                await in_batches(
                    services, "retry_all", batch, count, retry, by=action.author, now=now
                )
                await services.announce_now(Notice(services.workers.configured))
                _report_to(progress, done)
    return done


async def cancel_all(
    services: ClientServices,
    operations: Operations,
    wanted: JobFilter[Waiting],
    reason: str,
    by: str | None,
    progress: Progress | None,
) -> int:
    """End all jobs of a filter. Return how many; see `Admin.cancel_all`."""
    _check(progress)
    cancel, now, done = operations.cancel, services.clock.store_now(), 0
    asked = False
    async with audited(services, "cancel_all", wanted.name or "all", by) as action:
        cancelled = Cancelled(reason, action.author)

        def count(found: Cancellation) -> None:
            nonlocal done, asked
            action.changed = done = done + len(found.ended) + len(found.asked)
            asked = asked or bool(found.asked)

        async with aclosing(_waiting_ids(services, wanted)) as batches:
            async for batch in batches:
                await in_batches(
                    services, "cancel_all", batch, count, cancel, cancelled, now=now
                )
                _report_to(progress, done)
        if asked:  # they began to run after they were listed, or a process has to end them
            await services.announce_now(Notice(commands=True))
    return done


async def prune(
    services: ClientServices,
    name: str | None,
    ages: Mapping[EndState, timedelta | None],
    by: str | None,
    progress: Progress | None,
) -> int:
    """Delete jobs that ended a time ago. Return how many; see `Admin.prune`."""
    _check(progress)
    done = 0
    async with audited(services, "prune", name or "all", by) as action:
        now = await _store_now(services)
        for state, age in ages.items():
            if age is None:
                continue
            pruning = Pruning(state, name, age, now)
            async with aclosing(prune_jobs(services, pruning, BATCH)) as counts:
                async for count in counts:
                    action.changed = done = done + count
                    _report_to(progress, done)
    if done:
        services.bus.emit(Pruned, done)
    return done


async def export_lines(
    services: ClientServices, wanted: JobFilter[Literal["failed"]], by: str | None
) -> AsyncIterator[str]:
    """Yield failed jobs as lines of JSON."""
    async with aclosing(export(services, "export_failed", wanted, by)) as jobs:
        async for job in jobs:
            yield to_line(job)


async def export(
    services: ClientServices, what: str, wanted: JobFilter[State], by: str | None
) -> AsyncGenerator[Any]:
    """Yield the jobs of a filter, and record under the name `what` how many were taken."""
    done = 0
    async with (
        audited(services, what, wanted.name or "all", by) as action,
        aclosing(each_page(services, wanted, BATCH)) as pages,
    ):
        async for jobs in pages:
            for job in jobs:
                action.changed = done = done + 1
                yield job


async def import_lines(
    services: ClientServices,
    operations: Operations,
    lines: Iterable[str],
    by: str | None,
    progress: Progress | None,
    *,
    skip_bad: bool,
) -> Imported:
    """Store failed jobs from lines of JSON; see `Admin.import_failed`."""
    if isinstance(lines, str | bytes) or not isinstance(lines, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise TypeError(f"import_failed: expected lines, found {_not_lines(lines)}")
    _check(progress)
    async with audited(services, "import_failed", "lines", by) as action:
        importer = Importer(services, operations, action)
        for part in numbered_parts(lines, BATCH):
            _report_to(progress, await importer.store(part, skip_bad=skip_bad))
    return importer.result()


async def _store_now(services: ClientServices) -> datetime:
    lease, now = as_duration(services.config.lease), services.clock.store_now()
    return (await services.dispatch.call(services.store.heartbeat, (), lease, now=now)).now


async def _waiting_ids(
    services: ClientServices, wanted: JobFilter[Waiting]
) -> AsyncGenerator[Sequence[UUID]]:
    """Yield pages of the ids of jobs that wait now, without runs of scheduled jobs.

    A cancelled run would be planned again; a paused one would not be paused any longer.
    """
    last = new_id()
    async with aclosing(each_page(services, wanted, BATCH)) as pages:
        async for jobs in pages:
            yield [job.id for job in jobs if job.id <= last and job.occurrence is None]
            if jobs[-1].id > last:
                return


async def _ids(
    services: ClientServices, operations: Operations, wanted: JobFilter[Retried]
) -> AsyncGenerator[Sequence[UUID]]:
    """Yield pages of the ids of the jobs of a filter."""
    if wanted.metadata:  # which is read with the whole jobs
        async with aclosing(each_page(services, wanted, BATCH)) as pages:
            async for jobs in pages:
                yield [job.id for job in jobs]
        return
    page: Page | None = Page(BATCH)
    while page is not None:
        ids = await services.dispatch.call(operations.list_ids, wanted, page)
        yield ids
        page = None if ids.after is None else Page(BATCH, ids.after)


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
