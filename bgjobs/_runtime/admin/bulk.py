"""Changes of many jobs at once, a few hundred in each transaction."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import islice
from typing import ParamSpec, TypeVar, final
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, SucceededJob
from bgjobs._core.lazy import check_plain_function, refuse_lazy
from bgjobs._core.timestamps import as_duration
from bgjobs._runtime.admin.imports import Imported, Importing, parts_of
from bgjobs._runtime.admin.pruner import Chosen, prune_kind
from bgjobs._runtime.notifications.commands import COMMANDS
from bgjobs._runtime.persistence.refusals import answered, answering, isolate
from bgjobs._runtime.persistence.unreadable import listed
from bgjobs._runtime.services import Services
from bgjobs.events import AdminAction, ChangeRefused, Pruned
from bgjobs.stores.imports import to_line
from bgjobs.stores.operations import Cancellation, Failures, Operations
from bgjobs.stores.pages import Page

P = ParamSpec("P")
T = TypeVar("T")

BATCH = 500
"""Jobs in one transaction: a moment of work, so that nobody waits long for it."""

NAMED = 3
"""Ids that an event names; of more it gives the number."""

Progress = Callable[[int], None]
"""Told how many were done so far, after each batch."""


@final
class Bulk:
    """Goes through all jobs that are meant, and through ids batch by batch."""

    def __init__(self, services: Services, operations: Operations) -> None:
        self._services = services
        self._operations = operations
        self._call = services.dispatch.call

    async def retry(self, job_ids: Collection[UUID]) -> Sequence[UUID]:
        """See `Admin.retry`."""
        again: list[UUID] = []

        async def retry(part: Sequence[UUID]) -> None:
            again.extend(await self._retried(part))

        for batch in _batches(job_ids):
            await self._isolate("retry", batch, retry)
        done = set(again)
        try:
            await self._put_back([one for one in job_ids if one not in done], again)
        finally:
            self._tell("retry", job_ids, len(again))
        await self._wake_workers()
        return again

    async def _put_back(self, job_ids: Collection[UUID], again: list[UUID]) -> None:
        """Put back what was set apart and can be read by now, and add it to the others."""

        async def put_back(part: Sequence[UUID]) -> None:
            now = self._services.clock.store_now()
            again.extend(await self._try(self._operations.put_back, part, now=now))

        for batch in _batches(job_ids):
            await self._isolate("retry", batch, put_back)

    async def retry_failed(self, failures: Failures, progress: Progress | None) -> int:
        """See `Admin.retry_failed`."""
        _check(progress)
        done = 0

        async def retry(part: Sequence[UUID]) -> None:
            nonlocal done
            done += len(await self._retried(part))

        try:
            async with aclosing(self._failed_ids(failures)) as batches:
                async for batch in batches:
                    await self._isolate("retry_failed", batch, retry)
                    await self._report(done, progress)
        finally:
            self._services.bus.emit(AdminAction, "retry_failed", failures.name or "all", done)
        return done

    async def cancel(self, job_ids: Collection[UUID], reason: str) -> Cancellation:
        """See `Admin.cancel`."""
        ended: list[UUID] = []
        asked: list[UUID] = []

        async def cancel(part: Sequence[UUID]) -> None:
            found = await self._cancelled(part, reason)
            ended.extend(found.ended)
            asked.extend(found.asked)

        for batch in _batches(job_ids):
            await self._isolate("cancel", batch, cancel)
        self._tell("cancel", job_ids, len(ended) + len(asked))
        await self._services.announce_now([COMMANDS])
        return Cancellation(ended, asked)

    async def delete(self, job_ids: Collection[UUID]) -> Sequence[UUID]:
        """See `Admin.delete`."""
        gone: list[UUID] = []

        async def delete(part: Sequence[UUID]) -> None:
            gone.extend(await self._try(self._operations.delete, part))

        for batch in _batches(job_ids):
            await self._isolate("delete", batch, delete)
        self._tell("delete", job_ids, len(gone))
        return gone

    async def cancel_waiting(
        self, name: str | None, reason: str, progress: Progress | None
    ) -> int:
        """See `Admin.cancel_waiting`."""
        _check(progress)
        done = 0

        async def cancel(part: Sequence[UUID]) -> None:
            nonlocal done
            done += len((await self._cancelled(part, reason)).ended)

        try:
            async with aclosing(self._waiting_ids(name)) as batches:
                async for batch in batches:
                    await self._isolate("cancel_waiting", batch, cancel)
                    _report_to(progress, done)
        finally:
            self._services.bus.emit(AdminAction, "cancel_waiting", name or "all", done)
        return done

    async def change(
        self,
        job_ids: Collection[UUID],
        available_at: datetime | None,
        available_in: timedelta | None,
        priority: int | None,
    ) -> Sequence[UUID]:
        """See `Admin.reschedule` and `Admin.change_priority`."""
        action = "change_priority" if priority is not None else "reschedule"
        changed: list[UUID] = []

        async def change(part: Sequence[UUID]) -> None:
            changed.extend(
                await self._try(
                    self._operations.change,
                    part,
                    available_at=available_at,
                    available_in=available_in,
                    priority=priority,
                    now=self._services.clock.store_now(),
                )
            )

        for batch in _batches(job_ids):
            await self._isolate(action, batch, change)
        self._tell(action, job_ids, len(changed))
        await self._wake_workers()
        return changed

    async def prune(
        self,
        name: str | None,
        succeeded_for: timedelta | None,
        failed_for: timedelta | None,
        progress: Progress | None,
    ) -> int:
        """See `Admin.prune`."""
        _check(progress)
        done, now = 0, await self._store_now()  # what ends later is left out
        async with aclosing(self._pruned(name, succeeded_for, failed_for, now)) as counts:
            async for count in counts:
                done += count
                _report_to(progress, done)
        if done:
            self._services.bus.emit(Pruned, done)
        return done

    async def _pruned(
        self,
        name: str | None,
        succeeded_for: timedelta | None,
        failed_for: timedelta | None,
        now: datetime,
    ) -> AsyncGenerator[int]:
        for kind, age in ((SucceededJob, succeeded_for), (FailedJob, failed_for)):
            if age is not None:
                chosen = Chosen(self._operations, name, kind)
                counts = prune_kind(self._services, chosen, age, BATCH, now)
                async with aclosing(counts):
                    async for count in counts:
                        yield count

    async def export_failed(self, failures: Failures) -> AsyncIterator[str]:
        """See `Admin.export_failed`."""
        page = Page(BATCH)
        while jobs := await listed(self._services, self._operations.get_failed, failures, page):
            for job in jobs:
                yield to_line(job)
            page = page.behind(jobs)

    async def import_failed(
        self, lines: Iterable[str], progress: Progress | None, *, skip_bad: bool
    ) -> Imported:
        """See `Admin.import_failed`."""
        if isinstance(lines, str | bytes) or not isinstance(lines, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            raise TypeError(f"import_failed: expected lines, found {_not_lines(lines)}")
        _check(progress)
        importing = Importing(self._services, self._operations)
        for part in parts_of(lines, BATCH):
            _report_to(progress, await importing.store(part, skips=skip_bad))
        return importing.end()

    async def _retried(self, part: Sequence[UUID]) -> Sequence[UUID]:
        now = self._services.clock.store_now()
        return await self._try(self._operations.retry, part, now=now)

    async def _cancelled(self, part: Sequence[UUID], reason: str) -> Cancellation:
        now = self._services.clock.store_now()
        return await self._try(self._operations.cancel, part, reason, now=now)

    async def _try(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return answered(await self._call(answering(verb), *args, **kwargs))

    async def _isolate(
        self,
        action: str,
        batch: Sequence[UUID],
        change: Callable[[Sequence[UUID]], Awaitable[None]],
    ) -> None:
        emit = self._services.bus.emit
        await isolate(batch, change, lambda one, error: emit(ChangeRefused, action, one, error))

    async def _store_now(self) -> datetime:
        services = self._services
        lease, now = as_duration(services.config.lease), services.clock.store_now()
        return (await self._call(services.store.heartbeat, (), lease, now=now)).now

    async def _waiting_ids(self, name: str | None) -> AsyncGenerator[Sequence[UUID]]:
        """Yield the ids of what waits now, page by page, and none of what comes meanwhile.

        Without runs of schedules, which would be planned again, or begin to run when paused.
        """
        last, page = new_id(), Page(BATCH)
        get = self._services.store.get_enqueued
        while waiting := await listed(self._services, get, name, page):
            yield [job.id for job in waiting if job.id <= last and job.occurrence is None]
            page = page.behind(waiting)
            if waiting[-1].id > last:
                return

    async def _failed_ids(self, failures: Failures) -> AsyncGenerator[Sequence[UUID]]:
        """Yield all ids that are meant, page by page."""
        get, page = self._operations.get_failed_ids, Page(BATCH)
        while ids := await self._call(get, failures, page):
            yield ids
            page = page.behind(ids)

    async def _report(self, done: int, progress: Progress | None) -> None:
        await self._wake_workers()
        _report_to(progress, done)

    async def _wake_workers(self) -> None:
        await self._services.announce_now(self._services.configured)

    def _tell(self, action: str, job_ids: Collection[UUID], count: int) -> None:
        subject = ", ".join(str(one) for one in islice(job_ids, NAMED))
        more = f" and {len(job_ids) - NAMED} more" if len(job_ids) > NAMED else ""
        self._services.bus.emit(AdminAction, action, subject + more, count)


def _batches(job_ids: Collection[UUID]) -> "Iterable[Sequence[UUID]]":
    ids = iter(job_ids)
    while batch := list(islice(ids, BATCH)):
        yield batch


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
