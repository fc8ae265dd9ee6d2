"""The owners of this process, and how long each of them may rely on its lease.

It belongs to no task: queues add their owners, the heartbeat thread renews their leases, and
the monitor removes dead owners when their jobs are released. It outlives all of them, so a
restarted monitor finds the owners that still wait for it.
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
"""The share of a lease that its owner relies on, so handlers end before others take over."""


@final
@define(eq=False)
class Lease:
    """One owner's lease as this process sees it, on its monotonic clock."""

    owner: Owner
    seconds: float
    until: float
    """How long its owner relies on it. Written by the heartbeat thread, read by the loop."""
    refused: bool = False
    """Whether the store did not renew it, because it had ended. Written by the thread, too."""
    failure: StoreError | None = None
    """Why the last renewal failed."""
    over: Event = field(factory=Event)
    """Set in the event loop after it was refused."""

    def renew(self, started: float) -> None:
        """Rely on it again; `started` is when the store was asked to renew it, or before."""
        self.failure = None
        self.until = started + self.seconds * TRUSTED_SHARE

    def left(self, now: float) -> float:
        """Return for how many seconds its owner may still rely on it; 0 when it is over."""
        return 0.0 if self.refused else max(0.0, self.until - now)

    def since_renewal(self, now: float) -> float:
        """Return how many seconds ago the last renewal that succeeded was begun."""
        return now - (self.until - self.seconds * TRUSTED_SHARE)


@final
@frozen
class DeadOwner:
    """An owner that has ended; jobs that it still holds must be released."""

    owner: Owner
    culprits: Collection[UUID]
    """The jobs that ended it: they count a crash, all others an interruption."""
    died: bool
    """Whether an error ended it, not a stop."""


@final
class Registry:
    """The owners of one running application, alive and dead."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: dict[UUID, Lease] = {}
        self._dead: dict[UUID, DeadOwner] = {}
        self._changed = Event()

    def add(self, lease: Lease) -> None:
        """Add an owner, whose lease the heartbeat renews from now on."""
        with self._lock:
            self._alive[lease.owner.id] = lease

    def remove(self, lease: Lease) -> None:
        """Remove an owner that holds no jobs, which the caller closes."""
        with self._lock:
            self._alive.pop(lease.owner.id, None)

    def ended(self, dead: DeadOwner) -> None:
        """Record that an owner has ended, and wake the monitor to release its jobs."""
        with self._lock:
            self._alive.pop(dead.owner.id, None)
            self._dead[dead.owner.id] = dead
        self._changed.set()

    def released(self, dead: DeadOwner) -> None:
        """Remove an owner whose jobs are released."""
        with self._lock:
            self._dead.pop(dead.owner.id, None)

    def alive(self) -> tuple[Lease, ...]:
        """Return the leases to renew. Safe to call from any thread."""
        with self._lock:
            return tuple(self._alive.values())

    def dead(self) -> tuple[DeadOwner, ...]:
        """Return the owners whose jobs are not released yet."""
        with self._lock:
            return tuple(self._dead.values())

    async def wait_dead(self) -> None:
        """Wait until an owner has ended since this last returned."""
        await self._changed.wait()
        self._changed = Event()
