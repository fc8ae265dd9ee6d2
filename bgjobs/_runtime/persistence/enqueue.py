"""Enqueue requests: validate them, store them as jobs, and wake the queues that run them.

All of it runs in the task of the caller, which waits until the jobs are committed. See
`GroupCommit.enqueue` for what a cancellation or an unavailable store means for the jobs.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from attrs import evolve

from bgjobs._core.arguments import as_requests, check_request
from bgjobs._core.ids import new_ids
from bgjobs._core.jobs import Job
from bgjobs._core.requests import JobRequest
from bgjobs._runtime.persistence.unreadable import set_apart
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import NoWorkerForJobError, UnreadableJobError
from bgjobs.events import JobEnqueued, NoWorkerForJob
from bgjobs.stores.types import NewJob

_TRIES = 3
"""How many unreadable rows one call sets apart, because they have a unique key of its jobs."""


async def enqueue(
    services: ClientServices, requests: Iterable[JobRequest[Any]]
) -> Sequence[Job[Any]]:
    """Store jobs in one transaction; see `Client.enqueue_many`."""
    new = prepared(services, requests)
    check_known(services, {request.name for request in new})
    return await _store_new(services, new, new_ids(len(new)))


async def enqueue_one(
    services: ClientServices, request: JobRequest[Any], job_id: UUID
) -> Job[Any]:
    """Store a job of this id; return it, or the job that has its unique key."""
    new = prepared(services, [request])
    check_known(services, {one.name for one in new})
    [job] = await _store_new(services, new, [job_id])
    return job


async def enqueue_for_any(
    services: ClientServices, requests: Iterable[JobRequest[Any]]
) -> Sequence[Job[Any]]:
    """Store jobs as `enqueue` does, also of workers that only other processes know."""
    new = prepared(services, requests)
    return await _store_new(services, new, new_ids(len(new)))


async def _store_new(
    services: ClientServices, new: Sequence[JobRequest], ids: Sequence[UUID]
) -> Sequence[Job]:
    stored = [NewJob(job_id, request) for job_id, request in zip(ids, new, strict=True)]
    jobs = await _store(services, stored, _TRIES) if stored else ()
    for job_id, job in zip(ids, jobs, strict=True):
        if job.id == job_id:
            services.bus.emit(JobEnqueued, job)
    services.wakeups.wake({request.name for request in new})
    return jobs


async def _store(services: ClientServices, new: Sequence[NewJob], tries: int) -> Sequence[Job]:
    """Store jobs; an unreadable row that has the unique key of one is set apart first."""
    try:
        return await services.enqueues.enqueue(new)
    except UnreadableJobError as error:
        if not tries or not await set_apart(services, [error.job]):
            raise
    return await _store(services, [evolve(one, repeated=True) for one in new], tries - 1)


def prepared(services: ClientServices, requests: Iterable[JobRequest]) -> list[JobRequest]:
    """Return the requests as `before_enqueue` of the configuration leaves them, checked."""
    asked, before = as_requests("enqueue_many", requests), services.config.before_enqueue
    if before is None:
        return asked
    prepared = [before(request) for request in asked]
    for request in prepared:
        check_request(request, "before_enqueue: ")
    return prepared


def check_known(services: ClientServices, names: set[str]) -> None:
    """Raise `NoWorkerForJobError` unless the configuration has workers of all these names."""
    if names <= services.workers.configured:
        return
    known = {worker.name for worker in services.workers.all()}
    for name in sorted(names):
        if name not in known:
            services.bus.emit(NoWorkerForJob, name)
            raise NoWorkerForJobError(name, known)
