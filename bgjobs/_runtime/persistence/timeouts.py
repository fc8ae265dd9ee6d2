"""The time limit of the writes that callers wait for, which one task watches for all of them.

A cancel scope for each call would cost more than everything else that the event loop does for
it. The limit is the same for all, so the write that has waited longest is the next one overdue.
"""

from collections import deque
from typing import final

from anyio import CancelScope, current_time, sleep

from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.persistence.ticket import Ticket


@final
class Timeouts:
    """Ends waits for tickets after a number of seconds, while `run` runs."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: deque[tuple[float, Ticket]] = deque()
        """When each wait ends, the longest first; some have ended before."""
        self._begun = Wakeup()
        self._scope = CancelScope(shield=True)

    def watch(self, ticket: Ticket) -> None:
        """Limit how long a task waits for this ticket, beginning now."""
        waits = self._waits
        while waits and waits[0][1].withdrawn:
            waits.popleft()
        waits.append((current_time() + self._seconds, ticket))
        self._begun.set()

    async def run(self) -> None:
        """End overdue waits until `stop`. The task is idle when there was none for a while."""
        with self._scope:
            while True:
                await self._begun.wait()
                while (seconds := self._end_overdue()) is not None:
                    await sleep(seconds)

    def stop(self) -> None:
        """End `run`; no task may wait for a ticket that is watched."""
        self._scope.cancel()

    def _end_overdue(self) -> float | None:
        """End the waits that are overdue; return in how many seconds the next one is."""
        now = current_time()
        while self._waits:
            ends_at, ticket = self._waits[0]
            if ends_at > now and not ticket.withdrawn:
                return ends_at - now
            self._waits.popleft()
            ticket.withdraw()
        return None
