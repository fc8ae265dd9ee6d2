"""A store for tests that does not compare reservations, to show that the checks notice.

Whoever settles a job settles it by its id alone, as if it had never been given to another one.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, final

from attrs import evolve

from bgjobs._core.jobs import Job, Reservation
from bgjobs._core.settlements import Settlement
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Written
from tests.fixtures.databases import Database


@final
class UnfencedStore:
    """Passes everything on to a store, settlements under the reservation that holds by now."""

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
        now: datetime | None = None,
    ) -> Written:
        settle = [evolve(one, reservation=self._held(one.reservation)) for one in settle]
        return evolve(self._store.write(enqueue, settle, now=now), lost=())

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        now: datetime | None = None,
    ) -> bool:
        if not self._store.complete(self._held(reservation), work, enqueue, now=now):
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
