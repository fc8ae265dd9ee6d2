"""A store of your own, in memory: everything that a store has to do, and no SQL in the way.

    python examples/memory_store.py

It passes all of `bgjobs.testing.contract.CHECKS`; a store of yours should, too. Its jobs are
gone with the process, and each change copies the dicts: it is for reading and for small tests.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, get_args
from uuid import UUID

import trio

import bgjobs
from bgjobs import Job, JobRequest, Reservation
from bgjobs.errors import NaiveDatetimeError, StoreError
from bgjobs.stores.decoder import as_of
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.limits import earliest
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import COUNTED
from bgjobs.stores.types import (
    FROM_THE_START,
    Cancel,
    Cap,
    Counts,
    EndedJob,
    EndState,
    Fail,
    HookedEnd,
    NewJob,
    Notice,
    Owner,
    Position,
    Renewal,
    Report,
    Settlement,
    State,
    Succeed,
    Written,
)
from bgjobs.stores.values import bounded_age
from memory_rows import Rows, page_of


class MemoryStore:
    """A `bgjobs.Store` over dicts. What `complete_with` writes goes into SQLite, in memory."""

    label = "dicts in memory"
    connections = 1
    needs_notify = False
    listeners = ()

    def __init__(self) -> None:
        self._rows: Rows | None = None
        self._changes = Lock()
        self._owners: dict[UUID, Owner] = {}
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
        self._owners.clear()
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
        progress: Sequence[Report] = (),
        now: datetime | None = None,
    ) -> Written:
        moment = _moment(now)
        with self._changing() as rows:
            settled = set[Reservation]()
            lost = [one.reservation for one in progress if not rows.report(one)]
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
        result: str | None = None,
        now: datetime | None = None,
    ) -> bool:
        moment = _moment(now)
        with self._changing() as rows:
            if not rows.settle(Succeed(reservation, result), moment):
                return False
            rows.enqueue(enqueue, {reservation}, moment)
            with _transaction(self._effects):
                work(self._effects)
        return True

    def end_with(
        self,
        settlement: Fail | Cancel,
        work: Callable[[Any, Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        progress: Report | None = None,
        now: datetime | None = None,
    ) -> HookedEnd:
        moment, held = _moment(now), settlement.reservation
        with self._changing() as rows:
            if progress is not None:
                rows.report(progress)
            if not rows.settle(settlement, moment):
                return HookedEnd(kept=False)
            rows.enqueue(enqueue, {held}, moment)
            try:
                with _transaction(self._effects):
                    work(self._effects, rows.ended[held.job_id])
            except Exception as error:  # noqa: BLE001 - the job ends whatever work raises
                return HookedEnd(kept=True, error=error)
        return HookedEnd(kept=True)

    def reserve(
        self,
        owner: UUID,
        names: Collection[str],
        limit: int,
        *,
        caps: Sequence[Cap] = (),
        after: Mapping[str, Position] = FROM_THE_START,  # noqa: ARG002 - no look becomes slow
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
        after: Mapping[str, Position] = FROM_THE_START,  # noqa: ARG002 - no look becomes slow
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

    def find_unique(
        self, name: str, unique_key: str, *, now: datetime | None = None
    ) -> Job | None:
        holder = self._seen().holder(name, unique_key)
        return None if holder is None else as_of(holder, _moment(now))

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
            self._owners[owner.id] = owner
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
        left = (job for job in held if not self._is_alive(job.reserved_by, moment))
        return page_of(left, JobFilter("running"), page)

    def close_owners(
        self, owners: Collection[UUID] = (), *, now: datetime | None = None
    ) -> None:
        moment = _moment(now)
        with self._pulse:
            for owner in tuple(self._leases):
                if owner in owners or not self._is_alive(owner, moment):
                    del self._leases[owner]

    def find_owners(self, owners: Collection[UUID]) -> Sequence[Owner]:
        with self._pulse:
            return [self._owners[one] for one in set(owners) if one in self._owners]

    def find(self, job_id: UUID, *, now: datetime | None = None) -> Job | EndedJob | None:
        rows = self._seen()
        job = rows.live.get(job_id) or rows.ended.get(job_id)
        return None if job is None else as_of(job, _moment(now))

    def list(
        self,
        wanted: JobFilter[Any],
        page: Page = FIRST_PAGE,
        *,
        now: datetime | None = None,
    ) -> Listing[Any]:
        with self._pulse:
            queue = {one.id for one in self._owners.values() if one.name == wanted.queue}
        jobs = self._seen().jobs(_moment(now))
        return page_of((job for job in jobs if wanted.selects(job, queue)), wanted, page)

    def count(
        self,
        names: Collection[str] | None = None,
        *,
        at_most: int | None = COUNTED,
        now: datetime | None = None,
    ) -> Counts:
        jobs = self._seen().jobs(_moment(now))
        found = Counter[State](job.state for job in jobs if names is None or job.name in names)
        most = found.total() if at_most is None else at_most
        return Counts(**{state: min(found[state], most) for state in get_args(State)})

    def prune(
        self,
        state: EndState,
        age: timedelta,
        *,
        name: str | None = None,
        limit: int,
        skip: int = 0,
        now: datetime | None = None,
    ) -> int:
        before = _moment(now) - bounded_age(age)
        with self._changing() as rows, self._pulse:
            deleted = rows.prune(state, before, name, limit, skip)
            for owner in self._owners.keys() - self._leases.keys() - rows.owners():
                del self._owners[owner]
        return deleted

    def notify(self, notice: Notice) -> None:
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
