"""Jobs that are reserved and wait for a slot, and slots that wait for a job."""

from collections import deque
from collections.abc import Iterable
from typing import final

from anyio import Event

from bgjobs.jobs import Job

FAN_OUT = 2
"""Slots that one slot wakes when it was woken itself and there is more to do.

One that never waits goes on to the next job by itself, so waking a slot for each job would be
in vain; where all of them wait, this reaches all slots in a few turns of the event loop.
"""


@final
class Inbox:
    """Hands jobs to slots in their order, without a turn of the event loop for each."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._resting: deque[Event] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, jobs: Iterable[Job]) -> None:
        """Add jobs, and wake a slot that passes it on."""
        self._jobs.extend(jobs)
        self._wake(FAN_OUT)

    def close(self) -> None:
        """Let the slots end once nothing waits any more."""
        self._closed = True
        self._wake(len(self._resting))

    def take_back(self) -> list[Job]:
        """Take out all that wait."""
        jobs = list(self._jobs)
        self._jobs.clear()
        return jobs

    async def next(self) -> Job | None:
        """Give the next job, at once if there is one; None when it is closed and empty."""
        while not self._jobs:
            if self._closed:
                return None
            rest = Event()
            self._resting.append(rest)
            try:
                await rest.wait()
            finally:
                if not rest.is_set():
                    self._resting.remove(rest)
            self._wake(min(FAN_OUT, len(self._jobs) - 1))
        return self._jobs.popleft()

    def _wake(self, slots: int) -> None:
        for _ in range(min(slots, len(self._resting))):
            self._resting.popleft().set()
