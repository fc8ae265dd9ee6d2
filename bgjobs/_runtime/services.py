"""The services that the parts of one running application share."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from itertools import chain
from typing import final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.clock import Clock
from bgjobs._core.config import AnyWorker, Config
from bgjobs._core.jobs import Job
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.leases.registry import Registry
from bgjobs._runtime.lifecycle import Lifecycle
from bgjobs._runtime.notifications.wakeups import Notifier, Wakeups
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs._runtime.persistence.group_commit import GroupCommit
from bgjobs._runtime.persistence.store_clock import StoreClock
from bgjobs._runtime.queues.state import QueueControl
from bgjobs._runtime.scheduled.planner import Planner
from bgjobs.errors import StoreError
from bgjobs.stores.port import Store


@final
@frozen(eq=False)
class Services:
    """The shared objects of one `run`, which makes them and passes them to every part."""

    config: Config
    bus: Bus
    dispatch: Dispatch
    settlements: GroupCommit
    """Writes the ends of runs."""
    enqueues: GroupCommit
    """Writes new jobs. These are committed apart from the ends of runs: an insert may wait for
    a unique key that another open transaction holds, and would delay the ends with it."""
    registry: Registry
    wakeups: Wakeups
    notifier: Notifier
    time: StoreClock
    planner: Planner
    lifecycle: Lifecycle
    configured: frozenset[str]
    """The names of the workers of the configuration."""
    queues: list[QueueControl] = field(factory=list[QueueControl], init=False)
    """The queues that run now, including those of scheduled jobs."""

    @property
    def store(self) -> Store:
        """The store of the configuration; `dispatch` calls its methods."""
        return self.config.store

    @property
    def clock(self) -> Clock:
        """The clock of the configuration."""
        return self.config.clock

    @classmethod
    def assemble(cls, config: Config, bus: Bus) -> "Services":
        """Create the services of an application; `run` starts them."""
        dispatch = Dispatch(config.store, config.clock, bus, config.store_timeout)
        notifier = Notifier(dispatch, config.clock)
        time = StoreClock(config.store, config.clock)
        return cls(
            config=config,
            bus=bus,
            dispatch=dispatch,
            settlements=GroupCommit(dispatch, config.clock, config.store_timeout),
            enqueues=GroupCommit(dispatch, config.clock, config.store_timeout, notifier),
            registry=Registry(),
            wakeups=Wakeups(),
            notifier=notifier,
            time=time,
            planner=Planner(time),
            lifecycle=Lifecycle(),
            configured=frozenset(worker.name for worker in config.all_workers()),
        )

    def workers(self) -> Iterable[AnyWorker]:
        """Return the workers that run or may be enqueued here; some may be repeated."""
        running = (worker for queue in self.queues for worker in queue.config.workers)
        return chain(self.config.all_workers(), running)

    def running_jobs(self) -> Iterable[Job]:
        """Return the jobs that queues of this application have reserved and not settled."""
        return chain.from_iterable(queue.held.values() for queue in self.queues)

    def is_running(self, job_id: UUID) -> bool:
        """Whether a queue of this application has reserved this job and not settled it."""
        return any(job.id == job_id for job in self.running_jobs())

    def announce(self, names: Collection[str]) -> None:
        """Wake all queues that wait for jobs of these workers, here and in other processes.

        Returns at once; the notifier sends the notification.
        """
        self.wakeups.wake(names)
        self.notifier.add(names)

    async def announce_now(self, names: Collection[str]) -> None:
        """Wake the same queues as `announce`, and return when the notification was sent.

        If sending fails, other processes find the jobs at their next poll.
        """
        self.wakeups.wake(names)
        if self.store.needs_notify:
            with suppress(StoreError):
                await self.dispatch.once(self.store.notify, sorted(names))
