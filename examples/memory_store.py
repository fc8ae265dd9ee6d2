"""A store of your own, in memory: everything that a store has to do, and no SQL in the way.

    python examples/memory_store.py

It passes all of `bgjobs.testing.contract.CHECKS`; a store of yours should, too. Its jobs are
gone with the process, and each change copies the dicts: it is for reading and for small tests.
"""

import sqlite3
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from uuid import UUID

import trio

import bgjobs
from bgjobs import FailedJob, Job, JobRequest, Reservation, SucceededJob
from bgjobs.errors import NaiveDatetimeError, StoreError
from bgjobs.stores.limits import earliest
from bgjobs.stores.pages import Page
from bgjobs.stores.types import (
    Cap,
    Counts,
    NewJob,
    Owner,
    Renewal,
    Settlement,
    Succeed,
    Written,
)
from bgjobs.stores.values import bounded_age
from memory_rows import J, Rows, newest_first, oldest_first

FIRST_PAGE = Page()


class MemoryStore:
    """A `bgjobs.Store` over dicts. What `complete_with` writes goes into SQLite, in memory."""

    label = "dicts in memory"
    connections = 1
    needs_notify = False
    listeners = ()

    def __init__(self) -> None:
        self._rows: Rows | None = None
        self._changes = Lock()
        self._leases: dict[UUID, datetime] = {}
        self._pulse = Lock()  # another one: a heartbeat waits for no change

    def open(self) -> None:
        if self._rows is not None:
            raise StoreError(f"{self.label}: expected to be closed, found it open")
        self._rows = Rows()
        self._effects = sqlite3.connect(
            ":memory:", check_same_thread=False, isolation_level=None
        )

    def close(self) -> None:
        if self._rows is not None:
            self._effects.close()
        self._rows = None
        self._leases.clear()

    def migrate(self) -> Sequence[str]:
        return ()

    def check_schema(self) -> None:
        """Accept it: dicts have none."""

    def write(
        self,
        enqueue: Sequence[NewJob] = (),
        settle: Sequence[Settlement] = (),
        *,
        now: datetime | None = None,
    ) -> Written:
        moment = _moment(now)
        with self._changing() as rows:
            settled, lost = set[Reservation](), list[Reservation]()
            for one in settle:  # before: a new job may take the unique key of one that ends
                if rows.settle(one, moment):
                    settled.add(one.reservation)
                else:
                    lost.append(one.reservation)
            jobs = rows.enqueue(enqueue, settled, moment)
        return Written(jobs, lost)

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        now: datetime | None = None,
    ) -> bool:
        moment = _moment(now)
        with self._changing() as rows:
            if not rows.settle(Succeed(reservation), moment):
                return False
            rows.enqueue(enqueue, {reservation}, moment)
            with _transaction(self._effects):
                work(self._effects)
        return True

    def reserve(
        self,
        owner: UUID,
        names: Collection[str],
        limit: int,
        *,
        caps: Sequence[Cap] = (),
        now: datetime | None = None,
    ) -> Sequence[Job]:
        moment = _moment(now)
        if not self._is_alive(owner, moment):
            return ()
        with self._changing() as rows:
            return rows.reserve(owner, names, caps, limit, moment)

    def next_due(
        self,
        names: Collection[str],
        *,
        planned: bool = True,
        caps: Sequence[Cap] = (),
        now: datetime | None = None,
    ) -> timedelta | None:
        moment, rows = _moment(now), self._seen()
        openings = rows.openings(caps, moment)
        free = openings.names(names)
        waits = [
            job.available_at - moment
            for job in rows.waiting()
            if job.name in free and (planned or job.occurrence is None)
        ]
        return earliest(min(waits, default=None), openings.reopens_in)

    def find_unique(self, name: str, unique_key: str) -> Job | None:
        return self._seen().holder(name, unique_key)

    def replace(self, waiting: Job, new: NewJob | None, *, now: datetime | None = None) -> bool:
        with self._changing() as rows:
            standing = rows.live.get(waiting.id)
            if standing is None or standing.reserved_by is not None:
                return False
            if standing.reservations != waiting.reservations:
                return False
            del rows.live[waiting.id]
            rows.enqueue([] if new is None else [new], (), _moment(now))
        return True

    def open_owner(
        self, owner: Owner, lease: timedelta, *, now: datetime | None = None
    ) -> None:
        with self._pulse:
            self._leases.setdefault(owner.id, _moment(now) + lease)

    def heartbeat(
        self, owners: Collection[UUID], lease: timedelta, *, now: datetime | None = None
    ) -> Renewal:
        moment = _moment(now)
        with self._pulse:
            alive = [owner for owner in owners if self._is_alive(owner, moment)]
            self._leases.update((owner, moment + lease) for owner in alive)
        return Renewal(alive, moment)

    def abandoned(
        self, page: Page = FIRST_PAGE, *, now: datetime | None = None
    ) -> Sequence[Job]:
        moment = _moment(now)
        held = self._seen().held()
        return oldest_first(
            (job for job in held if not self._is_alive(job.reserved_by, moment)), page
        )

    def close_owners(
        self, owners: Collection[UUID] = (), *, now: datetime | None = None
    ) -> None:
        moment = _moment(now)
        with self._pulse:
            for owner in list(self._leases):
                if owner in owners or not self._is_alive(owner, moment):
                    del self._leases[owner]

    def find(self, job_id: UUID) -> Job | SucceededJob | FailedJob | None:
        rows = self._seen()
        return rows.live.get(job_id) or rows.succeeded.get(job_id) or rows.failed.get(job_id)

    def get_enqueued(self, name: str | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        return oldest_first(_named(name, self._seen().waiting()), page)

    def get_running(self, owner: UUID | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        held = self._seen().held()
        return oldest_first((job for job in held if owner in (None, job.reserved_by)), page)

    def get_succeeded(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[SucceededJob]:
        return newest_first(_named(name, self._seen().succeeded.values()), page)

    def get_failed(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        return newest_first(_named(name, self._seen().failed.values()), page)

    def count(
        self,
        names: Collection[str] | None = None,
        *,
        at_most: int | None = None,
        now: datetime | None = None,
    ) -> Counts:
        moment, rows = _moment(now), self._seen()
        waiting = [job.available_at for job in rows.waiting() if _is_in(names, job.name)]
        due = sum(instant <= moment for instant in waiting)
        ended = (rows.held(), rows.succeeded.values(), rows.failed.values())
        others = [sum(_is_in(names, job.name) for job in jobs) for jobs in ended]
        numbers = [due, len(waiting) - due, *others]
        return Counts(*(one if at_most is None else min(one, at_most) for one in numbers))

    def prune(
        self,
        *,
        succeeded_for: timedelta | None,
        failed_for: timedelta | None,
        limit: int,
        skip: int = 0,
        now: datetime | None = None,
    ) -> int:
        moment, deleted = _moment(now), 0
        with self._changing() as rows:
            if (age := bounded_age(succeeded_for)) is not None:
                deleted += rows.prune_succeeded(moment - age, limit, skip)
            if (age := bounded_age(failed_for)) is not None:
                deleted += rows.prune_failed(moment - age, limit, skip)
        return deleted

    def notify(self, names: Collection[str]) -> None:
        """Do nothing: no other process sees this store."""

    def watch(self) -> None:
        """Return None: no other process changes this store."""

    def enqueue_in(
        self,
        connection: Any,
        requests: Sequence[JobRequest],  # noqa: ARG002 - the port has it
        *,
        now: datetime | None = None,  # noqa: ARG002 - the port has it
    ) -> Sequence[Job]:
        found = type(connection).__name__
        raise StoreError(f"{self.label}: no transaction reaches them, found a {found}")

    def _seen(self) -> Rows:
        if self._rows is None:
            raise StoreError(f"{self.label}: expected to be open, found it closed")
        return self._rows

    @contextmanager
    def _changing(self) -> Generator[Rows]:
        with self._changes:
            draft = self._seen().copy()
            yield draft
            self._rows = draft  # not reached when something raises, so all or nothing is kept

    def _is_alive(self, owner: UUID | None, now: datetime) -> bool:
        ends_at = None if owner is None else self._leases.get(owner)
        return ends_at is not None and ends_at > now


def _moment(now: datetime | None) -> datetime:
    if now is None:
        return datetime.now(UTC)
    if now.tzinfo is None:
        raise NaiveDatetimeError("now", now)
    return now.astimezone(UTC)


def _named(name: str | None, jobs: Iterable[J]) -> Generator[J]:
    return (job for job in jobs if name in (None, job.name))


def _is_in(names: Collection[str] | None, name: str) -> bool:
    return names is None or name in names


@contextmanager
def _transaction(effects: sqlite3.Connection) -> Generator[None]:
    """Commit what the block writes, or take it back; the block itself may do neither."""
    end = "rollback"
    effects.execute("begin")
    effects.set_authorizer(_no_end)
    try:
        yield
        end = "commit"
    finally:
        effects.set_authorizer(None)
        effects.execute(end)


def _no_end(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK


@bgjobs.worker
async def greet(name: str) -> None:
    print(f"Hello {name}!")


async def main() -> None:
    queue = bgjobs.Queue("default", workers=[greet])
    async with bgjobs.run(bgjobs.Config(store=MemoryStore(), queues=[queue])) as bg:
        await bg.enqueue_many(greet.request(name) for name in ("Ada", "Grace"))
        await bg.drain()


if __name__ == "__main__":
    trio.run(main)
