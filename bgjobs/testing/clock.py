"""Time for tests: it stands still while anything can run and jumps when everything waits."""

from datetime import UTC, datetime, timedelta
from typing import final

from anyio import current_time
from attrs import define, field

from bgjobs._core.timestamps import as_instant


@final
@define
class VirtualClock:
    """A `Clock` that follows the event loop's time, for Trio's autojumping `MockClock`.

    Give it to `Config(clock=...)`. The store is then called on the event loop itself, over
    the same SQL as ever, so that no thread is at work while the clock jumps. Every poll and
    every heartbeat ends a jump: to pass days, make `poll_interval`, `lease` and the other
    intervals long.
    """

    start: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    """What `now` is when the clock is first asked."""
    inline: bool = field(default=True, init=False)
    _zero: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        as_instant("VirtualClock: start", self.start)

    def now(self) -> datetime:
        """Give the present instant."""
        if self._zero is None:
            self._zero = current_time()
        return self.start + timedelta(seconds=current_time() - self._zero)

    def store_now(self) -> datetime | None:
        """Give the same instant to the store."""
        return self.now()

    def monotonic(self) -> float:
        """Give the event loop's time."""
        return current_time()
