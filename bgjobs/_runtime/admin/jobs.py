"""`JobAdmin`: the methods of `Admin` that find jobs and change them by their ids."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar
from uuid import UUID

from bgjobs._core.arguments import (
    check_id,
    check_ids,
    check_instant,
    check_span,
    check_text,
    check_whole,
)
from bgjobs._core.ids import ids_between
from bgjobs._core.jobs import UnreadableJob
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.requests import check_priority
from bgjobs._core.timestamps import check_delay
from bgjobs._runtime.admin.batches import clean_author, clean_reason, in_batches, report
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import StoreError
from bgjobs.stores.operations import Cancellation, Operations, operations_of
from bgjobs.stores.types import Notice

P = ParamSpec("P")
T = TypeVar("T")


class JobAdmin:
    """The methods of `Admin` that find jobs and change them by their ids.

    They change some hundreds of jobs per transaction. A job whose change the database refuses
    is left out; `ChangeRefused` reports each of them.
    """

    def __init__(self, services: ClientServices) -> None:
        self._services = services

    async def find_ids(self, beginning: str, *, limit: int = 10) -> Sequence[UUID]:
        """Return the ids of live and ended jobs that begin with these digits, oldest first.

        Args:
            beginning: The first hexadecimal digits of an id, with or without its hyphens.
            limit: How many ids to return, at most.
        """
        check_text("beginning", beginning)
        first, last = ids_between(beginning)
        check_whole("find_ids: limit", limit, least=0)
        return await self._ask(self._operations.find_ids, first, last, limit)

    async def find_unreadable(
        self, job_id: UUID, *, longest: int = 1_000
    ) -> UnreadableJob | None:
        """Return a stored row that cannot be read as a job, or None.

        When a queue, the monitor or a client reads such a row, it moves it to a table of its
        own. `Client.list` lists them, `delete` deletes them; `retry` moves them back if they
        can be read by then.

        Args:
            job_id: The id of the row, or of the job that it was.
            longest: Characters after which text in the columns of the row is cut.
        """
        check_id("find_unreadable", job_id)
        check_whole("find_unreadable: longest", longest, least=1)
        return await self._ask(self._operations.find_unreadable, job_id, longest=longest)

    async def retry(self, *job_ids: UUID, by: str | None = None) -> Sequence[UUID]:
        """Retry failed and cancelled jobs now with a full retry budget.

        Unreadable rows are put back if they can be read by now. Left out are jobs that have
        neither failed nor been cancelled, and those whose unique key another live job has. Jobs
        that the database refuses are left out, too; `ChangeRefused` reports each of them.

        Args:
            job_ids: The ids of the jobs.
            by: Who retries them, for their timelines.

        Returns:
            The ids of the jobs that will run again.
        """
        check_ids("retry", job_ids)
        by = clean_author(by)
        services, operations = self._services, self._operations
        retried: list[UUID] = []
        now, add = services.clock.store_now(), retried.extend
        await in_batches(services, "retry", job_ids, add, operations.retry, by=by, now=now)
        done = set(retried)
        try:
            left = [one for one in job_ids if one not in done]
            await in_batches(services, "retry", left, add, operations.put_back, now=now)
        finally:
            report(services, "retry", job_ids, len(retried))
        await services.announce_now(Notice(services.workers.configured))
        return retried

    async def cancel(self, *job_ids: UUID, reason: str, by: str | None = None) -> Cancellation:
        """End waiting jobs, and ask the processes that run the others to cancel them.

        A process cancels its handler, as at a timeout, when it reads the command: after the
        notification of the store, otherwise within its `heartbeat_interval`. The job is stored
        as cancelled; if the handler returns nevertheless, the job has succeeded. If it fails or
        snoozes before its process has read the command, it is stored as cancelled then. Ended
        jobs are left out. If a waiting run of a scheduled job is cancelled, its process plans
        another one; to prevent that, pause the scheduled job.

        Args:
            job_ids: The ids of the jobs.
            reason: Why, for the jobs and their timelines.
            by: Who cancels them.

        Returns:
            The ids of the jobs that have ended, and of those that run and will be cancelled.
        """
        check_ids("cancel", job_ids)
        cancelled = Cancelled(clean_reason(reason), clean_author(by))
        services, operations = self._services, self._operations
        found: list[Cancellation] = []
        now = services.clock.store_now()
        await in_batches(
            services, "cancel", job_ids, found.append, operations.cancel, cancelled, now=now
        )
        ended = [job_id for one in found for job_id in one.ended]
        asked = [job_id for one in found for job_id in one.asked]
        report(services, "cancel", job_ids, len(ended) + len(asked))
        await services.announce_now(Notice(commands=True))
        return Cancellation(ended, asked)

    async def delete(self, *job_ids: UUID) -> Sequence[UUID]:
        """Delete waiting jobs, ended jobs and unreadable rows permanently.

        Running jobs are left out; cancel them first. If a waiting run of a scheduled job is
        deleted, its process plans another one.

        Returns:
            The ids of the deleted jobs.
        """
        check_ids("delete", job_ids)
        deleted: list[UUID] = []
        delete = self._operations.delete
        await in_batches(self._services, "delete", job_ids, deleted.extend, delete)
        report(self._services, "delete", job_ids, len(deleted))
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
        services, changed = self._services, list[UUID]()
        await in_batches(
            services,
            action,
            job_ids,
            changed.extend,
            self._operations.change,
            available_at=available_at,
            available_in=available_in,
            priority=priority,
            now=services.clock.store_now(),
        )
        report(services, action, job_ids, len(changed))
        await services.announce_now(Notice(services.workers.configured))
        return changed

    @property
    def _operations(self) -> Operations:
        self._services.lifecycle.check()
        store = self._services.store
        operations = operations_of(store)
        if operations is None:
            raise StoreError(f"{store.label}: expected a store with operations, found none")
        return operations

    async def _ask(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._services.lifecycle.check()
        return await self._services.dispatch.call(verb, *args, **kwargs)
