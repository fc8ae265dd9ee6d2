"""The methods of `Admin` that change jobs by their ids."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import ParamSpec, TypeVar
from uuid import UUID

from bgjobs._core.arguments import check_ids, check_instant, check_span, check_text
from bgjobs._core.requests import check_priority
from bgjobs._core.text import clean_text
from bgjobs._core.timestamps import check_delay
from bgjobs._runtime.admin.jobs import JobQueries
from bgjobs._runtime.notifications.commands import COMMANDS
from bgjobs._runtime.persistence.refusals import answered, answering, isolate
from bgjobs.errors import RowRefusedError
from bgjobs.events import AdminAction, ChangeRefused
from bgjobs.stores.operations import Cancellation, Operations

P = ParamSpec("P")
T = TypeVar("T")

BATCH = 500
"""Jobs in one transaction: a moment, as other writes may have to wait for it."""
NAMED_IDS = 3
"""Ids that `AdminAction` names; it counts the others."""
LONGEST_REASON = 1_000
"""Characters after which the reason of a cancellation is cut."""

Change = Callable[[Sequence[UUID]], Awaitable[None]]


class JobChanges(JobQueries):
    """The methods of `Admin` that change jobs by their ids, some hundreds per transaction.

    A job whose change the database refuses is left out; `ChangeRefused` reports each of them.
    """

    async def retry(self, *job_ids: UUID) -> Sequence[UUID]:
        """Retry failed jobs now with a full retry budget.

        Unreadable rows are put back if they can be read by now. Left out are jobs that have not
        failed, and those whose unique key another live job has. Jobs that the database refuses
        are left out, too; `ChangeRefused` reports each of them.

        Returns:
            The ids of the jobs that will run again.
        """
        check_ids("retry", job_ids)
        operations = self._operations
        retried: list[UUID] = []

        async def retry(part: Sequence[UUID]) -> None:
            retried.extend(await self._retry(operations, part))

        async def put_back(part: Sequence[UUID]) -> None:
            now = self._services.clock.store_now()
            retried.extend(await self._try(operations.put_back, part, now=now))

        await self._in_batches("retry", job_ids, retry)
        done = set(retried)
        try:
            left = [one for one in job_ids if one not in done]
            await self._in_batches("retry", left, put_back)
        finally:
            self._report("retry", job_ids, len(retried))
        await self._wake_workers()
        return retried

    async def cancel(self, *job_ids: UUID, reason: str) -> Cancellation:
        """End waiting jobs as failed, and ask the processes that run the others to cancel them.

        A process cancels its handler, as at a timeout, when it reads the command: after the
        notification of the store, otherwise within its `heartbeat_interval`. The job is stored
        as failed; if the handler returns nevertheless, the job has succeeded. If it fails or
        snoozes before its process has read the command, it is cancelled when it runs again.
        Ended jobs are left out. If a waiting run of a scheduled job is cancelled, its process
        plans another one; to prevent that, pause the scheduled job.

        Args:
            job_ids: The ids of the jobs.
            reason: The error of the jobs will be ``Cancelled:`` and this text.

        Returns:
            The ids of the jobs that have ended, and of those that run and will be cancelled.
        """
        check_ids("cancel", job_ids)
        reason = clean_reason(reason)
        operations = self._operations
        ended: list[UUID] = []
        asked: list[UUID] = []

        async def cancel(part: Sequence[UUID]) -> None:
            found = await self._cancel(operations, part, reason)
            ended.extend(found.ended)
            asked.extend(found.asked)

        await self._in_batches("cancel", job_ids, cancel)
        self._report("cancel", job_ids, len(ended) + len(asked))
        await self._services.announce_now([COMMANDS])
        return Cancellation(ended, asked)

    async def delete(self, *job_ids: UUID) -> Sequence[UUID]:
        """Delete waiting jobs, ended jobs and unreadable rows permanently.

        Running jobs are left out; cancel them first. If a waiting run of a scheduled job is
        deleted, its process plans another one.

        Returns:
            The ids of the deleted jobs.
        """
        check_ids("delete", job_ids)
        operations = self._operations
        deleted: list[UUID] = []

        async def delete(part: Sequence[UUID]) -> None:
            deleted.extend(await self._try(operations.delete, part))

        await self._in_batches("delete", job_ids, delete)
        self._report("delete", job_ids, len(deleted))
        return deleted

    async def reschedule(
        self, *job_ids: UUID, at: datetime | None = None, in_: timedelta | None = None
    ) -> Sequence[UUID]:
        """Make waiting jobs due at a time, or after a delay.

        Args:
            job_ids: The ids of the jobs.
            at: A datetime with a time zone. Give either this or `in_`.
            in_: A delay from now.

        Returns:
            The ids of the changed jobs. Left out are jobs that run or have ended, and runs of
            scheduled jobs.
        """
        if (at is None) == (in_ is None):
            raise ValueError("reschedule: expected one of at= and in_=, found both or neither")
        check_instant("reschedule: at", at)
        check_span("reschedule: in_", in_)
        delay = None if in_ is None else check_delay("reschedule", in_.total_seconds())
        return await self._change("reschedule", job_ids, available_at=at, available_in=delay)

    async def change_priority(self, *job_ids: UUID, priority: int) -> Sequence[UUID]:
        """Change the priority of waiting jobs; lower numbers run first.

        Returns:
            The ids of the changed jobs. Left out are jobs that run or have ended, and runs of
            scheduled jobs.
        """
        check_priority(priority)
        return await self._change("change_priority", job_ids, priority=priority)

    async def _change(
        self,
        action: str,
        job_ids: Collection[UUID],
        *,
        available_at: datetime | None = None,
        available_in: timedelta | None = None,
        priority: int | None = None,
    ) -> Sequence[UUID]:
        check_ids(action, job_ids)
        operations = self._operations
        changed: list[UUID] = []

        async def change(part: Sequence[UUID]) -> None:
            done = await self._try(
                operations.change,
                part,
                available_at=available_at,
                available_in=available_in,
                priority=priority,
                now=self._services.clock.store_now(),
            )
            changed.extend(done)

        await self._in_batches(action, job_ids, change)
        self._report(action, job_ids, len(changed))
        await self._wake_workers()
        return changed

    async def _retry(self, operations: Operations, part: Sequence[UUID]) -> Sequence[UUID]:
        now = self._services.clock.store_now()
        return await self._try(operations.retry, part, now=now)

    async def _cancel(
        self, operations: Operations, part: Sequence[UUID], reason: str
    ) -> Cancellation:
        now = self._services.clock.store_now()
        return await self._try(operations.cancel, part, reason, now=now)

    async def _try(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return answered(await self._services.dispatch.call(answering(verb), *args, **kwargs))

    async def _in_batches(self, action: str, job_ids: Collection[UUID], change: Change) -> None:
        ids = iter(job_ids)
        while batch := list(islice(ids, BATCH)):
            await self._isolate(action, batch, change)

    async def _isolate(self, action: str, batch: Sequence[UUID], change: Change) -> None:
        """Change a batch without the jobs whose change the database refuses."""
        await isolate(batch, change, partial(self._report_refusal, action))

    def _report_refusal(self, action: str, job_id: UUID, error: RowRefusedError) -> None:
        self._services.bus.emit(ChangeRefused, action, job_id, error)

    def _report(self, action: str, job_ids: Collection[UUID], count: int) -> None:
        subject = ", ".join(str(one) for one in islice(job_ids, NAMED_IDS))
        others = len(job_ids) - NAMED_IDS
        more = f" and {others} more" if others > 0 else ""
        self._services.bus.emit(AdminAction, action, subject + more, count)

    async def _wake_workers(self) -> None:
        await self._services.announce_now(self._services.configured)


def clean_reason(reason: str) -> str:
    """Check the reason of a cancellation, and return it without control characters."""
    check_text("reason", reason)
    if not reason.strip():
        raise ValueError("reason: expected a text, found an empty one")
    return clean_text(reason, LONGEST_REASON)
