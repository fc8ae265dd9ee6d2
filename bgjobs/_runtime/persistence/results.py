"""Results of ended jobs: which worker reads them, and what is raised where there is none."""

from typing import Any, TypeVar
from uuid import UUID

from attrs import evolve

from bgjobs._core.arguments import check_type
from bgjobs._core.config import AnyWorker
from bgjobs._core.jobs import AnyJob, CancelledJob, EndedJob, FailedJob, StoredJob, SucceededJob
from bgjobs._core.workers import Worker
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import JobCancelledError, JobFailedError

J = TypeVar("J", bound=AnyJob[Any])


def of_worker(job: J, worker: AnyWorker) -> J:
    """Return a job whose result this worker reads; `ValueError` if it is not its worker."""
    if job.name != worker.name:
        raise ValueError(
            f"job {job.id}: expected one of worker {worker.name!r}, found one of {job.name!r}"
        )
    return with_reader(job, worker)


def with_known_reader(services: ClientServices, job: J) -> J:
    """Return a job whose result can be read, if its worker is known and keeps results."""
    if not isinstance(job, SucceededJob) or job.result_json is None:
        return job
    known = services.workers.find(job.name)
    return job if known is None else with_reader(job, known)


def with_reader(job: J, worker: AnyWorker) -> J:
    """Return a job whose result can be read, if this worker keeps results."""
    if not isinstance(job, SucceededJob) or worker.results is None:
        return job
    return evolve(job, read_result=worker.results.decode)


def keeper_of(
    services: ClientServices, job: StoredJob[Any] | UUID, worker: AnyWorker | None
) -> AnyWorker:
    """Return the worker that reads the result of a job; `TypeError` if there is none."""
    keeper = worker or _known(services, job)
    check_type("result: worker", keeper, Worker, "a worker made by @bgjobs.worker")
    if keeper.results is None:
        raise TypeError(
            f"result: worker {keeper.name!r} keeps no results; declare it with "
            "@bgjobs.worker(keep_result=True)"
        )
    return keeper


def _known(services: ClientServices, job: StoredJob[Any] | UUID) -> AnyWorker:
    if isinstance(job, UUID):
        raise TypeError("result: expected a job, or an id and its worker, found an id alone")
    worker = services.workers.find(job.name)
    if worker is None:
        raise TypeError(
            f"result: this configuration has no worker {job.name!r}; pass it as worker="
        )
    return worker


def result_of(ended: EndedJob[Any]) -> Any:
    """Return the result of an ended job, or raise the error that tells how it ended."""
    match ended:
        case SucceededJob():
            return ended.result
        case FailedJob():
            raise JobFailedError(ended)
        case CancelledJob():
            raise JobCancelledError(ended)
