"""An event for a task that waits for its own call of the store.

`StoreThreads.run` handles the ends of calls, and then wakes the tasks that wait for them. A
task with a `Waiter` handles the end itself, which saves a turn of the event loop: for a lone
write that takes as long as its statement.
"""

from collections.abc import Callable
from typing import final

from bgjobs._runtime.persistence.thread_signal import new_signal


@final
class Waiter:
    """An event that one task at a time takes by a ``with`` block, and that any thread wakes."""

    def __init__(self, answer: Callable[[], None], leave: Callable[[], None]) -> None:
        self._answer = answer
        """Handles the ends of all calls that have ended."""
        self._leave = leave
        """Called when the task waits no longer, and has not handled the end of its call."""
        self._signal = new_signal()
        self._is_set = self._is_answering = self._has_answered = self._is_closing = False
        self.is_taken: bool = False
        """Whether a task is in the block."""

    def __enter__(self) -> None:
        self.is_taken, self._is_set, self._has_answered = True, False, False

    def __exit__(self, *_: object) -> None:
        self.is_taken = False
        if not self._has_answered:
            self._leave()
        if self._is_closing:
            self._signal.close()

    def wake(self) -> None:
        """Wake the task, because its call may have ended. Safe to call from any thread."""
        self._signal.send()

    def set(self) -> None:
        """End `wait`. Call it on the event loop."""
        self._is_set, self._has_answered = True, self._is_answering
        if not self._is_answering:
            self.wake()

    async def wait(self) -> None:
        """Handle the ends of calls until `set` was called."""
        while not self._is_set:
            await self._signal.receive()
            self._is_answering = True
            try:
                self._answer()
            finally:
                self._is_answering = False

    def close(self) -> None:
        """Close the signal as soon as no task is in the block."""
        self._is_closing = True
        if not self.is_taken:
            self._signal.close()
