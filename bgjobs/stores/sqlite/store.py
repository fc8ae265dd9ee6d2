"""The verbs of a SQLite store."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, final
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
from bgjobs._core.jobs import AnyJob, EndState, Job, Reservation, State
from bgjobs._core.limits import Cap
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Cancel, Fail, Report, Settlement, Succeed
from bgjobs._core.text import is_utf8
from bgjobs._core.timestamps import from_microseconds
from bgjobs.errors import RowRefusedError, SchemaMismatchError
from bgjobs.events import Listener
from bgjobs.stores.change_source import ChangeSource
from bgjobs.stores.decoder import as_of
from bgjobs.stores.filters import JobFilter, with_metadata
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import COUNTED
from bgjobs.stores.sql import check_identifier
from bgjobs.stores.sqlite import codec, lists, reads, with_work, writes
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
from bgjobs.stores.sqlite.nurseries import SQLiteNurseries
from bgjobs.stores.sqlite.operations import SQLiteOperations
from bgjobs.stores.sqlite.owners import close_owners, heartbeat
from bgjobs.stores.sqlite.schema import found_version, migrate
from bgjobs.stores.types import (
    FROM_THE_START,
    SCHEMA_VERSION,
    Counts,
    HookedEnd,
    NewJob,
    Notice,
    Owner,
    Position,
    Renewal,
    Written,
)
from bgjobs.stores.values import bounded_age, listing, single

J = TypeVar("J", Job, AnyJob)


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
        self._nurseries = SQLiteNurseries(self._executor)
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

    @property
    def nurseries(self) -> SQLiteNurseries:
        """The methods for children."""
        return self._nurseries

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
        progress: Sequence[Report] = (),
        now: datetime | None = None,
    ) -> Written:
        """Store new jobs, settle reserved ones and store progress, all in one transaction."""
        if settle or progress:
            return writes.write(self._executor, enqueue, settle, progress, now)
        return Written(writes.store_new(self._executor, enqueue, now), ())

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        result: str | None = None,
        now: datetime | None = None,
    ) -> bool:
        """Settle the job as succeeded and call `work(connection)`, in one transaction.

        Return False, without calling `work`, when the reservation is lost.
        """
        success = Succeed(reservation, result)
        return with_work.complete(self._executor, success, work, enqueue, now)

    def end_with(
        self,
        settlement: Fail | Cancel,
        work: Callable[[Any, Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        progress: Report | None = None,
        now: datetime | None = None,
    ) -> HookedEnd:
        """End the job and call `work(connection, job)`, in one transaction."""
        return with_work.end_with(self._executor, settlement, work, enqueue, progress, now)

    def reserve(
        self,
        owner: UUID,
        names: Collection[str],
        limit: int,
        *,
        caps: Sequence[Cap] = (),
        after: Mapping[str, Position] = FROM_THE_START,  # noqa: ARG002 - deleted rows cost no look
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
        after: Mapping[str, Position] = FROM_THE_START,  # noqa: ARG002 - deleted rows cost no look
        now: datetime | None = None,
    ) -> timedelta | None:
        """Return how long until the first unreserved job of these workers is due."""
        moment = self._executor.microseconds(now)
        return reads.next_due(self._executor, names, planned=planned, caps=caps, now=moment)

    def find_unique(
        self, name: str, unique_key: str, *, now: datetime | None = None
    ) -> Job | None:
        """Return the live job of this worker that holds this unique key, or None."""
        found = self._executor.read("find_unique", {"name": name, "unique_key": unique_key})
        return self._at_the_time(single(codec.DECODER.job(found[0])), now) if found else None

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
        return heartbeat(self._executor, owners, lease, now)

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
        """End these leases; delete all owners without jobs whose lease has ended."""
        close_owners(self._executor, owners, now)

    def find_owners(self, owners: Collection[UUID]) -> Sequence[Owner]:
        """Return these owners, live or not; those that cannot be read are left out."""
        found = self._executor.read("find_owners", {"owners": codec.uuids_json(owners)})
        return [Owner(UUID(one), *texts) for one, *texts in found if all(map(is_utf8, texts))]

    def find(self, job_id: UUID, *, now: datetime | None = None) -> AnyJob | None:
        """Return the job of this id, live or ended, or None."""
        found = reads.find(self._executor, job_id)
        return None if found is None else self._at_the_time(found, now)

    def _at_the_time(self, job: J, now: datetime | None) -> J:
        return as_of(job, from_microseconds(self._executor.microseconds(now)))

    def list(
        self,
        wanted: JobFilter[State],
        page: Page = FIRST_PAGE,
        *,
        now: datetime | None = None,
    ) -> Listing[Any]:
        """Return a page of the jobs that a filter selects."""
        if wanted.state == "unreadable":
            return lists.unreadable(self._executor, page)
        moment = self._executor.microseconds(now)
        return with_metadata(
            partial(lists.jobs, self._executor, wanted, now=moment), wanted, page
        )

    def count(
        self,
        names: Collection[str] | None = None,
        *,
        at_most: int | None = COUNTED,
        now: datetime | None = None,
    ) -> Counts:
        """Count the jobs of these workers, or of all with None."""
        wanted = None if names is None else codec.names_json(names)
        return self._executor.counts(wanted, self._executor.microseconds(now), at_most)

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
        """Delete jobs that ended in this state longer ago than `age`, up to `limit`."""
        statement = f"prune_{state}" if name is None else f"prune_worker_{state}"
        with self._executor.writing() as transaction:
            before = self._executor.microseconds(now) - codec.microseconds(bounded_age(age))
            old: Parameters = {
                "name": name,
                "before": before,
                "limit": max(0, limit),
                "skip": max(0, skip),
            }
            deleted = transaction.run(statement, old)
            writes.index_failures(transaction)
            if deleted:
                ids: Parameters = {"ids": codec.to_json(row[0] for row in deleted)}
                transaction.change("forget_children", ids)
            transaction.change("prune_owners", {})
            return len(deleted)

    def notify(self, notice: Notice) -> None:
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
