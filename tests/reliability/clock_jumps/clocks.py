"""The clock of the store, and that of each process: they jump apart or together."""

from datetime import datetime, timedelta
from typing import Literal, final

from anyio import current_time
from attrs import define, field, frozen

from bgjobs.instants import to_microseconds

Which = Literal["store", "processes", "all"]


@final
@frozen
class Jump:
    """One clock, or all, show another time from some moment on."""

    by: float
    """Seconds; below zero, back."""
    which: Which = "all"
    at: float | None = None
    """So many seconds after the start of its life, or else `step` says when."""
    step: int = 0
    """When so many events of its life have been heard, those of the store included."""
    back: bool = False
    """Whether the clocks are set right instead."""


@final
@define(eq=False)
class Clocks:
    """All clocks of a world. The event loop's goes on steadily, as a monotonic one does."""

    start: datetime
    store: timedelta = timedelta(0)
    """How far the store's is ahead of a right one."""
    processes: timedelta = timedelta(0)
    _began: float | None = field(default=None, init=False)

    def right(self) -> datetime:
        """Return what a clock shows that was never set."""
        if self._began is None:
            self._began = current_time()
        return self.start + timedelta(seconds=current_time() - self._began)

    def shown(self) -> datetime:
        """Return what the store's clock shows."""
        return self.right() + self.store

    def microseconds(self) -> int:
        """Return the same as a number."""
        return to_microseconds(self.shown())

    def jump(self, jump: Jump) -> None:
        """Set them."""
        by = timedelta(seconds=jump.by)
        if jump.which in ("store", "all"):
            self.store = timedelta(0) if jump.back else self.store + by
        if jump.which in ("processes", "all"):
            self.processes = timedelta(0) if jump.back else self.processes + by


@final
@frozen
class ProcessClock:
    """A `bgjobs.clock.Clock` of one process; the store goes by its own."""

    clocks: Clocks
    inline: bool = field(default=True, init=False)

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self.clocks.right() + self.clocks.processes

    def store_now(self) -> datetime | None:
        """See `Clock.store_now`."""
        return self.clocks.shown()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return current_time()
