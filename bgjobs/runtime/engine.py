"""What the parts of one running application share."""

from typing import final

from attrs import frozen

from bgjobs.clock import Clock
from bgjobs.config import Config
from bgjobs.runtime.bus import Bus
from bgjobs.runtime.dispatch import Dispatch
from bgjobs.runtime.group_commit import GroupCommit
from bgjobs.runtime.leases import Registry
from bgjobs.runtime.wakeups import Notifier, Wakeups
from bgjobs.stores.abc import Store


@final
@frozen(eq=False)
class Engine:
    """The tools of one `run`; made by it, handed to every part, owned by none of them."""

    config: Config
    bus: Bus
    dispatch: Dispatch
    commits: GroupCommit
    registry: Registry
    wakeups: Wakeups
    notifier: Notifier

    @property
    def store(self) -> Store:
        """The store, for `dispatch` to call."""
        return self.config.store

    @property
    def clock(self) -> Clock:
        """The time of this application."""
        return self.config.clock

    @classmethod
    def assemble(cls, config: Config, bus: Bus) -> "Engine":
        """Put the parts together; nothing runs yet."""
        dispatch = Dispatch(config.store, config.clock, bus, config.store_timeout)
        return cls(
            config=config,
            bus=bus,
            dispatch=dispatch,
            commits=GroupCommit(dispatch, config.clock, config.store_timeout),
            registry=Registry(),
            wakeups=Wakeups(),
            notifier=Notifier(dispatch),
        )
