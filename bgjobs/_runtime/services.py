"""What the parts of a client share; `worker_services` adds what queues need."""

from contextlib import suppress
from uuid import UUID

from bgjobs._core.clock import Clock
from bgjobs._core.config import Config
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.known_workers import KnownWorkers
from bgjobs._runtime.lifecycle import Lifecycle
from bgjobs._runtime.notifications.wakeups import Notifier, Wakeups
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs._runtime.persistence.group_commit import GroupCommit
from bgjobs._runtime.persistence.store_clock import StoreClock
from bgjobs.errors import StoreError
from bgjobs.stores.operations import Operations, operations_of
from bgjobs.stores.port import Store
from bgjobs.stores.types import Notice


class ClientServices:
    """The shared objects of one client, which passes them to every part."""

    def __init__(self, config: Config, bus: Bus) -> None:
        store, clock, timeout = config.store, config.clock, config.store_timeout
        self.config = config
        self.bus = bus
        self.dispatch: Dispatch = Dispatch(store, clock, bus, timeout)
        self.notifier: Notifier = Notifier(self.dispatch, clock)
        self.enqueues: GroupCommit = GroupCommit(
            self.dispatch, clock, timeout, self.notifier if store.needs_notify else None
        )
        """Writes new jobs."""
        self.wakeups: Wakeups = Wakeups()
        self.time: StoreClock = StoreClock(store, clock)
        self.lifecycle: Lifecycle = Lifecycle()
        self.workers: KnownWorkers = KnownWorkers(config)

    @property
    def store(self) -> Store:
        """The store of the configuration; `dispatch` calls its methods."""
        return self.config.store

    @property
    def clock(self) -> Clock:
        """The clock of the configuration."""
        return self.config.clock

    @property
    def operations(self) -> Operations:
        """The operators' verbs of the store.

        Raises:
            StoreError: The store has none.
        """
        operations = operations_of(self.store)
        if operations is None:
            raise StoreError(
                f"{self.store.label}: expected a store with operations, found none"
            )
        return operations

    def announce(self, notice: Notice) -> None:
        """Wake all tasks that a notice concerns, here and in other processes.

        Returns at once; the notifier sends the notice.
        """
        self.wakeups.notify(notice)
        if self.store.needs_notify:
            self.notifier.add(notice)

    def announce_child(self, parent: UUID) -> None:
        """Do what `announce` does for the end of a child; many may end one after the other."""
        self.wakeups.end_child(parent)
        if self.store.needs_notify:
            self.notifier.add_parent(parent)

    async def announce_now(self, notice: Notice) -> None:
        """Wake the same tasks as `announce`, and return when the notice was sent.

        If sending fails, other processes find the changes when they poll.
        """
        self.wakeups.notify(notice)
        if self.store.needs_notify:
            with suppress(StoreError):
                await self.dispatch.once(self.store.notify, notice)
