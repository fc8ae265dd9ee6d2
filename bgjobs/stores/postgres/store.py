"""The store: each method borrows a connection and runs its statements."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Any, final
from uuid import UUID

import psycopg

from bgjobs._core.arguments import as_listeners
from bgjobs._core.jobs import AnyJob, EndState, Job, Owner, Reservation, State
from bgjobs._core.limits import Cap
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Cancel, Fail, Report, Settlement, Succeed
from bgjobs.events import Listener
from bgjobs.stores.change_source import ChangeSource
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import COUNTED
from bgjobs.stores.postgres import codec, reads, reservations, schema, with_work, writes
from bgjobs.stores.postgres.arrays import unique_ids
from bgjobs.stores.postgres.connections import PostgresDatabase
from bgjobs.stores.postgres.enqueue_in import TransactionalEnqueuer
from bgjobs.stores.postgres.listener import ListenConnector
from bgjobs.stores.postgres.lists import Listings
from bgjobs.stores.postgres.nonblocking_calls import PostgresNonBlocking
from bgjobs.stores.postgres.nurseries import PostgresNurseries
from bgjobs.stores.postgres.operations import PostgresOperations, page_values
from bgjobs.stores.postgres.owners import close_owners, heartbeat, open_owner
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.sessions import Sessions
from bgjobs.stores.postgres.source import AnyPool, check_settings, source_of, with_defaults
from bgjobs.stores.postgres.statements import Dialect
from bgjobs.stores.types import (
    FROM_THE_START,
    Counts,
    HookedEnd,
    NewJob,
    Notice,
    Position,
    Renewal,
    Written,
)
from bgjobs.stores.values import (
    Ends,
    bounded_age,
    by_verb,
    listing,
    single,
)

_PRUNE: dict[EndState, tuple[str, str]] = {
    "succeeded": ("prune_succeeded", "prune_worker_succeeded"),
    "failed": ("prune_failed", "prune_worker_failed"),
    "cancelled": ("prune_cancelled", "prune_worker_cancelled"),
}
"""The statements that delete the jobs of all workers, and those of one."""


@final
class PostgresStore:
    """Keeps jobs in one schema of a PostgreSQL database, whose encoding has to be UTF-8."""

    def __init__(
        self,
        conninfo_or_pool: str | AnyPool,
        *,
        schema: str = "bgjobs",
        pool_size: int = 4,
        listen: bool = True,
        listen_dsn: str | None = None,
        prepared_statements: bool | None = None,
        call_timeout: float = 10.0,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Describe the store; `open` connects.

        Args:
            conninfo_or_pool: A connection string or URL, or a `psycopg_pool.ConnectionPool` of
                yours, which you open before the store and close after it. See
                https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING.
            schema: The schema of the tables. `migrate` creates it if it is missing.
            pool_size: The largest number of connections of the store's own pool.
            listen: Whether to receive notifications of other processes. Otherwise queues poll.
            listen_dsn: Where to listen instead. It has to lead past a pooler in transaction
                mode, behind which queues poll otherwise.
            prepared_statements: Whether the server plans a statement once for each connection.
                None: unless behind a pooler; on your connections `prepare_threshold` applies.
            call_timeout: After how many seconds without an answer a call fails and its
                connection is closed; a heartbeat after a quarter of the lease, if that is less.
                Migrations and the work of `complete` have no limit.
            listeners: They receive the events of this store.
        """
        check_settings(pool_size, call_timeout, listen, listen_dsn, prepared_statements)
        source = source_of(conninfo_or_pool, pool_size, schema)
        self._sql = Dialect(schema, source.label, prepared_statements=prepared_statements)
        dsn = None if listen_dsn is None else with_defaults(listen_dsn, "listen_dsn")
        self._listen = ListenConnector(self._sql, listen, dsn)
        self._enqueuer = TransactionalEnqueuer(self._sql, prepared=prepared_statements)
        self._guards = writes.EnqueueGuards(call_timeout)
        self._listeners = as_listeners("listeners", listeners)
        sessions = Sessions(self._sql, prepared=prepared_statements)
        self._database = PostgresDatabase(source, self._sql, sessions, call_timeout)
        self._listings = Listings(self._database)
        self._nurseries = PostgresNurseries(self._database)
        self._operations = PostgresOperations(self._database, self._listings, self._listen)
        self._nonblocking = PostgresNonBlocking(self._database)

    def __repr__(self) -> str:
        return f"<PostgresStore {self.label}>"

    @property
    def label(self) -> str:
        """Server, database and schema, without secrets."""
        return self._database.source.label

    @property
    def connections(self) -> int:
        """How many calls can run at once."""
        return self._database.source.size

    @property
    def needs_notify(self) -> bool:
        """Whether writers have to call `notify`: True."""
        return True

    @property
    def listeners(self) -> Sequence[Listener]:
        """Listeners that receive the events of this store."""
        return self._listeners

    @property
    def operations(self) -> PostgresOperations:
        """The verbs for operators."""
        return self._operations

    @property
    def nurseries(self) -> PostgresNurseries:
        """The methods for children."""
        return self._nurseries

    @property
    def nonblocking(self) -> PostgresNonBlocking | None:
        """What writes and reserves jobs without a thread; None with a pool of yours."""
        return self._nonblocking if self._database.source.is_ours else None

    def open(self) -> None:
        """Connect."""
        self._database.open()

    def close(self) -> None:
        """Close the connections; harmless if it is not open. A pool of yours stays open."""
        self._database.close()
        self._nonblocking.close()

    def migrate(self) -> Sequence[str]:
        """Apply the missing migrations and return their names."""
        return schema.migrate(self._sql, partial(self._database.live.transaction, extra=inf))

    def check_schema(self) -> None:
        """Raise `SchemaMismatchError` unless the schema has the version of this package."""
        self._database.alone(lambda connection: schema.check_schema(self._sql, connection))

    def write(
        self,
        enqueue: Sequence[NewJob] = (),
        settle: Sequence[Settlement] = (),
        *,
        progress: Sequence[Report] = (),
        now: datetime | None = None,
    ) -> Written:
        """Store progress, settle reserved jobs and store new ones, all in one transaction."""
        instant = codec.utc("now", now)
        verbs = by_verb(settle)
        # One statement is a transaction, and so are the statements that new jobs may need.
        refuses = writes.refuses_duplicates(new.request for new in enqueue)
        alone = len(verbs) + bool(enqueue) + bool(progress) <= 1 and not refuses
        guard = self._guards.of(enqueue, settle, alone=alone)

        def work(connection: AnyConnection) -> tuple[Ends, Sequence[Job]]:
            # Settled first: a scheduled job's next occurrence takes over the unique key.
            ends = writes.settle(self._sql, connection, verbs, instant, progress)
            if not alone and (left := ends.left(verbs)):
                ends.add(writes.settle_parents(self._sql, connection, left, instant))
            free = ends.written
            return ends, writes.enqueue(self._sql, connection, enqueue, instant, free, guard)

        run = self._database.alone if alone else self._database.together
        ends, jobs = run(work, extra=writes.extra_seconds(enqueue))
        if alone and (left := ends.left(verbs)):
            parents = partial(writes.settle_parents, self._sql, left=left, now=instant)
            ends.add(self._database.together(parents))
        lost, asked = ends.lost(settle), bool(ends.asked)
        return Written(jobs, lost, ends.cancelled, ends.reserved, asked)

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[psycopg.Connection[Any]], object],
        enqueue: Sequence[NewJob] = (),
        *,
        result: str | None = None,
        now: datetime | None = None,
    ) -> bool:
        """Run `work(connection)` and let the job succeed in the same transaction.

        Settings that `work` makes must be local (`set local`); others stay with the connection.

        Returns:
            Whether the job succeeded. False if the reservation was lost; `work` was not run.

        Raises:
            StoreUnavailableError: The connection was lost or the transaction was rolled back.
            Exception: Any other error of `work`, psycopg's too, as it is. Nothing is stored.
        """
        settled = Succeed(reservation, result)
        return with_work.complete(self._database, settled, work, enqueue, codec.utc("now", now))

    def end_with(
        self,
        settlement: Fail | Cancel,
        work: Callable[[psycopg.Connection[Any], Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        progress: Report | None = None,
        now: datetime | None = None,
    ) -> HookedEnd:
        """End the job and run `work(connection, job)` in the same transaction."""
        instant = codec.utc("now", now)
        return with_work.end_with(self._database, settlement, work, enqueue, progress, instant)

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
        """Reserve up to `limit` due jobs of these workers for `owner`."""
        instant = codec.utc("now", now)
        return reservations.reserve(
            self._database, owner, names, limit, caps=caps, after=after, now=instant
        )

    def next_due(
        self,
        names: Collection[str],
        *,
        planned: bool = True,
        caps: Sequence[Cap] = (),
        after: Mapping[str, Position] = FROM_THE_START,
        now: datetime | None = None,
    ) -> timedelta | None:
        """Return how long until the first waiting job of these workers is due."""
        instant = codec.utc("now", now)
        return reservations.next_due(
            self._database, names, planned=planned, caps=caps, after=after, now=instant
        )

    def find_unique(
        self, name: str, unique_key: str, *, now: datetime | None = None
    ) -> Job | None:
        """Return the live job of this worker with this unique key, or None."""
        values = {"name": name, "unique_key": unique_key, "now": codec.utc("now", now)}
        found = self._database.rows("find_unique", values)
        return single(codec.with_state(found[0])) if found else None

    def replace(self, waiting: Job, new: NewJob | None, *, now: datetime | None = None) -> bool:
        """Delete a waiting job and store `new`, if given, in its place, in one transaction."""
        instant = codec.utc("now", now)

        def work(connection: AnyConnection) -> bool:
            self._sql.run(connection, *self._guards.brief)
            return writes.replace(self._sql, connection, waiting, new, instant)

        return self._database.together(work)

    def open_owner(
        self, owner: Owner, lease: timedelta, *, now: datetime | None = None
    ) -> None:
        """Record a new owner."""
        open_owner(self._database, owner, lease, codec.utc("now", now))

    def heartbeat(
        self, owners: Collection[UUID], lease: timedelta, *, now: datetime | None = None
    ) -> Renewal:
        """Renew these owners' leases on the connection of the heartbeat."""
        return heartbeat(self._database, owners, lease, codec.utc("now", now))

    def abandoned(
        self, page: Page = FIRST_PAGE, *, now: datetime | None = None
    ) -> Sequence[Job]:
        """Return reserved jobs whose owner has no live lease, by id."""
        values = {"now": codec.utc("now", now), **page_values(page)}
        return listing(map(codec.DECODER.job, self._database.rows("abandoned", values)))

    def close_owners(
        self, owners: Collection[UUID] = (), *, now: datetime | None = None
    ) -> None:
        """End these leases; delete expired owners without jobs, and old cancellations."""
        close_owners(self._database, owners, codec.utc("now", now))

    def find_owners(self, owners: Collection[UUID]) -> Sequence[Owner]:
        """Return these owners, live or not; unknown ones are left out."""
        found = self._database.rows("find_owners", {"owners": unique_ids(owners)})
        return [Owner(*row) for row in found]

    def find(self, job_id: UUID, *, now: datetime | None = None) -> AnyJob | None:
        """Return the job with this id, live or ended, or None."""
        return reads.find(self._database, job_id, codec.utc("now", now))

    def list(
        self, wanted: JobFilter[State], page: Page = FIRST_PAGE, *, now: datetime | None = None
    ) -> Listing[Any]:
        """Return a page of the jobs that a filter selects."""
        return self._listings.jobs(wanted, page, now)

    def count(
        self,
        names: Collection[str] | None = None,
        *,
        at_most: int | None = COUNTED,
        now: datetime | None = None,
    ) -> Counts:
        """Count the jobs of these workers, or of all with None."""
        return reads.count(self._database, names, at_most, codec.utc("now", now))

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
        """Delete up to `limit` jobs that ended in this state longer ago than `age`."""
        everything, of_worker = _PRUNE[state]
        values = {
            "name": name,
            "kept_for": codec.microseconds(bounded_age(age)),
            "limit": max(0, limit),
            "skip": max(0, skip),
            "now": codec.utc("now", now),
        }
        prune = self._sql[everything if name is None else of_worker], values
        deleted, _ = self._database.all_rows([prune, (self._sql["prune_owners"], {})])
        return len(deleted)

    def notify(self, notice: Notice) -> None:
        """Send a notice to all listeners of the schema."""
        step = self._sql.notification(notice)
        self._database.alone(lambda connection: self._sql.run(connection, *step))

    def watch(self) -> ChangeSource | None:
        """Listen for changes on a connection of its own; None if queues have to poll.

        They have to with `listen=False`, and behind a pooler without a `listen_dsn`.
        """
        return self._listen.open(self._database.live)

    def enqueue_in(
        self,
        connection: psycopg.Connection[Any],
        requests: Sequence[JobRequest],
        *,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Store jobs on your connection, inside its transaction; listeners learn of its commit.

        If none is open, one is begun, which your `commit()` ends.

        Returns:
            The stored jobs in the order of the requests.

        Raises:
            StoreError: The connection is in autocommit mode without an open transaction, or the
                database refused a job. Your transaction decides what is stored.
        """
        return self._enqueuer.enqueue_in(connection, requests, codec.utc("now", now))

    async def enqueue_in_async(
        self,
        connection: psycopg.AsyncConnection[Any],
        requests: Sequence[JobRequest],
        *,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Store jobs on your async connection: see `enqueue_in`."""
        return await self._enqueuer.enqueue_in_async(
            connection, requests, codec.utc("now", now)
        )
