"""Attempts that wait for a slot, and slots that wait for an attempt."""

from collections import deque
from collections.abc import Iterable
from typing import final

from anyio import Event
from anyio.lowlevel import checkpoint

from bgjobs._runtime.queues.attempt import Attempt

FAN_OUT = 2
"""Slots that one slot wakes when it was woken itself and there is more to do.

One that never waits goes on to the next job by itself, so waking a slot for each job would be
in vain; where all of them wait, this reaches all slots in a few turns of the event loop.
"""
TURN = 0.001
"""Seconds after which the slots together let others run, where handlers never wait."""


@final
class Inbox:
    """Hands attempts to slots in their order, without a turn of the event loop for each.

    Where handlers never wait, one slot does all the work, and pauses now and then for all other
    tasks; the slots that find it pausing rest. Were each of them to have its own turn, what
    reserves and settles beside them would wait for all of these.
    """

    def __init__(self) -> None:
        self._attempts: deque[Attempt] = deque()
        self._resting: deque[Event] = deque()
        self._turn_ends: float | None = None
        self._pausing = False
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
        return self._attempts.popleft() if self._attempts and not self._pausing else None

    async def next(self) -> Attempt | None:
        """Give the next one, at once if there is one; None when it is closed and empty."""
        while not self._attempts or self._pausing:
            if self._closed and not self._attempts:
                self._wake(len(self._resting))
                return None
            await self._rest()
            if not self._pausing:
                self._wake(min(FAN_OUT, len(self._attempts) - 1))
        return self._attempts.popleft()

    async def pause(self, now: float) -> None:
        """Let others run if the slots have had their turn, and none of them is doing so."""
        if self._turn_ends is None:
            self._turn_ends = now + TURN
        if now < self._turn_ends or self._pausing:
            return
        self._turn_ends = None
        self._pausing = True
        try:
            await checkpoint()
        finally:
            self._pausing = False
            self._wake(1)  # it goes on where the next handler waits

    async def _rest(self) -> None:
        rest = Event()
        self._resting.append(rest)
        try:
            await rest.wait()
        finally:
            if not rest.is_set():
                self._resting.remove(rest)

    def _wake(self, slots: int) -> None:
        for _ in range(min(slots, len(self._resting))):
            self._resting.popleft().set()
