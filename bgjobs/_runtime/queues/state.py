"""What outlives the single starts of a queue: its switches, and what it holds."""

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
class QueueControl:
    """A queue of a running application: hold it up, let it go on, see what it runs."""

    def __init__(
        self, queue: Queue, bus: Bus, news: Wakeup, *, is_scheduled: bool = False
    ) -> None:
        self._paused = False
        self._paused_everywhere = False
        self.is_scheduled = is_scheduled
        """Whether it runs a scheduled job, which has a switch of its own."""
        self.caps: tuple[Cap, ...] = tuple(
            worker.cap for worker in queue.workers if worker.cap is not None
        )
        """What its reservations have to keep to."""
        self.bus = bus
        """Its listeners, and those of the whole application."""
        self.config = queue
        """The settings."""
        self.news = news
        """Set when there may be jobs to reserve."""
        self.room: Wakeup = Wakeup()
        """Set when a slot is free again, an end is committed, or a switch was turned."""
        self.hurry: Wakeup = Wakeup()
        """Set when it was told to stop, and when it was told to stop sooner."""
        self.held: dict[Attempt, Job] = {}
        """What is reserved and not settled yet.

        By attempt, not by id: a job that is tried again at once may be reserved anew before
        the slot that ran it has heard of its own commit.
        """
        self.unfinished: int = 0
        """How many of these wait for a slot or run in one; the others wait for their commit."""
        self.finished: int = 0
        """How many attempts have ended so far."""
        self.postponed_until: float = 0.0
        """Until then jobs that are due may wait as delayed ones, by the monotonic clock."""
        self.taken: int = 0
        """How many jobs it has reserved so far."""
        self.stopped: Event = Event()
        """Set when it shall stop."""
        self.stopping: bool = False
        """Whether it shall stop, or has; asked before each job."""
        self.grace: float = 0.0
        """How long its handlers may go on once it is stopping."""

    @property
    def name(self) -> str:
        """The queue's name."""
        return self.config.name

    @property
    def paused(self) -> bool:
        """Whether it starts no new jobs, here or anywhere."""
        return self._paused or self._paused_everywhere

    @property
    def paused_everywhere(self) -> bool:
        """Whether an operator has paused the queues of this name on all nodes."""
        return self._paused_everywhere

    @property
    def running(self) -> tuple[Job, ...]:
        """The jobs that this process has reserved in this queue."""
        return tuple(self.held.values())

    def pause(self) -> None:
        """Reserve no more jobs in this process; the handlers that run go on."""
        self._switch(here=True, everywhere=self._paused_everywhere)

    def resume(self) -> None:
        """Reserve jobs again, unless an operator has paused the queue everywhere."""
        self._switch(here=False, everywhere=self._paused_everywhere)

    def heed(self, *, paused: bool) -> None:
        """Follow what operators want of the queues of this name on all nodes."""
        self._switch(here=self._paused, everywhere=paused)

    def _switch(self, *, here: bool, everywhere: bool) -> None:
        before = self.paused
        self._paused, self._paused_everywhere = here, everywhere
        if before != self.paused:
            self.bus.emit(QueuePaused if self.paused else QueueResumed, self.name)
            self._poke()  # what is reserved and not started is given back at once

    def stop(self, grace: float) -> None:
        """Reserve no more, let handlers go on for `grace` seconds, then cancel them.

        A second call can only shorten the grace.
        """
        self.grace = min(self.grace, grace) if self.stopping else grace
        self.stopping = True
        self.stopped.set()
        self.hurry.set()
        self._poke()

    def hold(self, attempt: Attempt) -> None:
        """Note that a job was reserved."""
        self.held[attempt] = attempt.job
        self.unfinished += 1

    def finish_one(self) -> None:
        """Note that an attempt has ended, so that a slot is free."""
        self.unfinished -= 1
        self.finished += 1
        self.room.set()

    def let_go(self, attempt: Attempt) -> bool:
        """Note that a job is settled; says whether nothing is held any more."""
        self.held.pop(attempt, None)
        self.room.set()
        if self.caps:
            self.news.set()  # another job of that worker may be reserved now
        return not self.held

    def forget_all(self) -> None:
        """Hold nothing any more: what is left is the monitor's."""
        self.held.clear()
        self.unfinished = 0

    def _poke(self) -> None:
        self.news.set()
        self.room.set()
