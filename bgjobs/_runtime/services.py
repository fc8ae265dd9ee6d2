"""What the parts of one running application share."""

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
    """The tools of one `run`; made by it, handed to every part, owned by none of them."""

    config: Config
    bus: Bus
    dispatch: Dispatch
    settlements: GroupCommit
    """Ends of runs, and with them what follows. Apart from what is enqueued: that may wait for
    a unique key which somebody's open transaction holds, and no end shall wait with it."""
    enqueues: GroupCommit
    registry: Registry
    wakeups: Wakeups
    notifier: Notifier
    time: StoreClock
    planner: Planner
    lifecycle: Lifecycle
    configured: frozenset[str]
    """The names of the workers of the configuration."""
    queues: list[QueueControl] = field(factory=list[QueueControl], init=False)
    """Those that run now, of scheduled jobs too."""

    @property
    def store(self) -> Store:
        """The store, for `dispatch` to call."""
        return self.config.store

    @property
    def clock(self) -> Clock:
        """The time of this application."""
        return self.config.clock

    @classmethod
    def assemble(cls, config: Config, bus: Bus) -> "Services":
        """Put the parts together; nothing runs yet."""
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
        """Give the workers that are run or may be enqueued here, repeats included."""
        running = (worker for queue in self.queues for worker in queue.config.workers)
        return chain(self.config.all_workers(), running)

    def held(self) -> Iterable[Job]:
        """Give what the queues of this application have reserved and not settled yet."""
        return chain.from_iterable(queue.held.values() for queue in self.queues)

    def holds(self, job_id: UUID) -> bool:
        """Say whether a queue of this application is running this job."""
        return any(job.id == job_id for job in self.held())

    async def announce_now(self, names: Collection[str]) -> None:
        """Do the same, and return when the others have been told; a failure costs a poll."""
        self.wakeups.wake(names)
        if self.store.needs_notify:
            with suppress(StoreError):
                await self.dispatch.once(self.store.notify, sorted(names))

    def announce(self, names: Collection[str]) -> None:
        """Tell everybody who waits for jobs of these workers to look now."""
        self.wakeups.wake(names)
        self.notifier.add(names)
