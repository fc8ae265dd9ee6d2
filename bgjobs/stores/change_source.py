"""`ChangeSource`: how a process learns of the changes of others."""

from typing import Protocol

from bgjobs.stores.types import Notice


class ChangeSource(Protocol):
    """Reports that another process changed the store. It never blocks.

    One thread uses it at a time. It may miss a change and may report one that did not happen:
    queues also poll.
    """

    @property
    def interval(self) -> float | None:
        """Seconds between two calls of `poll`; None where `fileno` becomes readable instead."""
        ...

    def fileno(self) -> int:
        """Return the descriptor to wait for; called only where `interval` is None."""
        ...

    def poll(self) -> Notice:
        """Return what has changed since the last call.

        It is also called after a long time without a notice, to find out whether the source
        still works.

        Returns:
            One notice of all changes, or `Notice()` when nothing changed. A source that only
            sees that there was a change returns `ANY_CHANGE`.

        Raises:
            StoreUnavailableError: The source is broken, or it found a change that its
                descriptor did not announce. The caller closes it and opens another one.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
