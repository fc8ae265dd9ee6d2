"""The store's verbs, each one statement file or a few."""

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
from bgjobs._core.jobs import FailedJob, Job, JobRequest, Reservation, SucceededJob
from bgjobs._core.limits import Cap
from bgjobs._core.settlements import Settlement, Succeed
from bgjobs._core.timestamps import from_microseconds
from bgjobs.errors import RowRefusedError, SchemaMismatchError
from bgjobs.events import Listener
from bgjobs.stores.limits import earliest
from bgjobs.stores.operations import Failures
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import (
    SCHEMA_VERSION,
    ChangeSource,
    Counts,
    NewJob,
    Owner,
    Renewal,
    Written,
)
from bgjobs.stores.sql import check_identifier
from bgjobs.stores.sqlite import capping, codec, operations, unreadable, writes
from bgjobs.stores.sqlite.calls import Calls, Clock, machine_clock
from bgjobs.stores.sqlite.completing import call_inside
from bgjobs.stores.sqlite.connection import MEMORY, Parameters, Synchronous, absolute, run
from bgjobs.stores.sqlite.enqueue_in import (
    as_sqlite3,
    check_reaches,
    plain_text,
    transaction_of,
)
from bgjobs.stores.sqlite.errors import translated
from bgjobs.stores.sqlite.executor import Roles
from bgjobs.stores.sqlite.listener import FileWatcher
from bgjobs.stores.sqlite.operations import SQLiteOperations
from bgjobs.stores.sqlite.schema import found_version, migrate
from bgjobs.stores.values import bounded_age, listing, single


@final
class SQLiteStore:
    """Jobs in one SQLite file, shared by all processes of one machine.

    `path` may be ":memory:" for a store that lives as long as it is open and that no other
    process sees. Connections that you pass in, or get, are those of `sqlite3`.

    Writing is refused with `StoreError` when the file, its log (`-wal`) or the index of the
    log (`-shm`) was moved, deleted or replaced while the store is open. A clock that is set
    back lets the leases of dead processes last as much longer. What `complete` hands out is
    the store's own connection: leave its settings as they are.
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

        `busy_timeout` and `watch_interval` are seconds: how long to wait for other writers,
        and how often to look for their changes where the system does not tell of them, as
        Linux does. `clock` tells the time where a verb's `now` is None.
        """
        prefix = check_identifier("table_prefix", table_prefix)
        check_seconds("busy_timeout", busy_timeout, most=LONGEST_WAIT)
        check_seconds("watch_interval", watch_interval, above_0=True, most=LONGEST_WAIT)
        check_plain("clock", clock, "a function that returns the time")
        self._path = absolute(path)
        self._listeners = as_listeners("listeners", listeners)
        self._watch_interval = watch_interval
        self._migrations_table = f"{prefix}migrations"
        self._sql = codec.statements(prefix)
        self._roles = Roles(self._path, busy_timeout=busy_timeout, synchronous=synchronous)
        self._calls = Calls(self._roles, self._sql, clock)
        self._operations = SQLiteOperations(self._calls, self._migrations_table)

    def __repr__(self) -> str:
        return f"SQLiteStore({self._path!r})"

    @property
    def label(self) -> str:
        """`SQLite` and the path of the file."""
        return self._roles.label

    @property
    def connections(self) -> int:
        """A writer and a reader at once; memory has one connection for all."""
        return 1 if self._path == MEMORY else 2

    @property
    def needs_notify(self) -> bool:
        """Watchers see every commit by themselves."""
        return False

    @property
    def listeners(self) -> Sequence[Listener]:
        """Who is told of this store's own events."""
        return self._listeners

    @property
    def operations(self) -> SQLiteOperations:
        """The verbs for operators."""
        return self._operations

    def open(self) -> None:
        """Connect; a file that is not there is made, private to its owner."""
        self._roles.open()

    def close(self) -> None:
        """Give back every connection; harmless when not open, and in a forked child."""
        self._roles.close()

    def migrate(self) -> Sequence[str]:
        """Bring the schema to `SCHEMA_VERSION`."""
        now = self._calls.microseconds(None)
        return migrate(self._roles.writer, self._sql, self._migrations_table, now)

    def check_schema(self) -> None:
        """Raise `SchemaMismatchError` unless the schema is exactly `SCHEMA_VERSION`."""
        found = self._roles.reader.look(
            lambda raw: found_version(raw, self._sql, self._migrations_table)
        )
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
        with self._roles.writer.writing() as raw, translated(self.label):
            moment = self._calls.microseconds(now)
            # Settled first: a job that ends frees its unique key for the one that follows it.
            ends = writes.settle(raw, self._sql, settle, moment)
            jobs = writes.enqueue(raw, self._sql, enqueue, moment, ends.written)
        return Written(jobs, ends.lost(settle), ends.cancelled)

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        now: datetime | None = None,
    ) -> bool:
        """Let the job succeed and run `work(connection)`, in one transaction of their own."""
        with self._roles.writer.writing() as raw:
            with translated(self.label):
                moment = self._calls.microseconds(now)
                written = writes.settle(raw, self._sql, [Succeed(reservation)], moment).written
                if not written:
                    return False
                writes.enqueue(raw, self._sql, enqueue, moment, written)
            call_inside(raw, work, self.label)
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
            with self._roles.writer.writing() as raw, translated(self.label):
                moment = self._calls.microseconds(now)
                if caps:
                    return capping.reserve(raw, self._sql, owner, names, limit, caps, moment)
                return writes.reserve(raw, self._sql, owner, names, limit, moment)
        except RowRefusedError:
            if found := unreadable.refused(self._calls, names):
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
        """Say how long until the first unreserved job of these workers is due."""
        moment = self._calls.microseconds(now)
        if caps:
            open_now = self._roles.reader.look(
                lambda raw: capping.openings_in(raw, self._sql, caps, moment)
            )
            due = self.next_due(open_now.names(names), planned=planned, now=now)
            return earliest(due, open_now.reopens_in)
        wanted: Parameters = {
            "names": codec.names_json(names),
            "planned": planned,
            "now": moment,
        }
        first: int | None = self._calls.read("next_due", wanted)[0][0]
        return None if first is None else timedelta(microseconds=first - moment)

    def find_unique(self, name: str, unique_key: str) -> Job | None:
        """Return the live job of this worker that holds this unique key, or None."""
        found = self._calls.read("find_unique", {"name": name, "unique_key": unique_key})
        return single(codec.DECODER.job(found[0])) if found else None

    def replace(self, waiting: Job, new: NewJob | None, *, now: datetime | None = None) -> bool:
        """Delete a waiting job and store `new` in its place, or nothing, in one transaction."""
        with self._roles.writer.writing() as raw, translated(self.label):
            moment = self._calls.microseconds(now)
            return writes.replace(raw, self._sql, waiting, new, moment)

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
        self._calls.write("open_owner", now, values)

    def heartbeat(
        self, owners: Collection[UUID], lease: timedelta, *, now: datetime | None = None
    ) -> Renewal:
        """Renew these owners' leases, so that they end `lease` from now."""
        with self._roles.pulse.writing() as raw, translated(self.label):
            moment = self._calls.microseconds(now)
            renewed: Parameters = {
                "owners": codec.uuids_json(owners),
                "lease": codec.microseconds(lease),
                "now": moment,
            }
            found = run(raw, self._sql["heartbeat"][0], renewed)
            commands = operations.commands_in(raw, self._sql, owners)
        return Renewal([UUID(row[0]) for row in found], from_microseconds(moment), commands)

    def abandoned(
        self, page: Page = FIRST_PAGE, *, now: datetime | None = None
    ) -> Sequence[Job]:
        """Return reserved jobs whose owner has no live lease, by id."""
        found = self._calls.page("abandoned", page, {"now": self._calls.microseconds(now)})
        return listing(map(codec.DECODER.job, found))

    def close_owners(
        self, owners: Collection[UUID] = (), *, now: datetime | None = None
    ) -> None:
        """Forget these owners, and all whose lease has ended."""
        self._calls.write("close_owners", now, {"owners": codec.uuids_json(owners)})
        self._calls.write("forget_cancellations", now, {})

    def find(self, job_id: UUID) -> Job | SucceededJob | FailedJob | None:
        """Return the job of this id, live or ended, or None."""
        found = self._roles.reader.snapshot(self._sql["find"], {"id": str(job_id)})
        live, succeeded, failed = found
        if live:
            return codec.DECODER.single("jobs", live[0])
        if succeeded:
            return codec.DECODER.single("jobs_succeeded", succeeded[0])
        return codec.DECODER.single("jobs_failed", failed[0]) if failed else None

    def get_enqueued(self, name: str | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return waiting and delayed jobs, of one worker or of all, oldest first."""
        found = self._calls.page("get_enqueued", page, {"name": name})
        return listing(map(codec.DECODER.job, found))

    def get_running(self, owner: UUID | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return reserved jobs, of one owner or of all, oldest first."""
        wanted = None if owner is None else str(owner)
        return listing(
            map(codec.DECODER.job, self._calls.page("get_running", page, {"owner": wanted}))
        )

    def get_succeeded(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[SucceededJob]:
        """Return succeeded jobs, of one worker or of all, the newest first."""
        part = 0 if name is None else 1
        found = self._calls.page("get_succeeded", page, {"name": name}, part)
        return listing(map(codec.DECODER.succeeded, found))

    def get_failed(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Give failed jobs, of one worker or of all, the newest first."""
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
            "now": self._calls.microseconds(now),
            "at_most": -1 if at_most is None else at_most,
        }
        return Counts(*self._calls.read("count", wanted)[0])

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
        with self._roles.writer.writing() as raw, translated(self.label):
            moment = self._calls.microseconds(now)
            old: Parameters = {
                "succeeded_before": _before(moment, succeeded_for),
                "failed_before": _before(moment, failed_for),
                "limit": max(0, limit),
                "skip": max(0, skip),
            }
            deleted = sum(len(run(raw, statement, old)) for statement in self._sql["prune"])
            writes.index_failures(raw, self._sql)
            return deleted

    def notify(self, names: Collection[str]) -> None:
        """Do nothing: watchers see the file change."""

    def watch(self) -> ChangeSource | None:
        """Open a watcher of the file; None for memory, which no other process sees."""
        if self._path == MEMORY:
            return None
        return FileWatcher(self._roles.another(), self._watch_interval)

    def enqueue_in(
        self,
        connection: Any,
        requests: Sequence[JobRequest],
        *,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Store jobs inside the caller's transaction on a `sqlite3.Connection` to this file.

        With none open, one is begun that your `commit()` ends; on a connection that commits by
        itself that is a `StoreError`.
        """
        raw, asked = as_sqlite3(connection), as_requests("enqueue_in", requests)
        check_instant("now", now)
        new = [NewJob(*pair) for pair in zip(new_ids(len(asked)), asked, strict=True)]
        with translated(self.label), plain_text(raw):
            check_reaches(raw, self._path, self.label, self._roles.busy_timeout)
            with transaction_of(raw, self.label):
                return writes.enqueue(raw, self._sql, new, self._calls.microseconds(now))


def _before(now: int, age: timedelta | None) -> int | None:
    bounded = bounded_age(age)
    return None if bounded is None else now - codec.microseconds(bounded)
