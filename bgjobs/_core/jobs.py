"""Stored jobs as values: live, ended and unreadable ones, and their reservations."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.generics import R_co
from bgjobs._core.history import HistoryEntry
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.progress import Progress

LiveState = Literal["waiting", "delayed", "running"]
EndState = Literal["succeeded", "failed", "cancelled"]
State = Literal[
    "waiting", "delayed", "running", "succeeded", "failed", "cancelled", "unreadable"
]
"""The states of stored rows, in every part of bgjobs."""
LARGEST_WHOLE = 2**31 - 1
"""The largest count or limit in a setting; it fits into an integer of both databases."""
LARGEST_COUNT = 2**30 - 1
"""The largest counter of a stored job; both databases can add to it without an overflow."""


@final
@frozen
class AttemptError:
    """The error of one attempt of a job."""

    attempt: int
    """The number of the attempt, counted from 1."""
    failed_at: datetime
    """When the handler had raised, by the clock of the store."""
    error: str = field(repr=False)
    """Type, message and traceback as text, cut to 8,192 characters."""
    reserved_at: datetime | None = None
    """When the job was reserved for this attempt; None in rows of earlier versions."""


@final
@frozen
class Owner:
    """One start of one queue, which holds a lease and reserves jobs under its id."""

    id: UUID
    name: str
    """The queue's name."""
    node: str
    """Host and process, for people to read; never compared."""


@final
@frozen
class Reservation:
    """The owner of a job. Every write about a reserved job is conditional on it, as a fence.

    Each reservation of a job has a higher `number` than the one before, so a write by an owner
    whose lease expired cannot be taken for one by the next owner.
    """

    job_id: UUID
    owner: UUID
    """The id of the lease of the queue."""
    number: int
    """How many times the job was reserved, this time included."""


@frozen(kw_only=True)
class StoredJob(Generic[R_co]):
    """The attributes of every stored job, live or ended.

    `R_co` is the type of its result, if its worker keeps results; type checkers know it of jobs
    that a typed request or a worker leads to.
    """

    id: UUID
    name: str
    """The name of its worker."""
    payload: str = field(repr=False)
    """The arguments as JSON text."""
    priority: int = 0
    """Lower numbers run first."""
    attempts: int = 0
    """How many attempts raised and were retried. The present attempt has the next number."""
    crashes: int = 0
    """How many times its owner died while it held the job."""
    interruptions: int = 0
    """How many times a queue that stopped released it unfinished."""
    reservations: int = 0
    """How many times it was reserved."""
    created_at: datetime
    """When it was enqueued, by the clock of the store."""
    available_at: datetime
    """From when on it may run."""
    reserved_at: datetime | None = None
    """When it was reserved last; None if never, or if it waits again."""
    reserved_by: UUID | None = None
    """The owner of the last reservation: the id of the lease of a queue."""
    unique_key: str | None = None
    """The key of `JobRequest.unique`."""
    errors: tuple[AttemptError, ...] = ()
    """The errors of its attempts, oldest first; at most the last 20."""
    occurrence: Occurrence | None = None
    """The occurrence of a schedule that it serves; None for a job without a schedule."""
    metadata: Mapping[str, str] = field(factory=dict[str, str], hash=False)
    """The texts of `JobRequest.with_metadata`."""
    history: tuple[HistoryEntry, ...] = field(default=(), repr=False)
    """Its reservations that ended without success, and its ends before a retry, oldest first.

    The last 100 are kept. Earlier versions of bgjobs wrote none.
    """
    progress: Progress | None = None
    """What its handler reported last, in this run or an earlier one; None if it never did."""
    parent_id: UUID | None = None
    """The job or the nursery of an application that it belongs to; None for most jobs."""


@final
@frozen(kw_only=True)
class Job(StoredJob[R_co]):
    """A live job: waiting, delayed or running."""

    state: LiveState = field(default="waiting", eq=False)
    """Its state when it was read, by the clock of the store."""

    @property
    def reservation(self) -> Reservation:
        """The reservation of this job.

        Raises:
            ValueError: The job is not reserved.
        """
        if self.reserved_by is None:
            raise ValueError(f"job {self.id} is not reserved")
        return Reservation(self.id, self.reserved_by, self.reservations)


@final
@frozen(kw_only=True)
class SucceededJob(StoredJob[R_co]):
    """A job whose handler returned."""

    state: ClassVar[Literal["succeeded"]] = "succeeded"
    """The state of such a job."""
    succeeded_at: datetime
    """When its end was stored, by the clock of the store."""
    result_json: str | None = field(default=None, repr=False)
    """What the handler returned, as JSON text; None if its worker kept no result."""
    _read_result: Callable[[str], R_co] | None = field(
        default=None, eq=False, repr=False, alias="read_result"
    )
    """Reads the result. A client that knows the worker of the job sets it."""

    @property
    def result(self) -> R_co:
        """What the handler returned.

        Raises:
            TypeError: No result was kept, or the client that read the job has no worker of this
                name that keeps results; pass it: ``client.find(id, worker=...)``.
            ResultError: The stored result does not fit the annotation of the worker.
        """
        if self.result_json is None:
            raise TypeError(f"job {self.id} of worker {self.name!r}: no result was kept")
        if self._read_result is None:
            raise TypeError(
                f"job {self.id}: no worker {self.name!r} with keep_result=True is known here; "
                "read the job with client.find(id, worker=...)"
            )
        return self._read_result(self.result_json)


@final
@frozen(kw_only=True)
class FailedJob(StoredJob[R_co]):
    """A job that will not run again unless it is retried by an operator."""

    state: ClassVar[Literal["failed"]] = "failed"
    """The state of such a job."""
    error: str = field(repr=False)
    """Why it failed: the last error, the reason of `Discard`, or the limit that it passed."""
    failed_at: datetime
    """When its end was stored, by the clock of the store."""


@final
@frozen(kw_only=True)
class CancelledJob(StoredJob[R_co]):
    """A job that an operator ended. It will not run again unless an operator retries it."""

    state: ClassVar[Literal["cancelled"]] = "cancelled"
    """The state of such a job."""
    reason: str = field(repr=False)
    """The reason of the operator."""
    cancelled_by: str | None = None
    """Who cancelled it; None if the caller named no one."""
    cancelled_at: datetime
    """When its end was stored, by the clock of the store."""


EndedJob = SucceededJob[R_co] | FailedJob[R_co] | CancelledJob[R_co]
AnyJob = Job[R_co] | EndedJob[R_co]


@final
@frozen(kw_only=True)
class UnreadableJob:
    """A stored row that cannot be read as a job.

    Another program, another version of bgjobs or a person wrote it. It does not run, and no
    state counts it. bgjobs moves it to a table of its own, where it stays until it is deleted,
    or until it can be read and an operator retries it.
    """

    state: ClassVar[Literal["unreadable"]] = "unreadable"
    """The state of such a row."""
    id: UUID
    """The id for operators: that of the row, unless it is invalid or taken."""
    table: Literal["jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled"]
    """The table in which the row was found."""
    reason: str
    """Which column cannot be read, and what was expected in it; never the value."""
    columns: Mapping[str, str | int | None] = field(repr=False, hash=False)
    """The stored columns; texts are cut after 1,000 characters."""
    found_at: datetime | None = None
    """When the row was moved; None while it is still in `table`."""
    key: tuple[Any, ...] = field(default=(), repr=False, eq=False)
    """How the store finds the row, provided that it did not change after it was read."""
