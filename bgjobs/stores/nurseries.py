"""`Nurseries`: what a store does for jobs that belong to a parent.

A parent is a live job, or an owner with a live lease: the nursery of an application. Its
children are jobs; each has a key that no other child of the parent has. A store need not have
it; `SQLiteStore` and `PostgresStore` do. As in `Store`, every method is blocking, may be called
from any thread and takes `now`, and `bgjobs.testing.contract` checks the contract.

A store that has `Nurseries` also keeps these promises of `Store` and `Operations`:

- However a parent ends, its live descendants end with it, in the same transaction: those that
  wait are stored as cancelled, and the owners of those that run are asked to cancel them, as by
  `Operations.cancel`. That holds for `write`, `complete`, `end_with`, `close_owners`, `cancel`
  and `delete`.
- A job is not put back after its parent has ended: a `Requeue` of it is treated as if an
  operator had cancelled it.
- A child is not pruned while its parent is live.
- A child that an operator retries belongs to no parent any more.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import AnyJob, Reservation
from bgjobs._core.outcomes import Cancelled
from bgjobs.stores.operations import Cancellation
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob

DEEPEST = 100
"""How many ancestors a job may have, not counting the nursery of an application."""
PARENT_ENDED = "its parent has ended"
"""The reason with which descendants are cancelled when their parent ends."""


@final
@frozen
class NewChild:
    """A job to store as a child."""

    key: str
    """1 to 200 characters. A parent has one child of each key."""
    job: NewJob


@final
@frozen
class StoredChild:
    """A child as it is stored."""

    parent: UUID
    """The id of the job or the owner that it belongs to."""
    key: str
    id: UUID
    """The id of its job."""
    job: AnyJob | None
    """The job; None if it was deleted, or if its row cannot be read."""


@final
@frozen
class ChildrenState:
    """What `Nurseries.look` found."""

    live: Collection[UUID]
    """Those of the jobs that the caller asked about that are live."""
    unsuccessful: Sequence[UUID]
    """Children that have ended without success, at most 100; see `Nurseries.look`."""
    now: datetime
    """The time of the store's clock."""


class Nurseries(Protocol):
    """What a store does for jobs that belong to a parent."""

    def start_children(
        self,
        parent: Reservation | UUID,
        children: Sequence[NewChild],
        *,
        now: datetime | None = None,
    ) -> Sequence[AnyJob] | None:
        """Store children of a parent, in one transaction, or return those that it has already.

        Nothing is stored unless the parent holds: the job is reserved by exactly this
        reservation, or the owner of this id has a live lease. The parent cannot end meanwhile.

        For each key, the child that the parent has is returned if it is live, if it has
        succeeded, or if it is the job of this very `NewChild`, which an earlier call has stored
        whose answer was lost. Otherwise the new job is stored and becomes the child of this
        key. A new child has no unique key.

        Returns:
            One job for each child, in the same order; None if the parent does not hold.

        Raises:
            NestedTooDeeplyError: This would be the first child of a job that has `DEEPEST`
                ancestors. Nothing was stored.
        """
        ...

    def look(
        self,
        parent: UUID,
        among: Collection[UUID],
        since: datetime | None = None,
        *,
        now: datetime | None = None,
    ) -> ChildrenState:
        """Return which of some jobs are live, and which children ended without success lately.

        `among` has ids of children, a few hundred at most. `unsuccessful` has children of the
        parent that were stored as failed or cancelled at `since` or later, or at any time with
        None, the earliest first. The cost does not grow with the number of other children.
        """
        ...

    def children(
        self,
        parents: Collection[UUID],
        page: Page = FIRST_PAGE,
        *,
        now: datetime | None = None,
    ) -> Listing[StoredChild]:
        """Return a page of the children of some parents, ordered by the ids of their jobs.

        The parents may have ended. Children whose record was pruned are left out.
        """
        ...

    def find_parent(self, child: UUID) -> UUID | None:
        """Return the id of the parent of a job, which may have ended, or None."""
        ...

    def cancel_children(
        self,
        parent: Reservation | UUID,
        cancelled: Cancelled,
        children: Collection[UUID] | None = None,
        *,
        now: datetime | None = None,
    ) -> Cancellation | None:
        """End these children, or all, and their descendants, while the parent stays live.

        What is done about each is what is done when a parent ends, with this reason. An id
        that is not that of a live child of this parent is ignored.

        Returns:
            Which jobs have ended, and which were asked to; None, and nothing is changed, if the
            parent does not hold.
        """
        ...

    def end_orphans(self, *, now: datetime | None = None) -> Cancellation:
        """End live jobs whose parent has ended.

        Such jobs are those that a process of an older version left, and those that the database
        has refused to end together with their parent.

        Raises:
            RowRefusedError: The database refused to end a job. The jobs of all other parents
                have ended.
        """
        ...

    def record_waits(
        self,
        begun: Collection[Reservation] = (),
        ended: Collection[Reservation] = (),
        *,
        now: datetime | None = None,
    ) -> None:
        """Record which handlers have begun to wait for their children, and which go on.

        A reservation that does not hold is ignored. A repeated call changes nothing.
        """
        ...

    def waiting_among(
        self, reservations: Collection[Reservation]
    ) -> Mapping[Reservation, datetime]:
        """Return which of these reservations were recorded as waiting for their children.

        The value is the time at which the wait was recorded. A reservation that does not hold
        is left out. See `LiveOwner.waiting` for the number of those of an owner.
        """
        ...


class NurseryStore(Store, Protocol):
    """A store that has `Nurseries`; see `nurseries_of`."""

    @property
    def nurseries(self) -> Nurseries:
        """The methods for children; they are called while the store is open."""
        ...


def nurseries_of(store: Store) -> Nurseries | None:
    """Return the `Nurseries` of a store, or None if its `nurseries` is absent or None.

    A wrapper has the nurseries of the wrapped store if its `__getattr__` returns them.
    """
    found: Nurseries | None = getattr(store, "nurseries", None)
    return found
