"""`NonBlockingWriter`: what a store does to write a job without a thread.

`Store.write` blocks, so the runtime calls it in a thread. For a single job, the two switches
between the event loop and the thread take as long as the statement. To a server the statement
can be sent without waiting, and the event loop waits for the answer as for any socket. A store
need not have it; `PostgresStore` does.

The methods are called from one event loop, except for `connect`, which is called from threads.
No method but `connect` blocks.
"""

from datetime import datetime
from typing import Protocol

from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Notice, Written


class NonBlockingWriter(Protocol):
    """Writes one job at a time, on a connection of its own."""

    @property
    def is_wanted(self) -> bool:
        """Whether `begin` has refused a job because there is no connection, and may be one."""
        ...

    def connect(self) -> None:
        """Connect if `is_wanted`. This blocks.

        It raises no error if it cannot connect: `Store.write` reports those.
        """
        ...

    def begin(self, new: NewJob, notice: Notice, *, now: datetime | None = None) -> bool:
        """Send a new job, and then a notice unless it is empty, without waiting for the answer.

        The notice is sent to other processes after the job is committed. If this returns True,
        `end` has to be called before the next `begin`.

        Returns:
            Whether it was sent. False if the job needs more than one statement, if there is no
            connection, or if an earlier write has no answer yet; nothing is stored then.

        Raises:
            StoreError: A text cannot be sent, or this process is a fork of the one that opened
                the store. Nothing is stored.
        """
        ...

    def fileno(self) -> int:
        """Return what becomes readable when data for `receive` has arrived.

        Raises:
            StoreUnavailableError: The connection was lost or closed.
        """
        ...

    def receive(self) -> Written | None:
        """Return the answer to the last write, or None if it has not arrived.

        The job is committed when there is an answer. The answer to the notice is read later.

        Raises:
            StoreUnavailableError: The connection was lost; the job may be stored.
            StoreError: The job was not stored; `Store.write` raises the reason.
        """
        ...

    def abort(self) -> None:
        """End the connection, so that `fileno` becomes readable and `receive` raises."""
        ...

    def end(self) -> None:
        """End the wait for the answer. If it has not arrived, the job may still be stored."""
        ...


def nonblocking_writer_of(store: Store) -> NonBlockingWriter | None:
    """Return the `nonblocking` of a store, or None if its class has none.

    That of a wrapped store is not used: its jobs would not pass the `write` of the wrapper.
    """
    if not hasattr(type(store), "nonblocking"):
        return None
    found: NonBlockingWriter | None = getattr(store, "nonblocking", None)
    return found
