"""Which owners this process has, and how long each may believe in its lease.

The registry belongs to the supervisor, so it outlives the monitor: one that was restarted
finds the dead that wait for it, and the living.
"""

import threading
from collections.abc import Collection
from typing import final
from uuid import UUID

from anyio import Event
from attrs import define, field, frozen

from bgjobs.errors import StoreError
from bgjobs.stores.types import Owner

TRUSTED_SHARE = 0.9
"""The share of a lease that its owner believes in: handlers end before others may take over."""


@final
@define(eq=False)
class Lease:
    """One owner's lease as this process sees it, on its monotonic clock."""

    owner: Owner
    seconds: float
    until: float
    """When it stops to be believed in. Written by the heartbeat thread, read by the loop."""
    refused: bool = False
    """The store said that it has ended; written by the heartbeat thread, too."""
    failure: StoreError | None = None
    """Why it was not renewed, when it was last tried."""
    over: Event = field(factory=Event)
    """Set in the event loop when it has heard that it was refused."""

    def renew(self, started: float) -> None:
        """Believe in it anew; `started` is a moment before the store was asked."""
        self.failure = None
        self.until = started + self.seconds * TRUSTED_SHARE

    def left(self, now: float) -> float:
        """Say how many seconds it can still be believed in; 0 when it is over."""
        return 0.0 if self.refused else max(0.0, self.until - now)


@final
@frozen
class DeadOwner:
    """An owner that has ended; what it still holds must be released."""

    owner: Owner
    culprits: Collection[UUID]
    """The jobs that brought it down; they count a crash, the others an interruption."""
    died: bool
    """Whether it died, rather than being stopped."""


@final
class Registry:
    """The owners of one running application, alive and dead."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: dict[UUID, Lease] = {}
        self._dead: dict[UUID, DeadOwner] = {}
        self._changed = Event()

    def add(self, lease: Lease) -> None:
        """Begin to keep an owner alive."""
        with self._lock:
            self._alive[lease.owner.id] = lease

    def ended(self, dead: DeadOwner) -> None:
        """Note that an owner has ended, and wake whoever releases what it left."""
        with self._lock:
            self._alive.pop(dead.owner.id, None)
            self._dead[dead.owner.id] = dead
        self._changed.set()

    def released(self, dead: DeadOwner) -> None:
        """Forget an owner that holds nothing any more."""
        with self._lock:
            self._dead.pop(dead.owner.id, None)

    def alive(self) -> tuple[Lease, ...]:
        """Give the leases to renew. Safe from any thread."""
        with self._lock:
            return tuple(self._alive.values())

    def dead(self) -> tuple[DeadOwner, ...]:
        """Give the owners that wait for their release."""
        with self._lock:
            return tuple(self._dead.values())

    async def wait_dead(self) -> None:
        """Wait until an owner has ended since the last time this returned."""
        await self._changed.wait()
        self._changed = Event()
