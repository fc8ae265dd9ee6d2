"""Values that the methods of a store take and return, those of the core included."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.jobs import Job, Reservation, StoredJob
from bgjobs._core.limits import Cap
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Drop, Fail, Requeue, Settlement, Succeed

__all__ = [
    "SCHEMA_VERSION",
    "Cap",
    "Commands",
    "Counts",
    "Drop",
    "Fail",
    "NewJob",
    "Owner",
    "Renewal",
    "Requeue",
    "Settlement",
    "StoredJob",
    "Succeed",
    "Written",
]

SCHEMA_VERSION = 5
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
@frozen
class Written:
    """What `Store.write` did."""

    jobs: Sequence[Job]
    """One job for each request, in the same order.

    Where a unique key was taken, it is the live job that has the key. Where the settlement of
    `NewJob.after` was lost, it is the job as requested, which is not stored.
    """
    lost: Collection[Reservation]
    """The reservations that did not hold any longer; nothing was written for them."""
    cancelled: Mapping[Reservation, str] = field(factory=dict[Reservation, str])
    """Why operators cancelled jobs that a `Requeue` was to put back.

    They are stored as failed, except for runs of scheduled jobs: such a run stays reserved, so
    that it can be settled as failed together with the run that follows it.
    """


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
class Commands:
    """What operators want from the queues of a process."""

    paused: frozenset[str] = frozenset()
    """Names of queues that reserve nothing, on any node."""
    cancelled: Mapping[UUID, str] = field(factory=dict[UUID, str])
    """Why running jobs are to be cancelled, by job id."""


@final
@frozen
class Renewal:
    """The result of `Store.heartbeat`."""

    alive: Collection[UUID]
    """The owners whose lease was renewed. The leases of the others have ended."""
    now: datetime
    """The time of the store's clock."""
    commands: Commands = Commands()
    """What operators want from these owners; empty if the store has no `Operations`."""


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
    unreadable: int = 0
    """Rows that were set apart because they cannot be read; counted by `Admin.count` only."""
