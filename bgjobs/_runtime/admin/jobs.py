"""`JobAdmin`: the methods of `Admin` that store one job, and find and change jobs by ids."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar
from uuid import UUID

from bgjobs._core.arguments import (
    check_id,
    check_ids,
    check_instant,
    check_request,
    check_span,
    check_text,
    check_whole,
)
from bgjobs._core.ids import ids_between, new_id
from bgjobs._core.jobs import Job, UnreadableJob
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.requests import JobRequest, check_priority
from bgjobs._core.timestamps import check_delay
from bgjobs._runtime.admin.audit import Action, audited, clean_author, subject_of
from bgjobs._runtime.admin.batches import clean_reason, in_batches
from bgjobs._runtime.persistence.enqueue import enqueue_one
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import DuplicateJobError, NoWorkerForJobError, RowRefusedError
from bgjobs.stores.operations import Cancellation, Operations
from bgjobs.stores.types import Notice

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class JobAdmin:
    """The methods of `Admin` that store one job, and find and change jobs by their ids.

    They change some hundreds of jobs per transaction. A job whose change the database refuses
    is left out; `ChangeRefused` reports each of them.
    """

    def __init__(self, services: ClientServices) -> None:
        self._services = services

    async def enqueue(self, request: JobRequest[R], *, by: str | None = None) -> Job[R]:
        """Store one job as `Client.enqueue` does, and record who did it.

        Args:
            request: The request; see `Client.enqueue` about unique keys.
            by: Who enqueues it, for the audit.

        Returns:
            The stored job, or the live job that has the unique key.

        Raises:
            Exception: The same exceptions as `Client.enqueue`.
        """
        check_request(request, "enqueue: ")
        services, job_id = self._services, new_id()
        services.lifecycle.check()
        async with audited(services, "enqueue", request.name, by) as action:
            action.changed = None  # as long as it may be stored or not
            try:
                job = await enqueue_one(services, request, job_id)
            except (NoWorkerForJobError, DuplicateJobError, RowRefusedError):
                action.changed = 0
                raise
            action.changed = int(job.id == job_id)
        return job

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
            by: Who retries them, for their timelines and the audit.

        Returns:
            The ids of the jobs that will run again.
        """
        check_ids("retry", job_ids)
        services, operations = self._services, self._operations
        retried, now = list[UUID](), services.clock.store_now()
        async with audited(services, "retry", subject_of(job_ids), by) as action:
            add, retry, author = _adding(retried, action), operations.retry, action.author
            await in_batches(services, "retry", job_ids, add, retry, by=author, now=now)
            done = set(retried)
            left = [one for one in job_ids if one not in done]
            await in_batches(services, "retry", left, add, operations.put_back, now=now)
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
            by: Who cancels them, for the jobs, their timelines and the audit.

        Returns:
            The ids of the jobs that have ended, and of those that run and will be cancelled;
            with them, live descendants of the jobs that have ended. Those of a running job are
            cancelled when it ends: `Client.tree` has them.
        """
        check_ids("cancel", job_ids)
        reason = clean_reason(reason)
        services, cancel = self._services, self._operations.cancel
        ended, asked, now = list[UUID](), list[UUID](), services.clock.store_now()
        async with audited(services, "cancel", subject_of(job_ids), by) as action:
            cancelled = Cancelled(reason, action.author)

            def add(found: Cancellation) -> None:
                ended.extend(found.ended)
                asked.extend(found.asked)
                action.changed = len(ended) + len(asked)

            await in_batches(services, "cancel", job_ids, add, cancel, cancelled, now=now)
            await services.announce_now(Notice(commands=True))
        return Cancellation(ended, asked)

    async def delete(self, *job_ids: UUID, by: str | None = None) -> Sequence[UUID]:
        """Delete waiting jobs, ended jobs and unreadable rows permanently.

        Running jobs are left out; cancel them first. If a waiting run of a scheduled job is
        deleted, its process plans another one.

        Args:
            job_ids: The ids of the jobs.
            by: Who deletes them, for the audit.

        Returns:
            The ids of the deleted jobs.
        """
        check_ids("delete", job_ids)
        services, delete, deleted = self._services, self._operations.delete, list[UUID]()
        async with audited(services, "delete", subject_of(job_ids), by) as action:
            await in_batches(services, "delete", job_ids, _adding(deleted, action), delete)
        return deleted

    async def reschedule(
        self,
        *job_ids: UUID,
        at: datetime | None = None,
        in_: timedelta | None = None,
        by: str | None = None,
    ) -> Sequence[UUID]:
        """Make waiting jobs due at a time, or after a delay.

        Args:
            job_ids: The ids of the jobs.
            at: A datetime with a time zone. Give either this or `in_`.
            in_: A delay from now.
            by: Who changes them, for the audit.

        Returns:
            The ids of the changed jobs. Left out are jobs that run or have ended, and runs of
            scheduled jobs.
        """
        by = clean_author(by)
        if (at is None) == (in_ is None):
            raise ValueError("reschedule: expected one of at= and in_=, found both or neither")
        check_instant("reschedule: at", at)
        check_span("reschedule: in_", in_)
        delay = None if in_ is None else check_delay("reschedule", in_.total_seconds())
        return await self._change(
            "reschedule", job_ids, by, available_at=at, available_in=delay
        )

    async def change_priority(
        self, *job_ids: UUID, priority: int, by: str | None = None
    ) -> Sequence[UUID]:
        """Change the priority of waiting jobs.

        Args:
            job_ids: The ids of the jobs.
            priority: The new priority; lower numbers run first.
            by: Who changes it, for the audit.

        Returns:
            The ids of the changed jobs. Left out are jobs that run or have ended, and runs of
            scheduled jobs.
        """
        check_priority(priority)
        return await self._change("change_priority", job_ids, by, priority=priority)

    async def _change(
        self,
        what: str,
        job_ids: Collection[UUID],
        by: str | None,
        *,
        available_at: datetime | None = None,
        available_in: timedelta | None = None,
        priority: int | None = None,
    ) -> Sequence[UUID]:
        check_ids(what, job_ids)
        services, change, changed = self._services, self._operations.change, list[UUID]()
        async with audited(services, what, subject_of(job_ids), by) as action:
            await in_batches(
                services,
                what,
                job_ids,
                _adding(changed, action),
                change,
                available_at=available_at,
                available_in=available_in,
                priority=priority,
                now=services.clock.store_now(),
            )
            await services.announce_now(Notice(services.workers.configured))
        return changed

    @property
    def _operations(self) -> Operations:
        self._services.lifecycle.check()
        return self._services.operations

    async def _ask(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._services.lifecycle.check()
        return await self._services.dispatch.call(verb, *args, **kwargs)


def _adding(changed: list[UUID], action: Action) -> Callable[[Sequence[UUID]], None]:
    """Return a function that adds the ids of changed jobs to a list, and counts them."""

    def add(more: Sequence[UUID]) -> None:
        changed.extend(more)
        action.changed = len(changed)

    return add
