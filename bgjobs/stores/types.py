"""Values that the methods of a store take and return, those of the core included."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.history import HistoryEntry, PastEnd, PastReservation
from bgjobs._core.jobs import EndedJob, EndState, Job, Owner, Reservation, State, StoredJob
from bgjobs._core.limits import Cap
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import (
    Cancel,
    Drop,
    Fail,
    Report,
    Requeue,
    Settlement,
    Succeed,
)

__all__ = [
    "ANY_CHANGE",
    "FROM_THE_START",
    "SCHEMA_VERSION",
    "Cancel",
    "Cancelled",
    "Cap",
    "Commands",
    "Counts",
    "Drop",
    "EndState",
    "EndedJob",
    "Fail",
    "HistoryEntry",
    "HookedEnd",
    "MarkedEnd",
    "NewJob",
    "Notice",
    "Owner",
    "PastEnd",
    "PastReservation",
    "Position",
    "Renewal",
    "Report",
    "Requeue",
    "Settlement",
    "State",
    "StoredJob",
    "Succeed",
    "Written",
]

SCHEMA_VERSION = 10
"""The version of the schema that this bgjobs reads and writes: that of its last migration."""


@final
@frozen
class NewJob:
    """A request with the id of the job that it becomes."""

    id: UUID
    request: JobRequest
    after: Reservation | None = None
    """If set, the job is stored only if the same write settles this reservation."""
    repeated: bool = False
    """Whether an earlier write of this job may have been committed, and the job have run."""
    plan: Callable[[datetime], JobRequest] | None = field(default=None, eq=False, repr=False)
    """Called with the store's time of the transaction; returns the request that is stored.

    It is called in the transaction, in the thread that writes, and only if the job is stored.
    `request` is an estimate until then, with the same worker, payload and unique key.
    """


@final
@frozen(order=True)
class Position:
    """The place of a job among those of its worker that have the default priority.

    A store that looks for jobs after a position may overlook those at the position and before
    it, and no others: neither those of other priorities nor those of other workers. A store
    whose looks do not become slow as jobs end ignores positions.
    """

    available_at: datetime
    id: UUID


FROM_THE_START: Mapping[str, Position] = MappingProxyType({})
"""No position of any worker: nothing may be overlooked."""


@final
@frozen
class Written:
    """What `Store.write` did."""

    jobs: Sequence[Job]
    """One job for each request, in the same order.

    Where a unique key was taken, it is the live job that has the key. Where the settlement of
    `NewJob.after` was lost, it is the job as requested, which is not stored.
    """
    lost: Collection[Reservation]
    """The reservations that did not hold any longer; nothing was written for them.

    A reservation occurs once for its settlement, and once for its report.
    """
    cancelled: Mapping[Reservation, Cancelled] = field(factory=dict[Reservation, Cancelled])
    """Jobs that a `Requeue` was to put back, but that an operator had cancelled.

    They are stored as cancelled, except for those in `still_reserved`.
    """
    still_reserved: Collection[Reservation] = ()
    """The cancelled jobs that stay reserved, so that their end is written with something else.

    Such as a run of a scheduled job, whose end is written together with the run that follows
    it, and a job whose worker was registered by `Operations.register_hooks`, or which has
    children.
    """
    commands: bool = False
    """Whether the owners of running jobs were asked to cancel them, as descendants of jobs that
    have ended; see `Operations.commands`."""


@final
@frozen
class HookedEnd:
    """What `Store.end_with` did."""

    kept: bool
    """Whether the job has ended; False if the reservation was lost."""
    error: Exception | None = None
    """Why nothing is stored of what `work` wrote: what it raised, or how it broke its
    contract."""
    commands: bool = False
    """As `Written.commands`."""


@final
@frozen
class MarkedEnd:
    """A job whose end waits for a process that has its worker; see `Operations.mark_end`."""

    job: Job
    settlement: Fail | Cancel
    """The end, under the reservation of `HOOK_OWNER`."""


@final
@frozen
class Commands:
    """What operators want from the queues of a process."""

    paused: frozenset[str] = frozenset()
    """Names of queues that reserve nothing, on any node."""
    cancelled: Mapping[UUID, Cancelled] = field(factory=dict[UUID, Cancelled])
    """Running jobs that are to be cancelled, by job id."""
    marked: frozenset[str] = frozenset()
    """Names of workers that have jobs whose end is marked; see `Operations.mark_end`."""


@final
@frozen
class Renewal:
    """The result of `Store.heartbeat`."""

    alive: Collection[UUID]
    """The owners whose lease was renewed. The leases of the others have ended."""
    now: datetime
    """The time of the store's clock."""


@final
@frozen
class Notice:
    """Changes that a process reports to others; it is true if it reports any.

    `Notice()` reports none: it only shows that a change source still receives notices.
    """

    workers: frozenset[str] | None = frozenset()
    """The workers that have new jobs; None if any worker may have some."""
    commands: bool = False
    """Whether an operator has left new commands; see `Operations.commands`."""
    parents: frozenset[UUID] = frozenset()
    """The parents of which children have ended; see ``bgjobs.stores.nurseries``."""

    def __bool__(self) -> bool:
        return self.commands or self.workers is None or bool(self.workers or self.parents)

    def __or__(self, other: "Notice") -> "Notice":
        """Return a notice that reports the changes of both."""
        return Notice(
            None
            if self.workers is None or other.workers is None
            else self.workers | other.workers,
            self.commands or other.commands,
            self.parents | other.parents,
        )


ANY_CHANGE = Notice(workers=None, commands=True)
"""Reports that anything may have changed."""


@final
@frozen
class Counts:
    """How many jobs there are. A number that equals the limit of the call means "or more"."""

    waiting: int
    """Jobs that may be reserved now."""
    delayed: int
    """Jobs that wait for a later time."""
    running: int
    """Jobs that are reserved."""
    succeeded: int
    failed: int
    cancelled: int
    unreadable: int = 0
    """Rows that were set apart because they cannot be read; counted by `Client.count` only."""
