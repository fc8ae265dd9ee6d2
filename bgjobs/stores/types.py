"""What the verbs of a store take and return."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.requests import JobRequest

SCHEMA_VERSION = 5
"""The schema that this version of bgjobs reads and writes; migrations are numbered up to it."""


@final
@frozen
class NewJob:
    """A request with the id under which it shall be stored."""

    id: UUID
    request: JobRequest
    after: Reservation | None = None
    """Stored only if the settlement of this reservation, in the same write, takes effect."""
    repeated: bool = False
    """An earlier try to store it may have been committed, and the job have run since."""
    plan: Callable[[datetime], JobRequest] | None = field(default=None, eq=False, repr=False)
    """Returns what to store instead of `request`, by the store's time of the transaction.

    Called in the transaction, in the thread that writes, and not at all if `after` keeps the
    job from being stored. `request` is an estimate, with the same worker, payload and key.
    """


@final
@frozen
class Written:
    """What `Store.write` did."""

    jobs: Sequence[Job]
    """One for each request, in the order asked; where a unique key was taken, its holder.

    Where the settlement that it follows was lost, what was asked; it is not stored.
    """
    lost: Collection[Reservation]
    """The reservations that were not there any more; nothing was written for these."""
    cancelled: Mapping[Reservation, str] = field(factory=dict[Reservation, str])
    """Jobs that were to be put back, and that an operator has cancelled, with the reason.

    They are stored as failed. A run of a schedule is not: it is still reserved, so that it can
    be settled as failed together with the run that follows it.
    """


@final
@frozen
class Owner:
    """One start of one queue, which holds a lease and reserves jobs under its id."""

    id: UUID
    name: str
    """The queue's name."""
    node: str
    """Where it runs, for people to read; never compared."""


@final
@frozen
class Commands:
    """What operators want of the queues of a process."""

    paused: frozenset[str] = frozenset()
    """The queues that shall reserve nothing, on any node."""
    cancelled: Mapping[UUID, str] = field(factory=dict[UUID, str])
    """Jobs that are reserved and shall be cancelled, with the reason."""


@final
@frozen
class Renewal:
    """What `Store.heartbeat` found."""

    alive: Collection[UUID]
    """The owners whose lease was renewed; for the others it had ended, and stays so."""
    now: datetime
    """The store's clock at that moment."""
    commands: Commands = Commands()
    """What operators want of these owners; nothing where the store has no `Operations`."""


@final
@frozen
class Counts:
    """How many jobs there are; a number that reaches the limit asked for means "or more"."""

    waiting: int
    """Jobs that may be reserved now."""
    delayed: int
    """Jobs that wait for a later time."""
    running: int
    """Jobs that are reserved."""
    succeeded: int
    failed: int
    unreadable: int = 0
    """Stored rows that are no jobs and were set apart; counted by `Admin.count` alone."""
