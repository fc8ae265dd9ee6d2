"""The state of a queue that its single starts share: its switches, and the jobs it holds.

No task belongs to it: the tasks of `Consumer` read and change it on the event loop, and wait
for its wakeups. Users pause and resume the queue through its `QueueControl`.
"""

from typing import final

from anyio import Event

from bgjobs._core.config import Queue
from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs.events import QueuePaused, QueueResumed


@final
class QueueState:
    """What all starts of one queue share."""

    def __init__(
        self, queue: Queue, bus: Bus, jobs_available: Wakeup, *, is_scheduled: bool = False
    ) -> None:
        self._paused = False
        self._paused_everywhere = False
        self.is_scheduled = is_scheduled
        """Whether it runs a scheduled job, which is paused by itself."""
        self.caps: tuple[Cap, ...] = tuple(
            worker.cap for worker in queue.workers if worker.cap is not None
        )
        """The limits that its reservations must respect."""
        self.bus = bus
        """Its listeners, and those of the whole application."""
        self.config = queue
        """Its settings."""
        self.jobs_available = jobs_available
        """Set when there may be jobs to reserve."""
        self.state_changed: Wakeup = Wakeup()
        """Set when a slot is free again, an end is committed, or it is paused or stopped."""
        self.grace_changed: Wakeup = Wakeup()
        """Set when it is stopped, and when its grace is shortened."""
        self.held: dict[Attempt, Job] = {}
        """Jobs that are reserved and not settled yet.

        By attempt, not by id: a job that is retried at once may be reserved again before the
        slot that ran it knows that its end is committed.
        """
        self.unfinished: int = 0
        """How many held jobs wait for a slot or run; the others wait for their commit."""
        self.waiting: dict[Attempt, int] = {}
        """Those whose handlers wait for other jobs, and in how many of their tasks."""
        self.nesting: frozenset[str] = frozenset()
        """The workers of which a handler has opened a nursery here, as others of them may."""
        self.finished: int = 0
        """How many attempts have ended so far."""
        self.postponed_until: float = 0.0
        """Until then, by the monotonic clock, jobs that are due may be stored as delayed."""
        self.taken: int = 0
        """How many jobs it has reserved so far."""
        self.stopped: Event = Event()
        """Set when it is stopped."""
        self.stopping: bool = False
        """Whether it is stopped; read before each job."""
        self.grace: float = 0.0
        """How many seconds its handlers may go on after it is stopped."""

    @property
    def name(self) -> str:
        """The queue's name."""
        return self.config.name

    @property
    def occupying(self) -> int:
        """How many held jobs run or wait for a slot, without those that wait for other jobs."""
        return self.unfinished - len(self.waiting)

    @property
    def unsettled(self) -> int:
        """How many held jobs have run, and wait for the commit of their end."""
        return len(self.held) - self.unfinished

    @property
    def paused(self) -> bool:
        """Whether it starts no new jobs, because it is paused here or on all nodes."""
        return self._paused or self._paused_everywhere

    @property
    def paused_everywhere(self) -> bool:
        """Whether an operator has paused the queues of this name on all nodes."""
        return self._paused_everywhere

    def pause(self) -> None:
        """Stop reserving jobs in this process."""
        self._switch(here=True, everywhere=self._paused_everywhere)

    def resume(self) -> None:
        """Reserve jobs again, unless an operator has paused the queue everywhere."""
        self._switch(here=False, everywhere=self._paused_everywhere)

    def set_paused_everywhere(self, *, paused: bool) -> None:
        """Apply what operators have set for the queues of this name on all nodes."""
        self._switch(here=self._paused, everywhere=paused)

    def _switch(self, *, here: bool, everywhere: bool) -> None:
        before = self.paused
        self._paused, self._paused_everywhere = here, everywhere
        if before != self.paused:
            self.bus.emit(QueuePaused if self.paused else QueueResumed, self.name)
            self._wake()  # reserved jobs that have not started are released at once

    def stop(self, grace: float) -> None:
        """Stop reserving jobs; cancel handlers that still run after `grace` seconds.

        A second call can only shorten the grace.
        """
        self.grace = min(self.grace, grace) if self.stopping else grace
        self.stopping = True
        self.stopped.set()
        self.grace_changed.set()
        self._wake()

    def hold(self, attempt: Attempt) -> None:
        """Record that a job was reserved."""
        self.held[attempt] = attempt.job
        self.unfinished += 1

    def finish_one(self) -> None:
        """Record that an attempt has ended, so that a slot is free."""
        self.unfinished -= 1
        self.finished += 1
        self.state_changed.set()
        if self.nesting:
            self.jobs_available.set()  # a job of theirs may be reserved now

    def release(self, attempt: Attempt) -> bool:
        """Record that a job is settled. Return whether the queue holds no job now."""
        self.held.pop(attempt, None)
        self.state_changed.set()
        if self.caps or self.nesting:
            self.jobs_available.set()  # another job of that worker may be reserved now
        return not self.held

    def release_all(self) -> None:
        """Record that the queue holds no job: the monitor releases those that were left."""
        self.held.clear()
        self.waiting.clear()
        self.unfinished = 0

    def _wake(self) -> None:
        self.jobs_available.set()
        self.state_changed.set()
