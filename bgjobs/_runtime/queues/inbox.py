"""The attempts that wait for a slot of their queue, and the slots that wait for an attempt.

The fetcher puts attempts in, the slots take them out; no task of its own belongs to it. After
`close` the slots take what is left, and then end. A slot that is cancelled while it waits takes
no attempt with it.
"""

from collections import deque
from collections.abc import Collection, Iterable
from typing import final

from anyio import Event
from anyio.lowlevel import checkpoint

from bgjobs._runtime.queues.attempt import Attempt

FAN_OUT = 2
"""How many slots a woken slot wakes if more attempts wait.

A slot whose handlers never wait takes the next attempt by itself, so waking a slot for each
attempt would be wasted. Where all handlers wait, this reaches all slots within a few turns of
the event loop.
"""
TURN = 0.001
"""Seconds after which the slots together pause for other tasks, if handlers never wait."""


@final
class Inbox:
    """Hands attempts to slots in order, without a turn of the event loop for each attempt.

    Where handlers never wait, one slot does all the work. It pauses now and then for all other
    tasks, and slots that find it pausing wait. If each slot took its own turn, the fetcher and
    group commit would have to wait for all of these turns.
    """

    def __init__(self) -> None:
        self._attempts: deque[Attempt] = deque()
        self._idle_slots: deque[Event] = deque()
        self._turn_ends: float | None = None
        self._pausing = False
        self._closed = False
        self.recalled: int = 0
        """How many slots have to end before they take another attempt; see `places`."""

    def __len__(self) -> int:
        return len(self._attempts)

    def count(self, names: Collection[str]) -> int:
        """Return how many of the attempts are of these workers."""
        return sum(attempt.job.name in names for attempt in self._attempts)

    def put(self, attempts: Iterable[Attempt]) -> None:
        """Add attempts and wake slots, which wake further ones."""
        self._attempts.extend(attempts)
        self._wake(FAN_OUT)

    def close(self) -> None:
        """Make the slots end as soon as no attempt is left."""
        self._closed = True
        self._wake(len(self._idle_slots))

    def recall(self) -> None:
        """Make one more slot end before it takes another attempt."""
        self.recalled += 1
        self._wake(1)

    def take_back(self) -> list[Attempt]:
        """Remove and return all attempts."""
        attempts = list(self._attempts)
        self._attempts.clear()
        return attempts

    def pop(self) -> Attempt | None:
        """Return the next attempt if there is one now, without the cost of a coroutine."""
        if self._attempts and not self._pausing and not self.recalled:
            return self._attempts.popleft()
        return None

    async def next(self) -> Attempt | None:
        """Return the next attempt, or wait for one; None if the slot has to end."""
        while not self._attempts or self._pausing or self.recalled:
            if self.recalled:
                return None
            if self._closed and not self._attempts:
                self._wake(len(self._idle_slots))
                return None
            await self._wait()
            if not self._pausing:
                self._wake(min(FAN_OUT, len(self._attempts) - 1))
        return self._attempts.popleft()

    async def pause(self, now: float) -> None:
        """Yield to other tasks if the turn of the slots is over and no slot is pausing."""
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
            self._wake(1)  # it takes over if the handler of this slot waits next

    async def _wait(self) -> None:
        woken = Event()
        self._idle_slots.append(woken)
        try:
            await woken.wait()
        finally:
            if not woken.is_set():
                self._idle_slots.remove(woken)

    def _wake(self, slots: int) -> None:
        for _ in range(min(slots, len(self._idle_slots))):
            self._idle_slots.popleft().set()
