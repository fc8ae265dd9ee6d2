"""How far a running application has come: it runs, it stops, it has ended."""

from typing import Any, final

from anyio import Event

from bgjobs._runtime.cancellation import is_natively_cancelled, native_task
from bgjobs.errors import NotRunningError


@final
class Life:
    """Shared by all that users hold in their hands."""

    def __init__(self) -> None:
        self.stopping: Event = Event()
        """Set by `BgJobs.stop`."""
        self.left: bool = False
        """Set when the block of `run` has been left; handlers may go on."""
        self.ended: bool = False
        """Set when the last handler has ended."""
        self.host: Any = None
        """The `asyncio.Task` of the block, if there is one."""

    @property
    def is_ending(self) -> bool:
        """Whether waiting for other jobs is in vain: no more are started here."""
        return self.left or self.stopping.is_set()

    def is_torn_down(self, since: int) -> bool:
        """Whether asyncio has cancelled both the block and the task that asks natively.

        `since` is what `Task.cancelling` of the block was before: a block that has swallowed a
        cancellation counts it for ever.
        """
        if self.host is None or self.host.cancelling() <= since:
            return False
        return is_natively_cancelled(native_task())

    def check(self) -> None:
        """Raise `NotRunningError` once it has ended."""
        if self.ended:
            raise NotRunningError
