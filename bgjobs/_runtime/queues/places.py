"""The places of a queue: how many handlers run at once, and which one goes on next.

A slot has a place while it runs a handler or looks for a job. A handler that waits for another
job gives the place of its slot away, so that a further slot can run that job. When the wait is
over, the handler needs a place again. It takes the place of the next slot that would look for a
job: that slot ends instead. So as many handlers run as there are places, the ones that have
waited go on before new jobs begin, and the first that has waited goes on first.

No task belongs to it: handlers and slots call it on the event loop. If its timeout, an operator
or a shutdown cancels a handler, the cancellation is raised without a wait for a place, and a
slot ends for it later. A cancel scope of the handler itself does not shorten this wait.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from math import inf
from typing import final

from anyio import CancelScope, Event

from bgjobs._runtime.cancellation import raise_if_cancelled
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.inbox import Inbox
from bgjobs._runtime.queues.state import QueueState


@final
class Places:
    """The places of one start of a queue."""

    def __init__(
        self, state: QueueState, inbox: Inbox, start_slot: Callable[[], object]
    ) -> None:
        self._state = state
        self._inbox = inbox
        self._start_slot = start_slot
        self._free = 0
        """How many slots have ended because the queue stops."""
        self._next: dict[Attempt, Event] = {}
        """The attempts that have waited and need a place, in this order."""

    def leave(self) -> None:
        """Pass on the place of a slot that ends."""
        if not self._inbox.recalled:
            self._free += 1
            return
        self._inbox.recalled -= 1
        if self._inbox.recalled < len(self._next):  # else a cancelled handler has gone on
            self.go_on(next(iter(self._next)))

    def go_on(self, attempt: Attempt) -> None:
        """Make a handler go on that waits for a place; without effect on other handlers."""
        turn = self._next.pop(attempt, None)
        if turn is not None:
            turn.set()

    @asynccontextmanager
    async def given_away(self, attempt: Attempt) -> AsyncGenerator[None]:
        """Leave the place of an attempt to others while the block waits for another job.

        Tasks of one handler may wait at the same time. Its place is given away from the first
        of these waits to the last, and a task does not wait for the others to go on. The limit
        for the time without progress does not run meanwhile.
        """
        if not self._is_running(attempt):
            yield
            return
        progress = attempt.progress
        silence = None if progress is None or progress.is_over else progress.silence
        with nullcontext() if silence is None else silence.suspended():
            self._begin(attempt)
            try:
                yield
            finally:
                await self._end(attempt)

    def _is_running(self, attempt: Attempt) -> bool:
        """Whether the handler has not ended; a task that is not its own may outlive it."""
        return not attempt.ended and attempt in self._state.held

    def _begin(self, attempt: Attempt) -> None:
        waiting = self._state.waiting
        waiting[attempt] = waiting.get(attempt, 0) + 1
        if waiting[attempt] > 1:
            return
        self._state.state_changed.set()
        self._state.jobs_available.set()
        if attempt in self._next:  # an earlier wait is over, and it has no place yet
            self._inbox.recalled -= 1
            self.go_on(attempt)
        else:
            self._start_slot()  # it ends at once if another handler needs its place

    async def _end(self, attempt: Attempt) -> None:
        waiting = self._state.waiting
        left = waiting.pop(attempt, 1) - 1
        if left:
            waiting[attempt] = left
        elif self._free:
            self._free -= 1
        else:
            self._inbox.recall()
            if self._is_running(attempt):
                await self._wait_for_place(attempt)

    async def _wait_for_place(self, attempt: Attempt) -> None:
        turn = self._next[attempt] = Event()
        try:
            with CancelScope(shield=True, deadline=attempt.cancel_at):
                await turn.wait()
        finally:
            if not turn.is_set():
                del self._next[attempt]
        if attempt.cancel_at == -inf:  # it has no place, so it must not run on
            await raise_if_cancelled()
