"""The store's verbs: each borrows a connection and runs its statement."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Any, final
from uuid import UUID

import psycopg

from bgjobs._core.arguments import as_listeners
from bgjobs._core.jobs import FailedJob, Job, JobRequest, Reservation, SucceededJob
from bgjobs._core.limits import Cap
from bgjobs._core.settlements import Settlement
from bgjobs.errors import RowRefusedError
from bgjobs.events import Listener
from bgjobs.stores.decoder import TABLES
from bgjobs.stores.limits import earliest
from bgjobs.stores.operations import Failures
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import ChangeSource, Counts, NewJob, Owner, Renewal, Written
from bgjobs.stores.postgres import (
    capping,
    codec,
    completing,
    schema,
    timestamps,
    unreadable,
    writes,
)
from bgjobs.stores.postgres.calls import Calls, paged
from bgjobs.stores.postgres.enqueue_in import Callers
from bgjobs.stores.postgres.listener import Listening
from bgjobs.stores.postgres.operations import PostgresOperations
from bgjobs.stores.postgres.pool import AnyConnection
from bgjobs.stores.postgres.sessions import Sessions
from bgjobs.stores.postgres.source import (
    AnyPool,
    check_settings,
    source_of,
    with_defaults,
)
from bgjobs.stores.postgres.statements import CLOCK, Dialect
from bgjobs.stores.postgres.watcher import NO_NEWS
from bgjobs.stores.values import (
    bounded_age,
    by_verb,
    commands_of,
    in_claim_order,
    listing,
    single,
)

_instant = codec.utc


@final
class PostgresStore:
    """Keeps jobs in one schema of a PostgreSQL database.

    `conninfo_or_pool` is a connection string or URL, or a `psycopg_pool.ConnectionPool` of
    yours, which you open before the store and close after it. Heartbeats and the watcher use
    connections of their own; behind a pooler queues poll unless `listen_dsn` leads past it.
    Text goes in UTF-8: a connection or a database in another encoding is refused.
    """

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
        """Describe the store; nothing is opened yet.

        A call that the server has not answered after `call_timeout` seconds is given up, and
        its connection with it; a heartbeat after a quarter of the lease, if that is less.
        Migrations and the work of `complete` may take as long as they need.

        The server plans statements once for each connection, where a connection leads to the
        server itself; on connections of yours psycopg's `prepare_threshold` decides then.
        Behind a pooler nothing is prepared. `prepared_statements` decides for both.
        """
        check_settings(pool_size, call_timeout, listen, listen_dsn, prepared_statements)
        self._source = source_of(conninfo_or_pool, pool_size, schema)
        self._sql = Dialect(schema, self._source.label, prepared_statements=prepared_statements)
        dsn = None if listen_dsn is None else with_defaults(listen_dsn, "listen_dsn")
        self._listening = Listening(self._sql, listen, dsn)
        self._callers = Callers(self._sql, prepared=prepared_statements)
        self._guards = writes.Guards(call_timeout)
        self._listeners = as_listeners("listeners", listeners)
        sessions = Sessions(self._sql, prepared=prepared_statements)
        self._calls = Calls(self._source, self._sql, sessions, call_timeout)
        self._operations = PostgresOperations(self._calls, self._listening)

    def __repr__(self) -> str:
        return f"<PostgresStore {self.label}>"

    @property
    def label(self) -> str:
        """Server, database and schema, without secrets."""
        return self._source.label

    @property
    def connections(self) -> int:
        """How many verbs can usefully go on at once."""
        return self._source.size

    @property
    def needs_notify(self) -> bool:
        """Watchers listen for notifications."""
        return True

    @property
    def listeners(self) -> Sequence[Listener]:
        """Who is told of this store's own events."""
        return self._listeners

    @property
    def operations(self) -> PostgresOperations:
        """The verbs for operators."""
        return self._operations

    def open(self) -> None:
        """Connect."""
        self._calls.open()

    def close(self) -> None:
        """Give back every connection; harmless when not open. A pool of yours stays open."""
        self._calls.close()

    def migrate(self) -> Sequence[str]:
        """Bring the schema to the version that is known here; give what was applied."""
        return schema.migrate(self._sql, partial(self._calls.live.transaction, extra=inf))

    def check_schema(self) -> None:
        """Raise `SchemaMismatchError` unless the schema is the one known here."""
        self._calls.alone(lambda connection: schema.check_schema(self._sql, connection))

    def write(
        self,
        enqueue: Sequence[NewJob] = (),
        settle: Sequence[Settlement] = (),
        *,
        now: datetime | None = None,
    ) -> Written:
        """Settle reserved jobs, then store new ones, all in one transaction."""
        instant = _instant("now", now)
        verbs = by_verb(settle)

        # One statement is a transaction already, and new jobs bring theirs along.
        refuses = writes.refuses_duplicates(new.request for new in enqueue)
        alone = len(verbs) + bool(enqueue) <= 1 and not refuses
        guard = self._guards.of(enqueue, settle, alone=alone)

        def work(connection: AnyConnection) -> Written:
            # First the ends: a scheduled job's next occurrence takes the key of the last.
            ends = writes.settle(self._sql, connection, verbs, instant)
            jobs = writes.enqueue(self._sql, connection, enqueue, instant, ends.written, guard)
            return Written(jobs, ends.lost(settle), ends.cancelled)

        run = self._calls.alone if alone else self._calls.together
        return run(work, extra=writes.seconds_for(enqueue))

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[psycopg.Connection[Any]], object],
        enqueue: Sequence[NewJob] = (),
        *,
        now: datetime | None = None,
    ) -> bool:
        """Let the job succeed and run `work(connection)` in the same transaction.

        What it raises goes to the caller as it is, psycopg's errors too, unless the connection
        was lost or the server took the transaction back: `StoreUnavailableError`. The settings
        of its statements must be local (`set local`): others stay with the connection.
        """
        instant = _instant("now", now)
        return completing.complete(
            self._sql, self._calls.live, reservation, work, enqueue, instant
        )

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
        try:
            return self._reserved(owner, names, limit, caps, _instant("now", now))
        except RowRefusedError:
            if found := unreadable.refused(self._calls, names):
                return Listing((), found)
            raise

    def _reserved(
        self,
        owner: UUID,
        names: Collection[str],
        limit: int,
        caps: Sequence[Cap],
        now: datetime | None,
    ) -> Sequence[Job]:
        if caps:
            return capping.reserve(self._calls, owner, names, limit, caps, now)
        values = writes.reserving(owner, names, limit, now)
        return in_claim_order(map(codec.DECODER.job, self._calls.rows("reserve", values)))

    def next_due(
        self,
        names: Collection[str],
        *,
        planned: bool = True,
        caps: Sequence[Cap] = (),
        now: datetime | None = None,
    ) -> timedelta | None:
        """Say how long until the first unreserved job of these workers is due."""
        if caps:
            room = capping.openings_of(self._calls, caps, _instant("now", now))
            first = self.next_due(room.names(names), planned=planned, now=now)
            return earliest(first, room.reopens_in)
        values = {
            "names": codec.unique_names(names),
            "planned": planned,
            "now": _instant("now", now),
        }
        [[wait]] = self._calls.rows("next_due", values)
        due: timedelta | None = wait
        return due

    def find_unique(self, name: str, unique_key: str) -> Job | None:
        """Return the live job of this worker that holds this unique key, or None."""
        found = self._calls.rows("find_unique", {"name": name, "unique_key": unique_key})
        return single(codec.DECODER.job(found[0])) if found else None

    def replace(self, waiting: Job, new: NewJob | None, *, now: datetime | None = None) -> bool:
        """Delete a waiting job and store `new` in its place, or nothing, in one transaction."""
        instant = _instant("now", now)

        def work(connection: AnyConnection) -> bool:
            self._sql.run(connection, *self._guards.brief)
            return writes.replace(self._sql, connection, waiting, new, instant)

        return self._calls.together(work)

    def open_owner(
        self, owner: Owner, lease: timedelta, *, now: datetime | None = None
    ) -> None:
        """Record a new owner."""
        values = {
            "id": owner.id,
            "name": owner.name,
            "node": owner.node,
            "lease": codec.microseconds(lease),
            "now": _instant("now", now),
        }
        self._calls.execute("open_owner", values)

    def heartbeat(
        self, owners: Collection[UUID], lease: timedelta, *, now: datetime | None = None
    ) -> Renewal:
        """Renew these owners' leases on the heartbeat's own connection."""
        values = {
            "owners": codec.unique_ids(owners),
            "lease": codec.microseconds(lease),
            "now": _instant("now", now),
        }
        with self._calls.live.heartbeat(lease.total_seconds() / 4) as connection:
            if not owners:  # by a role, maybe, that may write to no owner
                [[found]] = self._sql.run(connection, CLOCK, {"now": values["now"]})
                return Renewal(frozenset(), timestamps.instant(found))
            steps = [(self._sql[verb], values) for verb in ("heartbeat", "commands")]
            [[found, alive]], commands = self._calls.run_all(connection, steps)
        return Renewal(frozenset(alive), timestamps.instant(found), commands_of(commands))

    def abandoned(
        self, page: Page = FIRST_PAGE, *, now: datetime | None = None
    ) -> Sequence[Job]:
        """Return reserved jobs whose owner has no live lease, by id."""
        values = {"now": _instant("now", now), **paged(page)}
        return listing(map(codec.DECODER.job, self._calls.rows("abandoned", values)))

    def close_owners(
        self, owners: Collection[UUID] = (), *, now: datetime | None = None
    ) -> None:
        """Forget these owners, and all whose lease has ended."""
        values = {"owners": codec.unique_ids(owners), "now": _instant("now", now)}
        self._calls.execute("close_owners", values)
        self._calls.execute("forget_cancellations", {})

    def find(self, job_id: UUID) -> Job | SucceededJob | FailedJob | None:
        """Return the job of this id, live or ended, or None."""
        for part, table in enumerate(TABLES):
            found = self._calls.rows("find", {"id": job_id}, part)
            if found:
                return codec.DECODER.single(table, found[0])
        return None

    def get_enqueued(self, name: str | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return waiting and delayed jobs, oldest first."""
        found = self._calls.rows("get_enqueued", {"name": name, **paged(page)})
        return listing(map(codec.DECODER.job, found))

    def get_running(self, owner: UUID | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return reserved jobs, oldest first."""
        found = self._calls.rows("get_running", {"owner": owner, **paged(page)})
        return listing(map(codec.DECODER.job, found))

    def get_succeeded(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[SucceededJob]:
        """Give succeeded jobs, the newest first."""
        part = 0 if name is None else 1
        found = self._calls.rows("get_succeeded", {"name": name, **paged(page)}, part)
        return listing(map(codec.DECODER.succeeded, found))

    def get_failed(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Give failed jobs, the newest first."""
        return self._operations.get_failed(Failures(name=name), page)

    def count(
        self,
        names: Collection[str] | None = None,
        *,
        at_most: int | None = None,
        now: datetime | None = None,
    ) -> Counts:
        """Count the jobs of these workers, or of all with None."""
        values = {
            "names": None if names is None else codec.unique_names(names),
            "at_most": at_most,
            "now": _instant("now", now),
        }
        [found] = self._calls.rows("count", values)
        return Counts(*found)

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
        kept = [codec.microseconds(bounded_age(age)) for age in (succeeded_for, failed_for)]
        instant = _instant("now", now)

        def work(connection: AnyConnection) -> int:
            deleted = 0
            for part, kept_for in enumerate(kept):
                if kept_for is not None:
                    values = {
                        "kept_for": kept_for,
                        "limit": limit,
                        "skip": skip,
                        "now": instant,
                    }
                    statement = self._sql.part("prune", part)
                    deleted += len(self._sql.run(connection, statement, values))
            return deleted

        return self._calls.together(work)

    def notify(self, names: Collection[str]) -> None:
        """Tell all watchers that these workers have new jobs."""
        step = writes.notifying(self._sql, names or (NO_NEWS,))
        self._calls.alone(lambda connection: self._sql.run(connection, *step))

    def watch(self) -> ChangeSource | None:
        """Open a watcher on a connection of its own; None where queues have to poll.

        That is so with `listen=False`, and behind a pooler without a `listen_dsn`.
        """
        return self._listening.open(self._calls.live)

    def enqueue_in(
        self,
        connection: psycopg.Connection[Any],
        requests: Sequence[JobRequest],
        *,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Store jobs on your `psycopg.Connection`, inside its transaction.

        With none open, one is begun that your `commit()` ends; in autocommit mode that is a
        `StoreError`. Watchers are told when it commits.
        """
        return self._callers.enqueue_in(connection, requests, _instant("now", now))

    async def enqueue_in_async(
        self,
        connection: psycopg.AsyncConnection[Any],
        requests: Sequence[JobRequest],
        *,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Do the same on your `psycopg.AsyncConnection`."""
        instant = _instant("now", now)
        return await self._callers.enqueue_in_async(connection, requests, instant)
