"""Attempts that wait for a slot, and slots that wait for an attempt."""

from collections import deque
from collections.abc import Iterable
from typing import final

from anyio import Event

from bgjobs.runtime.attempt import Attempt

FAN_OUT = 2
"""Slots that one slot wakes when it was woken itself and there is more to do.

One that never waits goes on to the next job by itself, so waking a slot for each job would be
in vain; where all of them wait, this reaches all slots in a few turns of the event loop.
"""


@final
class Inbox:
    """Hands attempts to slots in their order, without a turn of the event loop for each."""

    def __init__(self) -> None:
        self._attempts: deque[Attempt] = deque()
        self._resting: deque[Event] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._attempts)

    def put(self, attempts: Iterable[Attempt]) -> None:
        """Add some, and wake a slot that passes it on."""
        self._attempts.extend(attempts)
        self._wake(FAN_OUT)

    def close(self) -> None:
        """Let the slots end once nothing waits any more."""
        self._closed = True
        self._wake(len(self._resting))

    def take_back(self) -> list[Attempt]:
        """Take out all that wait."""
        attempts = list(self._attempts)
        self._attempts.clear()
        return attempts

    def pop(self) -> Attempt | None:
        """Give the next one if there is one now; it spares the slot a coroutine."""
        return self._attempts.popleft() if self._attempts else None

    async def next(self) -> Attempt | None:
        """Give the next one, at once if there is one; None when it is closed and empty."""
        while not self._attempts:
            if self._closed:
                return None
            rest = Event()
            self._resting.append(rest)
            try:
                await rest.wait()
            finally:
                if not rest.is_set():
                    self._resting.remove(rest)
            self._wake(min(FAN_OUT, len(self._attempts) - 1))
        return self._attempts.popleft()

    def _wake(self, slots: int) -> None:
        for _ in range(min(slots, len(self._resting))):
            self._resting.popleft().set()
