"""A store for tests that ends or stops its own process at a named point.

The library has no hooks for this: whatever it asks of its store passes through here.
"""

import os
import signal
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, final
from uuid import UUID

from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.limits import Cap
from bgjobs._core.settlements import Settlement
from bgjobs.stores.pages import FIRST_PAGE, Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Written
from tests.reliability.chaos.journal import Journal
from tests.reliability.chaos.storm_orders import Orders

WORKER_POINTS = (
    "claimed",
    "handler begins",
    "handler ends",
    "before completing",
    "effect written",
    "completed",
    "before settling",
    "settled",
    "monitor has read",
    "monitor has written",
    "released",
)
"""Where a worker can die or stop."""
PRODUCER_POINTS = (
    "before storing",
    "stored",
    "sold",
    "sold and stored",
    "sold and committed",
)
"""Where a producer can."""
STALE_POINTS = ("claimed", "handler ends", "before completing", "before settling")
"""Where who stops holds a job and no lock."""


@final
class Points:
    """Counts how often points are passed, and does what the orders say about them."""

    def __init__(self, orders: Orders, journal: Journal) -> None:
        self._orders = orders
        self._journal = journal
        self._left = orders.nth

    def reach(self, point: str) -> None:
        """Die or stop here, if this is the point and the time."""
        if point not in (self._orders.deadly, *self._orders.still):
            return
        self._left -= 1
        if self._left > 0:
            return
        self._left = self._orders.nth
        if point == self._orders.deadly:
            self._journal.write("died", point)
            os.kill(os.getpid(), signal.SIGKILL)
            return
        self._journal.write("stopped", point)
        if not self._orders.schema:
            self._wait_for_the_lock()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _wait_for_the_lock(self) -> None:
        """Wait until no other thread writes; else nobody could write while this one stands."""
        connection = sqlite3.connect(self._orders.place, timeout=30, isolation_level=None)
        connection.execute("begin immediate")
        connection.close()


@final
class HarmingStore:
    """Passes everything on to a store, with points on the way."""

    def __init__(self, store: Store, points: Points) -> None:
        self._store = store
        self._reach = points.reach
        self._abandoned: set[UUID] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def reserve(
        self,
        owner: UUID,
        names: Collection[str],
        limit: int,
        *,
        caps: Sequence[Cap] = (),
        now: datetime | None = None,
    ) -> Sequence[Job]:
        jobs = self._store.reserve(owner, names, limit, caps=caps, now=now)
        if jobs:
            self._reach("claimed")
        return jobs

    def write(
        self,
        enqueue: Sequence[NewJob] = (),
        settle: Sequence[Settlement] = (),
        *,
        now: datetime | None = None,
    ) -> Written:
        self._reach("before settling" if settle else "before storing")
        written = self._store.write(enqueue, settle, now=now)
        if any(one.reservation.job_id in self._abandoned for one in settle):
            self._abandoned.clear()
            self._reach("monitor has written")
        self._reach("settled" if settle else "stored")
        return written

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        now: datetime | None = None,
    ) -> bool:
        def followed(connection: Any) -> None:
            work(connection)
            self._reach("effect written")

        self._reach("before completing")
        done = self._store.complete(reservation, followed, enqueue, now=now)
        self._reach("completed")
        return done

    def abandoned(
        self, page: Page = FIRST_PAGE, *, now: datetime | None = None
    ) -> Sequence[Job]:
        jobs = self._store.abandoned(page, now=now)
        if jobs:
            self._abandoned = {job.id for job in jobs}
            self._reach("monitor has read")
        return jobs

    def close_owners(
        self, owners: Collection[UUID] = (), *, now: datetime | None = None
    ) -> None:
        if owners:
            self._reach("released")
        self._store.close_owners(owners, now=now)
