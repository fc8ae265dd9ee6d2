"""Stores that wrap a real one: one with fault points, and one without the fence.

The library has no hooks for faults, but all its calls of the store pass through these.
"""

import os
import signal
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, final
from uuid import UUID

from attrs import evolve

from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.limits import Cap
from bgjobs._core.settlements import Cancel, Fail, Report, Settlement
from bgjobs.stores.pages import FIRST_PAGE, Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import FROM_THE_START, HookedEnd, NewJob, Position, Written
from tests.fixtures.databases import Database
from tests.reliability.chaos.settings import Journal, ProcessSettings

WORKER_POINTS = (
    "reserved",
    "handler begins",
    "children started",
    "handler ends",
    "before completing",
    "effect written",
    "completed",
    "before ending",
    "end written",
    "ended",
    "before settling",
    "settled",
    "monitor has read",
    "monitor has written",
    "owner closed",
)
"""The points at which a worker can kill or stop itself."""
PRODUCER_POINTS = (
    "before storing",
    "stored",
    "sold",
    "sold and stored",
    "sold and committed",
)
"""The points at which a producer can kill itself."""
STALE_POINTS = ("reserved", "handler ends", "before completing", "before settling")
"""The points at which a worker holds a job, and no lock of the database."""


@final
class FaultPoints:
    """Counts how often points are passed, and kills or stops the process as configured."""

    def __init__(self, settings: ProcessSettings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._left = settings.nth

    def reach(self, point: str) -> None:
        """Kill or stop the process, if the settings name this point and its turn has come."""
        if point not in (self._settings.kill_at, *self._settings.stop_at):
            return
        self._left -= 1
        if self._left > 0:
            return
        self._left = self._settings.nth
        if point == self._settings.kill_at:
            self._journal.write("died", point)
            os.kill(os.getpid(), signal.SIGKILL)
            return
        self._journal.write("stopped", point)
        if not self._settings.schema:
            self._wait_for_the_lock()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _wait_for_the_lock(self) -> None:
        """Wait until no other thread writes, since a stopped process would keep its lock."""
        connection = sqlite3.connect(self._settings.location, timeout=30, isolation_level=None)
        connection.execute("begin immediate")
        connection.close()


@final
class FaultPointStore:
    """A store that reaches a fault point before and after each call that changes jobs."""

    def __init__(self, store: Store, fault_points: FaultPoints) -> None:
        self._store = store
        self._reach = fault_points.reach
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
        after: Mapping[str, Position] = FROM_THE_START,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        jobs = self._store.reserve(owner, names, limit, caps=caps, after=after, now=now)
        if jobs:
            self._reach("reserved")
        return jobs

    def write(
        self,
        enqueue: Sequence[NewJob] = (),
        settle: Sequence[Settlement] = (),
        *,
        progress: Sequence[Report] = (),
        now: datetime | None = None,
    ) -> Written:
        self._reach("before settling" if settle else "before storing")
        written = self._store.write(enqueue, settle, progress=progress, now=now)
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
        result: str | None = None,
        now: datetime | None = None,
    ) -> bool:
        def followed(connection: Any) -> None:
            work(connection)
            self._reach("effect written")

        self._reach("before completing")
        done = self._store.complete(reservation, followed, enqueue, result=result, now=now)
        self._reach("completed")
        return done

    def end_with(
        self,
        settlement: Fail | Cancel,
        work: Callable[[Any, Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        progress: Report | None = None,
        now: datetime | None = None,
    ) -> HookedEnd:
        self._reach("before ending")
        done = self._store.end_with(settlement, work, enqueue, progress=progress, now=now)
        self._reach("ended")
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
            self._reach("owner closed")
        self._store.close_owners(owners, now=now)


@final
class UnfencedStore:
    """A store that settles a job by its id alone, whatever its present reservation is."""

    def __init__(self, store: Store, database: Database) -> None:
        self._store = store
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(
        self,
        enqueue: Sequence[NewJob] = (),
        settle: Sequence[Settlement] = (),
        *,
        progress: Sequence[Report] = (),
        now: datetime | None = None,
    ) -> Written:
        settle = [evolve(one, reservation=self._held(one.reservation)) for one in settle]
        reports = [evolve(one, reservation=self._held(one.reservation)) for one in progress]
        written = self._store.write(enqueue, settle, progress=reports, now=now)
        return evolve(written, lost=())

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        result: str | None = None,
        now: datetime | None = None,
    ) -> bool:
        held = self._held(reservation)
        if not self._store.complete(held, work, enqueue, result=result, now=now):
            self._work_alone(work)
        return True

    def _held(self, reservation: Reservation) -> Reservation:
        found = self._store.find(reservation.job_id)
        is_held = isinstance(found, Job) and found.reserved_by is not None
        return found.reservation if is_held and isinstance(found, Job) else reservation

    def _work_alone(self, work: Callable[[Any], object]) -> None:
        connection = self._database.connect()
        try:
            with connection:
                work(connection)
        finally:
            connection.close()
