"""Ends waits for a store that was away, as soon as it is known to take writes again.

Each part asks again by itself, less and less often. Meanwhile the heartbeat, which writes, asks
more often than it has to, for all of them: a server that refuses writes sees few of them, and
one that is back is used at once.
"""

from typing import final

from anyio import CancelScope, Event, create_task_group, move_on_after

PROBE = 1.5
"""Seconds between two heartbeats while anything waits for the store."""
PROMPT = 0.05
"""Seconds within which it is noticed that a heartbeat is due, or has succeeded, meanwhile."""


@final
class Recovery:
    """Who waits for the store, and what ends the wait."""

    def __init__(self) -> None:
        self._waiting = 0
        self._awaited = Event()
        self._recovered = Event()

    @property
    def is_awaited(self) -> bool:
        """Whether anything waits now. Safe from any thread."""
        return self._waiting > 0

    async def wait(self, seconds: float, *, or_until: Event | None = None) -> None:
        """Wait so long at most, until the store takes writes again, or until this event."""
        events = [self._recovered] if or_until is None else [self._recovered, or_until]
        self._waiting += 1
        self._awaited.set()
        try:
            with move_on_after(seconds):
                async with create_task_group() as group:
                    for event in events:
                        group.start_soon(_end, group.cancel_scope, event)
        finally:
            self._waiting -= 1

    async def awaited(self) -> None:
        """Return when anything waits."""
        if not self._waiting:
            self._awaited = Event()
            await self._awaited.wait()

    def tell(self) -> None:
        """End all waits: a write has succeeded since they began."""
        recovered, self._recovered = self._recovered, Event()
        recovered.set()


async def _end(scope: CancelScope, event: Event) -> None:
    await event.wait()
    scope.cancel()
