"""`NonBlocking`: what a store does to write or reserve a job without a thread.

`Store.write` and `Store.reserve` block, so the runtime calls them in a thread. For a single
job, the two switches between the event loop and the thread take as long as the statement. To a
server the statement can be sent without waiting, and the event loop waits for the answer as for
any socket. A store need not have it; `PostgresStore` does.

The methods are called from one event loop, except for `connect`, which is called from threads.
No method but `connect` blocks.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from bgjobs._core.jobs import Job
from bgjobs.stores.port import Store
from bgjobs.stores.types import FROM_THE_START, NewJob, Notice, Position, Written

Answer_co = TypeVar("Answer_co", covariant=True)


class NonBlockingCall(Protocol[Answer_co]):
    """Makes one call at a time, on a connection of its own.

    Each subclass has a method `begin`. If it returns True, the call was sent, and `end` has to
    be called before the next `begin`. If it returns False, nothing has happened.
    """

    @property
    def is_wanted(self) -> bool:
        """Whether `begin` has returned False because there is no connection, and may be one."""
        ...

    def connect(self) -> None:
        """Connect if `is_wanted`. This blocks.

        It raises no error if it cannot connect: the methods of `Store` report those.
        """
        ...

    def fileno(self) -> int:
        """Return what becomes readable when data for `receive` has arrived.

        Raises:
            StoreUnavailableError: The connection was lost or closed.
        """
        ...

    def receive(self) -> Answer_co | None:
        """Return the answer to the last call, or None if it has not arrived.

        What the call has changed is committed when there is an answer.

        Raises:
            StoreUnavailableError: The connection was lost; the change may be committed.
            StoreError: Nothing was changed; the method of `Store` raises the reason.
        """
        ...

    def abort(self) -> None:
        """End the connection, so that `fileno` becomes readable and `receive` raises."""
        ...

    def end(self) -> None:
        """End the wait for the answer. If it has not arrived, the change may be committed.

        Jobs of a reservation that was left stay reserved until their owner is released.
        """
        ...


class NonBlockingWriter(NonBlockingCall[Written], Protocol):
    """Writes one job at a time."""

    def begin(self, new: NewJob, notice: Notice, *, now: datetime | None = None) -> bool:
        """Send a new job, and then a notice unless it is empty, without waiting for the answer.

        The notice is sent to other processes after the job is committed. Its own answer is not
        waited for.

        Returns:
            Whether it was sent. False if the job needs more than one statement or is large, if
            there is no connection, or if an earlier write has no answer yet; nothing is stored
            then.

        Raises:
            StoreError: A text cannot be sent, or this process is a fork of the one that opened
                the store. Nothing is stored.
        """
        ...


class NonBlockingReserver(NonBlockingCall[Sequence[Job]], Protocol):
    """Reserves jobs, as `Store.reserve` does without caps."""

    def begin(
        self,
        owner: UUID,
        names: Collection[str],
        limit: int,
        *,
        after: Mapping[str, Position] = FROM_THE_START,
        now: datetime | None = None,
    ) -> bool:
        """Begin to reserve jobs, without waiting for them.

        The arguments are those of `Store.reserve`.

        Returns:
            Whether it was sent. False if there are many names, if there is no connection, or if
            an earlier reservation has no answer yet; nothing is reserved then.

        Raises:
            StoreError: This process is a fork of the one that opened the store.
        """
        ...


class NonBlocking(Protocol):
    """The calls that a store makes without a thread."""

    @property
    def writer(self) -> NonBlockingWriter:
        """Writes single jobs."""
        ...

    @property
    def reserver(self) -> NonBlockingReserver:
        """Reserves jobs."""
        ...


def nonblocking_of(store: Store) -> NonBlocking | None:
    """Return the `nonblocking` of a store, or None if its class has none.

    That of a wrapped store is not used: its calls would not pass the wrapper.
    """
    if not hasattr(type(store), "nonblocking"):
        return None
    found: NonBlocking | None = getattr(store, "nonblocking", None)
    return found
