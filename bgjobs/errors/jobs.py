"""Errors of requests and of single jobs."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from bgjobs._core.text import known_text
from bgjobs.errors.definitions import BgJobsError

if TYPE_CHECKING:  # the modules of the core import this one
    from bgjobs._core.jobs import CancelledJob, FailedJob, UnreadableJob


class PayloadError(BgJobsError, ValueError):
    """Arguments do not match the annotations of the worker, or cannot be stored as JSON.

    Each entry of `problems` starts with the path of the value, such as ``mail.to[2]``. When
    `Worker.request` raises it, nothing is stored. When a queue cannot read the arguments of a
    stored job, the attempt fails with this error, and the job is retried as after any other
    error.
    """

    def __init__(self, worker: str, problems: Iterable[str]) -> None:
        self.worker = worker
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(worker, self.problems)

    def __str__(self) -> str:
        return f"payload of worker {self.worker!r}: {'; '.join(self.problems)}"


class ResultError(BgJobsError, ValueError):
    """What a handler returned does not match its annotation, or cannot be stored as JSON.

    Each entry of `problems` starts with the path of the value, such as ``result.items[2]``. The
    attempt fails with this error, and the job is retried as after any other error.
    `SucceededJob.result` raises it for a stored result that the worker cannot read.
    """

    def __init__(self, worker: str, problems: Iterable[str]) -> None:
        self.worker = worker
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__(worker, self.problems)

    def __str__(self) -> str:
        return f"worker {self.worker!r}: {'; '.join(self.problems)}"


class NaiveDatetimeError(BgJobsError, ValueError):
    """A datetime has no time zone, so it does not name an instant; use an aware datetime."""

    def __init__(self, what: str, found: datetime) -> None:
        self.what = what
        self.found = found
        super().__init__(what, found)

    def __str__(self) -> str:
        return f"{self.what}: expected a datetime with a time zone, found {self.found!r}"


class NoWorkerForJobError(BgJobsError, LookupError):
    """A request names a worker that this configuration does not have.

    Nothing of the call was stored. Add the worker to a queue of the configuration, or to
    ``Config(enqueue_only=...)`` if another process runs its jobs. `known` has the names of the
    workers of the configuration, sorted.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(sorted(known))
        super().__init__(name, self.known)

    def __str__(self) -> str:
        known = known_text("workers", self.name, self.known)
        return f"no worker for job {self.name!r}; {known}"


class DuplicateJobError(BgJobsError):
    """Another job has the unique key of a request made with ``unique(on_conflict="raise")``.

    Nothing of the call was stored, not even the other jobs of an `enqueue_many`.
    """

    def __init__(self, name: str, unique_key: str, holder: UUID | None) -> None:
        self.name = name
        self.unique_key = unique_key
        self.holder = holder
        """The id of the job that has the key; None for another request of the same call."""
        super().__init__(name, unique_key, holder)

    def __str__(self) -> str:
        if self.holder is None:
            return (
                f"two requests of one call for worker {self.name!r} have the unique key "
                f"{self.unique_key!r}; nothing of this call was stored"
            )
        return (
            f"job {self.holder} of worker {self.name!r} has the unique key {self.unique_key!r}"
        )


class UnknownJobError(BgJobsError, LookupError):
    """No waiting, running or ended job has this id; it may have been pruned."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        super().__init__(job_id)

    def __str__(self) -> str:
        return f"no job {self.job_id}: it was never stored, or it was pruned"


class JobFailedError(BgJobsError):
    """The job whose result was awaited has failed; `job` has its error."""

    def __init__(self, job: "FailedJob[object]") -> None:
        self.job = job
        super().__init__(job)

    def __str__(self) -> str:
        reason = self.job.error.partition("\n")[0]
        return f"job {self.job.id} of worker {self.job.name!r} failed: {reason}"


class JobCancelledError(BgJobsError):
    """The job whose result was awaited was cancelled; `job` has the reason and the author."""

    def __init__(self, job: "CancelledJob[object]") -> None:
        self.job = job
        super().__init__(job)

    def __str__(self) -> str:
        author = f" by {self.job.cancelled_by}" if self.job.cancelled_by else ""
        found = f"job {self.job.id} of worker {self.job.name!r} was cancelled{author}"
        return f"{found}: {self.job.reason}"


class ChildFailedError(JobFailedError):
    """A child of a nursery has failed; the block of the nursery raises it in a group."""


class ChildCancelledError(JobCancelledError):
    """A child of a nursery was cancelled; the block of the nursery raises it in a group.

    An operator has cancelled it, or its nursery has, because another child had no success.
    """


class ParentLostError(BgJobsError):
    """A nursery was used after its parent had been lost. Nothing was stored.

    The process of the parent was taken for dead, as its lease had ended. If the parent is a
    job, another process runs it again, and adopts its children.
    """

    def __init__(self, parent: str) -> None:
        self.parent = parent
        """The job or the nursery of an application, as text."""
        super().__init__(parent)

    def __str__(self) -> str:
        return f"{self.parent}: it does not hold its lease any longer, so nothing was changed"


class TooManyWaitingError(BgJobsError):
    """Too many handlers of a queue wait for children, so this one cannot wait, too.

    Its children are cancelled, and the attempt fails like after any other error. Raise
    ``Queue(max_waiting=...)``, or nest nurseries less deeply.
    """

    def __init__(self, queue: str, most: int) -> None:
        self.queue = queue
        self.most = most
        super().__init__(queue, most)

    def __str__(self) -> str:
        return (
            f"queue {self.queue!r}: {self.most} handlers wait for children already, as many as "
            "max_waiting allows"
        )


class NestedTooDeeplyError(BgJobsError):
    """A job has as many parents above it as a job may have, so it starts no child.

    Nothing was stored. Let the handler do the rest itself, or start fewer levels of jobs.
    """

    def __init__(self, job_id: UUID, most: int) -> None:
        self.job_id = job_id
        self.most = most
        """How many jobs may be above one job."""
        super().__init__(job_id, most)

    def __str__(self) -> str:
        return (
            f"job {self.job_id}: {self.most} levels of nurseries are above it already, as many "
            "as are possible, so it starts no child"
        )


class UnreadableJobError(BgJobsError):
    """The stored row of the requested job cannot be read.

    The row stays as it is. `job` has its columns and the reason, as ``bgjobs jobs show``.
    """

    def __init__(self, job: "UnreadableJob") -> None:
        self.job = job
        super().__init__(job)

    def __str__(self) -> str:
        return (
            f"job {self.job.id} cannot be read: {self.job.reason}; its row was written by "
            "another program or version: delete it, or repair it and retry the job"
        )


class ExportedLineError(BgJobsError, ValueError):
    """A line of an export cannot be imported; its job is not stored.

    Raised by `Admin.import_failed` for the first such line, when the batches before it are
    stored already. With ``skip_bad=True`` the errors are in `Imported.errors` instead.
    """

    def __init__(self, number: int, problem: str) -> None:
        self.number = number
        """The number of the line, counted from 1."""
        self.problem = problem
        super().__init__(number, problem)

    def __str__(self) -> str:
        return f"line {self.number}: {self.problem}"


class SearchError(BgJobsError, ValueError):
    """The text of a search contains no word, or too many characters."""

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(expected, found)

    def __str__(self) -> str:
        return f"search: expected {self.expected}, found {self.found}"
