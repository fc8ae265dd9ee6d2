"""What users do with a queue of a running application.

No task belongs to it: its methods change the state of the queue, whose tasks notice the change.
"""

from typing import final

from bgjobs._core.config import Queue
from bgjobs._core.jobs import Job
from bgjobs._runtime.queues.state import QueueState


@final
class QueueControl:
    """A queue of a running application: pause it, resume it, and see which jobs it runs."""

    def __init__(self, state: QueueState) -> None:
        self._state = state

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._state.name

    @property
    def config(self) -> Queue:
        """Its settings."""
        return self._state.config

    @property
    def paused(self) -> bool:
        """Whether it starts no new jobs, because it is paused here or on all nodes."""
        return self._state.paused

    @property
    def paused_everywhere(self) -> bool:
        """Whether an operator has paused the queues of this name on all nodes."""
        return self._state.paused_everywhere

    @property
    def running(self) -> tuple[Job, ...]:
        """The jobs that this process has reserved in this queue, without those in `waiting`."""
        held, waiting = self._state.held, self._state.waiting
        return tuple(job for attempt, job in held.items() if attempt not in waiting)

    @property
    def waiting(self) -> tuple[Job, ...]:
        """The jobs whose handlers wait for other jobs, and hold no slot meanwhile."""
        return tuple(attempt.job for attempt in self._state.waiting)

    def pause(self) -> None:
        """Stop reserving jobs in this process; handlers that run go on."""
        self._state.pause()

    def resume(self) -> None:
        """Reserve jobs again, unless an operator has paused the queue everywhere."""
        self._state.resume()
