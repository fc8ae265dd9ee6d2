"""The store's clock, estimated from this machine's clocks between two heartbeats.

Schedules follow the store's clock, because the clocks of the nodes may differ, and the store is
one for all of them. The heartbeat compares the clocks each time it runs, in its own thread; the
event loop reads the estimate at any time, without a call to the store. While the store is
unavailable the estimate goes on from the last comparison.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import final
from uuid import UUID

from bgjobs._core.clock import Clock
from bgjobs.stores.port import Store
from bgjobs.stores.types import Renewal

JUMP = timedelta(seconds=1)
"""From this difference on, a clock was set; a smaller one is drift."""


@final
class StoreClock:
    """Estimates the time of the store's clock."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ahead = timedelta(0)
        self._compared: tuple[datetime, float] | None = None
        self._was_set_back = False

    @property
    def ahead(self) -> float:
        """By how many seconds this machine was ahead of the store at the last comparison."""
        return self._ahead.total_seconds()

    def now(self) -> datetime:
        """Return the present time of the store, in UTC."""
        now, counted = self.shown(), self._counted()
        return now if counted is None or abs(now - counted) < JUMP else counted

    def shown(self) -> datetime:
        """Return this machine's time, less what it was ahead at the last comparison.

        Unlike `now`, it follows a machine's clock that was set since then. The store may have
        that same clock.
        """
        return self._clock.now() - self._ahead

    @property
    def is_unsure(self) -> bool:
        """Whether this machine's clock was set since the last comparison.

        On SQLite it is the store's clock, too.
        """
        counted = self._counted()
        return counted is not None and abs(self.shown() - counted) >= JUMP

    def was_set_back(self) -> bool:
        """Whether the store's clock was set back since the last call of this method."""
        was_set_back, self._was_set_back = self._was_set_back, False
        return was_set_back

    def heartbeat(self, owners: Collection[UUID], lease: timedelta) -> Renewal:
        """Call `Store.heartbeat`, and compare the clocks by its answer.

        The store read its clock at an unknown moment of the call. So the smallest difference
        that explains the answer is assumed.
        """
        asked, expected = self._clock.now(), self._counted()
        renewal = self._store.heartbeat(owners, lease, now=self._clock.store_now())
        if expected is not None and expected - renewal.now > JUMP:
            self._was_set_back = True
        least, most = asked - renewal.now, self._clock.now() - renewal.now
        self._ahead = min(max(least, timedelta(0)), most)
        self._compared = self._clock.now() - self._ahead, self._clock.monotonic()
        return renewal

    def _counted(self) -> datetime | None:
        """Return the store's time by the monotonic clock; None before the first comparison."""
        if self._compared is None:
            return None
        then, monotonic = self._compared
        return then + timedelta(seconds=self._clock.monotonic() - monotonic)
