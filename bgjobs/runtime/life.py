"""How far a running application has come: it runs, it stops, it has ended."""

from typing import Any, final

from anyio import Event

from bgjobs.errors import NotRunningError
from bgjobs.runtime.outliving import is_natively_cancelled


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

    @property
    def is_torn_down(self) -> bool:
        """Whether asyncio cancels the block natively, and its other tasks at the same time."""
        return is_natively_cancelled(self.host)

    def check(self) -> None:
        """Raise `NotRunningError` once it has ended."""
        if self.ended:
            raise NotRunningError
