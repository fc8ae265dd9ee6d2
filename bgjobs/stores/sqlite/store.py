"""The verbs of a SQLite store."""

import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, final
from uuid import UUID

from bgjobs._core.arguments import (
    LONGEST_WAIT,
    as_listeners,
    as_requests,
    check_instant,
    check_plain,
    check_seconds,
)
from bgjobs._core.ids import new_ids
from bgjobs._core.jobs import FailedJob, Job, Reservation, SucceededJob
from bgjobs._core.limits import Cap
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Settlement, Succeed
from bgjobs._core.timestamps import from_microseconds
from bgjobs.errors import RowRefusedError, SchemaMismatchError
from bgjobs.events import Listener
from bgjobs.stores.limits import earliest
from bgjobs.stores.operations import Failures
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import ChangeSource
from bgjobs.stores.sql import check_identifier
from bgjobs.stores.sqlite import codec, reads, writes
from bgjobs.stores.sqlite.connection import Parameters, Synchronous
from bgjobs.stores.sqlite.enqueue_in import (
    as_sqlite3,
    check_reaches,
    plain_text,
    transaction_of,
)
from bgjobs.stores.sqlite.errors import translated
from bgjobs.stores.sqlite.executor import (
    Clock,
    Executor,
    RoleConnections,
    Transaction,
    machine_clock,
)
from bgjobs.stores.sqlite.files import MEMORY, absolute
from bgjobs.stores.sqlite.listener import SQLiteChangeSource
from bgjobs.stores.sqlite.operations import SQLiteOperations
from bgjobs.stores.sqlite.schema import found_version, migrate
from bgjobs.stores.types import SCHEMA_VERSION, Counts, NewJob, Owner, Renewal, Written
from bgjobs.stores.values import listing, single


@final
class SQLiteStore:
    """Jobs in one SQLite file, shared by all processes of one machine.

    `path` may be ":memory:" for a store that exists as long as it is open and that no other
    process sees. Connections that you pass in, or get, are those of `sqlite3`.

    Writes raise `StoreError` when the file, its log (`-wal`) or the index of the log (`-shm`)
    was moved, deleted or replaced while the store is open. When the clock is set back, the
    leases of dead processes last longer by as much. `complete` passes the store's own
    connection to its function: do not change the settings of that connection.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        table_prefix: str = "bgjobs_",
        synchronous: Synchronous = "FULL",
        busy_timeout: float = 10.0,
        listeners: Sequence[Listener] = (),
        watch_interval: float = 0.005,
        clock: Clock = machine_clock,
    ) -> None:
        """Describe the store; nothing is opened yet.

        Args:
            path: The file, which need not exist yet, or ":memory:".
            table_prefix: The beginning of the names of all tables.
            synchronous: When SQLite syncs the disk: https://sqlite.org/pragma.html#pragma_synchronous.
            busy_timeout: Seconds to wait for the transactions of other writers.
            listeners: Called with this store's own events, and those of its application.
            watch_interval: Seconds between two looks for changes by other processes, on systems
                other than Linux, which reports them.
            clock: Returns the time for verbs whose `now` is None.

        Raises:
            ValueError: An argument is out of its range, or `path` is no name of a file.
        """
        prefix = check_identifier("table_prefix", table_prefix)
        check_seconds("busy_timeout", busy_timeout, most=LONGEST_WAIT)
        check_seconds("watch_interval", watch_interval, above_0=True, most=LONGEST_WAIT)
        check_plain("clock", clock, "a function that returns the time")
        self._path = absolute(path)
        self._listeners = as_listeners("listeners", listeners)
        self._watch_interval = watch_interval
        self._migrations_table = f"{prefix}migrations"
        connections = RoleConnections(self._path, busy_timeout, synchronous)
        self._executor = Executor(connections, codec.statements(prefix), clock)
        self._operations = SQLiteOperations(self._executor, self._migrations_table)

    def __repr__(self) -> str:
        return f"SQLiteStore({self._path!r})"

    @property
    def label(self) -> str:
        """`SQLite` and the path of the file."""
        return self._executor.connections.label

    @property
    def connections(self) -> int:
        """A writer and a reader at once; memory has one connection for all."""
        return 1 if self._path == MEMORY else 2

    @property
    def needs_notify(self) -> bool:
        """False: other processes see every commit in the file."""
        return False

    @property
    def listeners(self) -> Sequence[Listener]:
        """The listeners that get this store's own events."""
        return self._listeners

    @property
    def operations(self) -> SQLiteOperations:
        """The operators' verbs."""
        return self._operations

    def open(self) -> None:
        """Connect. An absent file is created, and only its owner may read it."""
        self._executor.connections.open()

    def close(self) -> None:
        """Close every connection. Do nothing when not open, or in a forked child."""
        self._executor.connections.close()

    def migrate(self) -> Sequence[str]:
        """Bring the schema to `SCHEMA_VERSION`."""
        return migrate(self._executor, self._migrations_table)

    def check_schema(self) -> None:
        """Raise `SchemaMismatchError` unless the schema is exactly `SCHEMA_VERSION`."""
        found = found_version(self._executor.read, self._migrations_table)
        if found != SCHEMA_VERSION:
            raise SchemaMismatchError(self.label, found, SCHEMA_VERSION)

    def write(
        self,
        enqueue: Sequence[NewJob] = (),
        settle: Sequence[Settlement] = (),
        *,
        now: datetime | None = None,
    ) -> Written:
        """Store new jobs and settle reserved ones, all in one transaction."""
        with self._executor.writing() as transaction:
            moment = self._executor.microseconds(now)
            # Settled first: a job that ends frees its unique key for the one that follows it.
            ends = writes.settle(transaction, settle, moment)
            jobs = writes.enqueue(transaction, enqueue, moment, ends.written)
        return Written(jobs, ends.lost(settle), ends.cancelled)

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        now: datetime | None = None,
    ) -> bool:
        """Settle the job as succeeded and call `work(connection)`, in one transaction.

        Return False, without calling `work`, when the reservation is lost.
        """
        with self._executor.connections.writer.writing() as raw:
            transaction = Transaction(raw, self._executor.sql)
            with translated(self.label):
                moment = self._executor.microseconds(now)
                written = writes.settle(transaction, [Succeed(reservation)], moment).written
                if not written:
                    return False
                writes.enqueue(transaction, enqueue, moment, written)
            writes.call_inside(raw, work, self.label)
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
        """Reserve up to `limit` due jobs of these workers for `owner`."""
        if limit < 1 or not names:
            return ()
        try:
            with self._executor.writing() as transaction:
                moment = self._executor.microseconds(now)
                return writes.reserve(transaction, owner, names, limit, caps, moment)
        except RowRefusedError:
            if found := reads.refused(self._executor, names):
                return Listing((), found)
            raise

    def next_due(
        self,
        names: Collection[str],
        *,
        planned: bool = True,
        caps: Sequence[Cap] = (),
        now: datetime | None = None,
    ) -> timedelta | None:
        """Return how long until the first unreserved job of these workers is due."""
        moment = self._executor.microseconds(now)
        if caps:
            used = self._executor.read("use", {"caps": codec.caps_json(caps), "now": moment})
            room = reads.as_openings(used, caps)
            due = self.next_due(room.names(names), planned=planned, now=now)
            return earliest(due, room.reopens_in)
        asked: Parameters = {
            "names": codec.names_json(names),
            "planned": planned,
            "now": moment,
        }
        first: int | None = self._executor.read("next_due", asked)[0][0]
        return None if first is None else timedelta(microseconds=first - moment)

    def find_unique(self, name: str, unique_key: str) -> Job | None:
        """Return the live job of this worker that holds this unique key, or None."""
        found = self._executor.read("find_unique", {"name": name, "unique_key": unique_key})
        return single(codec.DECODER.job(found[0])) if found else None

    def replace(self, waiting: Job, new: NewJob | None, *, now: datetime | None = None) -> bool:
        """Delete a waiting job and store `new` in its place, or nothing, in one transaction."""
        with self._executor.writing() as transaction:
            return writes.replace(transaction, waiting, new, self._executor.microseconds(now))

    def open_owner(
        self, owner: Owner, lease: timedelta, *, now: datetime | None = None
    ) -> None:
        """Record a new owner whose lease ends after `lease`."""
        values: Parameters = {
            "id": str(owner.id),
            "name": owner.name,
            "node": owner.node,
            "lease": codec.microseconds(lease),
        }
        self._executor.write("open_owner", now, values)

    def heartbeat(
        self, owners: Collection[UUID], lease: timedelta, *, now: datetime | None = None
    ) -> Renewal:
        """Renew these owners' leases, so that they end `lease` from now."""
        connections = self._executor.connections
        with connections.heartbeat.writing() as raw, translated(self.label):
            transaction = Transaction(raw, self._executor.sql)
            moment = self._executor.microseconds(now)
            values: Parameters = {
                "owners": codec.uuids_json(owners),
                "lease": codec.microseconds(lease),
                "now": moment,
            }
            renewed = transaction.run("heartbeat", values)
            commands = reads.as_commands(transaction.run("commands", values))
        return Renewal([UUID(row[0]) for row in renewed], from_microseconds(moment), commands)

    def abandoned(
        self, page: Page = FIRST_PAGE, *, now: datetime | None = None
    ) -> Sequence[Job]:
        """Return reserved jobs whose owner has no live lease, by id."""
        found = self._executor.page(
            "abandoned", page, {"now": self._executor.microseconds(now)}
        )
        return listing(map(codec.DECODER.job, found))

    def close_owners(
        self, owners: Collection[UUID] = (), *, now: datetime | None = None
    ) -> None:
        """Delete these owners, and all whose lease has ended."""
        self._executor.write("close_owners", now, {"owners": codec.uuids_json(owners)})
        self._executor.write("forget_cancellations", now, {})

    def find(self, job_id: UUID) -> Job | SucceededJob | FailedJob | None:
        """Return the job of this id, live or ended, or None."""
        names = ("find_live", "find_succeeded", "find_failed")
        live, succeeded, failed = self._executor.snapshot(names, {"id": str(job_id)})
        if live:
            return codec.DECODER.single("jobs", live[0])
        if succeeded:
            return codec.DECODER.single("jobs_succeeded", succeeded[0])
        return codec.DECODER.single("jobs_failed", failed[0]) if failed else None

    def get_enqueued(self, name: str | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return waiting and delayed jobs, of one worker or of all, oldest first."""
        found = self._executor.page("get_enqueued", page, {"name": name})
        return listing(map(codec.DECODER.job, found))

    def get_running(self, owner: UUID | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return reserved jobs, of one owner or of all, oldest first."""
        owned_by = None if owner is None else str(owner)
        found = self._executor.page("get_running", page, {"owner": owned_by})
        return listing(map(codec.DECODER.job, found))

    def get_succeeded(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[SucceededJob]:
        """Return succeeded jobs, of one worker or of all, the newest first."""
        statement = "get_succeeded" if name is None else "get_worker_succeeded"
        found = self._executor.page(statement, page, {"name": name})
        return listing(map(codec.DECODER.succeeded, found))

    def get_failed(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Return failed jobs, of one worker or of all, the newest first."""
        return self._operations.get_failed(Failures(name=name), page)

    def count(
        self,
        names: Collection[str] | None = None,
        *,
        at_most: int | None = None,
        now: datetime | None = None,
    ) -> Counts:
        """Count the jobs of these workers, or of all with None."""
        wanted: Parameters = {
            "names": None if names is None else codec.names_json(names),
            "now": self._executor.microseconds(now),
            "at_most": -1 if at_most is None else at_most,
        }
        return Counts(*self._executor.read("count", wanted)[0])

    def prune(
        self,
        *,
        succeeded_for: timedelta | None,
        failed_for: timedelta | None,
        limit: int,
        skip: int = 0,
        now: datetime | None = None,
    ) -> int:
        """Delete up to `limit` ended jobs of each kind that ended longer ago than this."""
        with self._executor.writing() as transaction:
            moment = self._executor.microseconds(now)
            old: Parameters = {
                "succeeded_before": _before(moment, succeeded_for),
                "failed_before": _before(moment, failed_for),
                "limit": max(0, limit),
                "skip": max(0, skip),
            }
            succeeded = transaction.run("prune_succeeded", old)
            failed = transaction.run("prune_failed", old)
            writes.index_failures(transaction)
            return len(succeeded) + len(failed)

    def notify(self, names: Collection[str]) -> None:
        """Do nothing: other processes see the file change."""

    def watch(self) -> ChangeSource | None:
        """Open a source of changes; None for memory, which no other process sees."""
        if self._path == MEMORY:
            return None
        return SQLiteChangeSource(self._executor.connections.another(), self._watch_interval)

    def enqueue_in(
        self,
        connection: Any,
        requests: Sequence[JobRequest],
        *,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Store jobs inside the caller's transaction on a `sqlite3.Connection` to this file.

        When none is open, one is begun, and your `commit()` ends it; on a connection in
        autocommit mode that is a `StoreError`.
        """
        raw, asked = as_sqlite3(connection), as_requests("enqueue_in", requests)
        check_instant("now", now)
        new = [NewJob(*pair) for pair in zip(new_ids(len(asked)), asked, strict=True)]
        with translated(self.label), plain_text(raw):
            check_reaches(raw, self._path, self.label, self._executor.connections.busy_timeout)
            with transaction_of(raw, self.label):
                transaction = Transaction(raw, self._executor.sql)
                return writes.enqueue(transaction, new, self._executor.microseconds(now))


def _before(now: int, duration: timedelta | None) -> int | None:
    age = codec.age(duration)
    return None if age is None else now - age
