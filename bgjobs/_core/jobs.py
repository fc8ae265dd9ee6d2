"""Jobs as values: what is asked for, what is stored, who holds it, how it ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.occurrences import Occurrence

CANCELLED = "Cancelled: "
"""How the error of a job begins that an operator has cancelled."""
LARGEST_WHOLE = 2**31 - 1
"""No count and no limit is larger; both databases can still add to it."""
LARGEST_COUNT = 2**30 - 1
"""No counter of a stored job is larger, and both databases can still add to it."""


@final
@frozen
class AttemptError:
    """What one attempt of a job raised."""

    attempt: int
    """The number of the attempt, counted from 1."""
    failed_at: datetime
    error: str = field(repr=False)
    """Type, message and traceback as text, cut to 8 KiB."""
    reserved_at: datetime | None = None
    """When it was reserved for this attempt; None for those of earlier versions."""


@final
@frozen
class Reservation:
    """Who holds a job: the fence that every write about a reserved job carries.

    `number` is raised by every reservation and lowered by nothing, so a holder that was
    declared dead cannot be taken for the one that followed it.
    """

    job_id: UUID
    owner: UUID
    number: int


@frozen(kw_only=True)
class StoredJob:
    """What every stored job has, live or ended."""

    id: UUID
    name: str
    """The name of its worker."""
    payload: str = field(repr=False)
    """The arguments as JSON text."""
    priority: int = 0
    attempts: int = 0
    """How many attempts raised and were retried. The present attempt has the next number."""
    crashes: int = 0
    """How many times its holder died while holding it."""
    interruptions: int = 0
    """How many times a holder that was stopped handed it back."""
    reservations: int = 0
    """How many times it was reserved."""
    created_at: datetime
    available_at: datetime
    reserved_at: datetime | None = None
    reserved_by: UUID | None = None
    unique_key: str | None = None
    errors: tuple[AttemptError, ...] = ()
    """What the attempts raised, oldest first; at most the last 20."""
    occurrence: Occurrence | None = None
    """Which time of a schedule it serves; None for a job that was enqueued by hand."""
    metadata: Mapping[str, str] = field(factory=dict[str, str], hash=False)
    """What `JobRequest.with_metadata` gave it."""


@final
@frozen(kw_only=True)
class Job(StoredJob):
    """A live job: waiting, delayed or reserved."""

    @property
    def reservation(self) -> Reservation:
        """The reservation that holds this job; `ValueError` when nobody does."""
        if self.reserved_by is None:
            raise ValueError(f"job {self.id} is not reserved")
        return Reservation(self.id, self.reserved_by, self.reservations)


@final
@frozen(kw_only=True)
class SucceededJob(StoredJob):
    """A job whose handler returned."""

    succeeded_at: datetime


@final
@frozen(kw_only=True)
class FailedJob(StoredJob):
    """A job that will not run again: out of retries, discarded, or too many crashes."""

    error: str = field(repr=False)
    """Why it ended: the last error, the reason of `Discard`, or which limit was passed."""
    failed_at: datetime


@final
@frozen(kw_only=True)
class UnreadableJob:
    """A stored row that is no job: another program wrote it, another version, or a hand.

    It is not run, and not counted among jobs of any state. bgjobs moves it to a table of its
    own, where it stays until it is deleted, or can be read and is put back.
    """

    id: UUID
    """By which operators find it; that of the job, unless that is none or taken."""
    table: Literal["jobs", "jobs_succeeded", "jobs_failed"]
    """Where the row was stored."""
    reason: str
    """Which column cannot be read, and what was expected there; never its value."""
    columns: Mapping[str, str | int | None] = field(repr=False, hash=False)
    """The columns as they are stored; a text is cut after 1,000 characters."""
    found_at: datetime | None = None
    """When it was set apart; None while it still lies in its table."""
    key: tuple[Any, ...] = field(default=(), repr=False, eq=False)
    """How the store finds the row, as long as it has not changed since it was read."""
