"""Storing jobs that somebody asks for, and telling everybody who waits for them."""

from collections.abc import Iterable, Sequence

from attrs import evolve

from bgjobs._core.arguments import as_requests, check_request
from bgjobs._core.ids import new_ids
from bgjobs._core.jobs import Job
from bgjobs._core.requests import JobRequest
from bgjobs._runtime.persistence.unreadable import set_apart
from bgjobs._runtime.services import Services
from bgjobs.errors import NoWorkerForJobError, UnreadableJobError
from bgjobs.events import JobEnqueued, NoWorkerForJob
from bgjobs.stores.types import NewJob

_TRIES = 3
"""How many rows that are no jobs may stand in the way of one call."""


async def enqueue(services: Services, requests: Iterable[JobRequest]) -> Sequence[Job]:
    """Store jobs in one transaction; see `BgJobs.enqueue_many`."""
    new = _stamped(services, requests)
    names = {request.name for request in new}
    _check_known(services, names)
    ids = new_ids(len(new))
    stored = [NewJob(job_id, request) for job_id, request in zip(ids, new, strict=True)]
    jobs = await _stored(services, stored) if stored else ()
    for job_id, job in zip(ids, jobs, strict=True):
        if job.id == job_id:
            services.bus.emit(JobEnqueued, job)
    services.wakeups.wake(names)
    return jobs


async def _stored(services: Services, new: Sequence[NewJob]) -> Sequence[Job]:
    """Store jobs; where a row that is no job has a key of theirs, it is set apart before."""
    for _ in range(_TRIES):
        try:
            return await services.enqueues.enqueue(new)
        except UnreadableJobError as error:
            if not await set_apart(services, [error.job]):
                raise
            new = [evolve(one, repeated=True) for one in new]
    return await services.enqueues.enqueue(new)


def _stamped(services: Services, requests: Iterable[JobRequest]) -> list[JobRequest]:
    asked, stamp = as_requests("enqueue_many", requests), services.config.before_enqueue
    if stamp is None:
        return asked
    stamped = [stamp(request) for request in asked]
    for request in stamped:
        check_request(request, "before_enqueue: ")
    return stamped


def _check_known(services: Services, names: set[str]) -> None:
    if names <= services.configured:
        return
    known = {worker.name for worker in services.workers()}
    for name in sorted(names):
        if name not in known:
            services.bus.emit(NoWorkerForJob, name)
            raise NoWorkerForJobError(name, known)
