"""The store's clock, as this process reckons it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import final
from uuid import UUID

from bgjobs.clock import Clock
from bgjobs.stores.abc import Heartbeat, Store

JUMP = timedelta(seconds=1)
"""A difference between this machine's two clocks that is no drift but a jump of one of them."""


@final
class StoreTime:
    """Says what the store's clock shows, without asking it each time.

    Schedules are judged by it: the clocks of the nodes may be wrong, the store is one. It is
    compared with every heartbeat, from that thread, and read by the event loop.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ahead = timedelta(0)
        self._compared: tuple[datetime, float] | None = None

    @property
    def ahead(self) -> float:
        """How many seconds this machine was ahead of the store when they were last compared."""
        return self._ahead.total_seconds()

    def now(self) -> datetime:
        """Give the present instant, in UTC."""
        now = self._clock.now() - self._ahead
        if self._compared is None:
            return now
        then, monotonic = self._compared
        counted = then + timedelta(seconds=self._clock.monotonic() - monotonic)
        return now if abs(now - counted) < JUMP else counted

    def heartbeat(self, owners: Collection[UUID], lease: timedelta) -> Heartbeat:
        """Call `Store.heartbeat`, and compare the clocks by its answer.

        Nobody knows at which moment of the call it was made, so the smallest difference that
        explains it is taken.
        """
        asked = self._clock.now()
        heartbeat = self._store.heartbeat(owners, lease, now=self._clock.store_now())
        least, most = asked - heartbeat.now, self._clock.now() - heartbeat.now
        self._ahead = min(max(least, timedelta(0)), most)
        self._compared = self._clock.now() - self._ahead, self._clock.monotonic()
        return heartbeat
