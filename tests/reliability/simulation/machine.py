"""Clocks: the store's, which may jump, and those of the processes, which may differ from it."""

from datetime import UTC, datetime, timedelta
from typing import final

import trio
from attrs import field, frozen

from bgjobs._core.timestamps import to_microseconds

START = datetime(2030, 1, 1, tzinfo=UTC)


@final
class Machine:
    """The clock by which the store judges leases and what is due."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._jumps: list[float] = []

    def now(self) -> datetime:
        """Give the present instant."""
        return START + timedelta(seconds=trio.current_time() + self._ahead)

    def microseconds(self) -> int:
        """Give the present instant as the database keeps it."""
        return to_microseconds(self.now())

    def jump(self, seconds: float) -> None:
        """Show another time from now on."""
        self._ahead += seconds
        self._jumps.append(trio.current_time())

    def has_jumped_since(self, moment: float) -> bool:
        """Say whether it has jumped at or after `moment`."""
        return any(jump >= moment for jump in self._jumps)


@final
@frozen
class ProcessClock:
    """A `Clock` of one process; the store goes by its own."""

    machine: Machine
    skew: timedelta
    inline: bool = field(default=True, init=False)

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self.machine.now() + self.skew

    def store_now(self) -> datetime | None:
        """See `Clock.store_now`."""
        return None

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return trio.current_time()
