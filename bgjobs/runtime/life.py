"""How far a running application has come: it runs, it stops, it has ended."""

from typing import final

from anyio import Event

from bgjobs.errors import NotRunningError


@final
class Life:
    """Shared by all that users hold in their hands."""

    def __init__(self) -> None:
        self.stopping: Event = Event()
        """Set by `BgJobs.stop`."""
        self.ended: bool = False
        """Set when the block of `run` has ended."""

    @property
    def is_ending(self) -> bool:
        """Whether nobody shall wait for anything any more."""
        return self.ended or self.stopping.is_set()

    def check(self) -> None:
        """Raise `NotRunningError` once it has ended."""
        if self.ended:
            raise NotRunningError
