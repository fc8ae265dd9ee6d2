"""The store's clock, as this process reckons it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import final
from uuid import UUID

from bgjobs._core.clock import Clock
from bgjobs.stores.port import Store
from bgjobs.stores.types import Renewal

JUMP = timedelta(seconds=1)
"""A difference between this machine's two clocks that is no drift but a jump of one of them."""


@final
class StoreClock:
    """Says what the store's clock shows, without asking it each time.

    Schedules are judged by it: the clocks of the nodes may be wrong, the store is one. It is
    compared with every heartbeat, from that thread, and read by the event loop.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ahead = timedelta(0)
        self._compared: tuple[datetime, float] | None = None
        self._was_set_back = False

    @property
    def ahead(self) -> float:
        """How many seconds this machine was ahead of the store when they were last compared."""
        return self._ahead.total_seconds()

    def now(self) -> datetime:
        """Give the present instant, in UTC."""
        now, counted = self.shown(), self._counted()
        return now if counted is None or abs(now - counted) < JUMP else counted

    def shown(self) -> datetime:
        """Return what this machine's clock shows, less what it was ahead when last compared.

        Other than `now` it follows a clock that was set since, which may be the store's, too.
        """
        return self._clock.now() - self._ahead

    @property
    def is_unsure(self) -> bool:
        """Whether this machine's clock was set since it was compared with the store's.

        On SQLite that is the store's clock, too.
        """
        counted = self._counted()
        return counted is not None and abs(self.shown() - counted) >= JUMP

    def was_set_back(self) -> bool:
        """Whether the store's clock has been set back since this was asked last."""
        was_set_back, self._was_set_back = self._was_set_back, False
        return was_set_back

    def heartbeat(self, owners: Collection[UUID], lease: timedelta) -> Renewal:
        """Call `Store.heartbeat`, and compare the clocks by its answer.

        Nobody knows at which moment of the call it was made, so the smallest difference that
        explains it is taken.
        """
        asked, expected = self._clock.now(), self._counted()
        heartbeat = self._store.heartbeat(owners, lease, now=self._clock.store_now())
        if expected is not None and expected - heartbeat.now > JUMP:
            self._was_set_back = True
        least, most = asked - heartbeat.now, self._clock.now() - heartbeat.now
        self._ahead = min(max(least, timedelta(0)), most)
        self._compared = self._clock.now() - self._ahead, self._clock.monotonic()
        return heartbeat

    def _counted(self) -> datetime | None:
        """Return what the store's clock shows unless it was set; None before it is known."""
        if self._compared is None:
            return None
        then, monotonic = self._compared
        return then + timedelta(seconds=self._clock.monotonic() - monotonic)
