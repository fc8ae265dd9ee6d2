"""The store that all processes share, and triggers that record every changed row."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, final

from attrs import frozen

from bgjobs.stores.sqlite import SQLiteStore
from tests.reliability.simulation.process import START, SharedClock

TABLES = (
    *("jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled"),
    *("owners", "past_owners", "cancellations", "failure_hooks", "marked_ends"),
    *("activity", "processes", "audit", "children", "waiting_jobs"),
    "paused_queues",
)
_COLUMNS = (
    "id, payload, occurrence, available_at, "
    "reservations, attempts, crashes, interruptions, owner, history, progress, parent, result"
)
_JOB = (
    "{0}.id, {0}.payload, {0}.occurrence, {0}.available_at, {0}.reservations, "
    "{0}.attempts, {0}.crashes, {0}.interruptions, {0}.reserved_by, {0}.history, "
    "{0}.progress, {0}.parent_id"
)
_SUCCEEDED = f"{_JOB}, {{0}}.result"
_OWNER = "{0}.id, {0}.name, null, {0}.lease_expires_at, 0, 0, 0, 0, null, null, null, null"
_PAST_OWNER = "{0}.id, {0}.name, null, {0}.closed_at, 0, 0, 0, 0, null, null, null, null"
_EFFECT = "{0}.job, null, null, 0, {0}.reservations, 0, 0, 0, null, null, null, null"
_MARK = (
    "{0}.job_id, {0}.state, null, {0}.marked_at, 0, {0}.tries, 0, 0, {0}.reserved_by, "
    "null, null, null"
)
_CHILD = "{0}.child_id, {0}.child_key, null, 0, 0, 0, 0, 0, null, null, null, {0}.parent_id"
_COMMAND = "{0}.job_id, null, null, 0, 0, 0, 0, 0, null, null, null, null"
_TRIGGERS = (
    ("stored", "insert", "bgjobs_jobs", "new", _JOB),
    ("changed", "update", "bgjobs_jobs", "new", _JOB),
    ("deleted", "delete", "bgjobs_jobs", "old", _JOB),
    ("succeeded", "insert", "bgjobs_jobs_succeeded", "new", _SUCCEEDED),
    ("failed", "insert", "bgjobs_jobs_failed", "new", _JOB),
    ("cancelled", "insert", "bgjobs_jobs_cancelled", "new", _JOB),
    ("left_succeeded", "delete", "bgjobs_jobs_succeeded", "old", _JOB),
    ("left_failed", "delete", "bgjobs_jobs_failed", "old", _JOB),
    ("left_cancelled", "delete", "bgjobs_jobs_cancelled", "old", _JOB),
    ("asked", "insert", "bgjobs_cancellations", "new", _COMMAND),
    ("asked_again", "update", "bgjobs_cancellations", "new", _COMMAND),
    ("command_forgotten", "delete", "bgjobs_cancellations", "old", _COMMAND),
    ("joined", "insert", "bgjobs_children", "new", _CHILD),
    ("joined_again", "update", "bgjobs_children", "new", _CHILD),
    ("parted", "delete", "bgjobs_children", "old", _CHILD),
    ("opened", "insert", "bgjobs_owners", "new", _OWNER),
    ("renewed", "update", "bgjobs_owners", "new", _OWNER),
    ("closed", "delete", "bgjobs_owners", "old", _OWNER),
    ("owner_forgotten", "delete", "bgjobs_past_owners", "old", _PAST_OWNER),
    ("effect", "insert", "effects", "new", _EFFECT),
    ("hooked", "insert", "ends", "new", _EFFECT),
    ("restored", "update", "bgjobs_jobs_failed", "new", _JOB),
    ("restored_cancelled", "update", "bgjobs_jobs_cancelled", "new", _JOB),
    ("marked", "insert", "bgjobs_marked_ends", "new", _MARK),
    ("marked_again", "update", "bgjobs_marked_ends", "new", _MARK),
    ("unmarked", "delete", "bgjobs_marked_ends", "old", _MARK),
)


@final
@frozen
class Change:
    """A changed row, with its new values; a deleted one with its last values."""

    kind: str
    id: str
    payload: str | None
    """The payload of a job, the name of an owner, the state of a mark, or a child's key."""
    occurrence: str | None
    instant: int
    """When a job is due, or when the lease of an owner ends."""
    reservations: int
    attempts: int
    """The attempts of a job, or the tries of a mark."""
    crashes: int
    interruptions: int
    owner: str | None
    history: str | None
    progress: str | None
    parent: str | None
    """The job or the owner that a job belongs to."""
    result: str | None = None
    """What a handler returned, of a job that has succeeded."""


@final
class Database:
    """A database in memory, which is emptied for every seed, since a new one takes longer."""

    def __init__(self) -> None:
        self._shared_clock: SharedClock | None = None
        self._read = 0
        self._written = 0
        self.store = SQLiteStore(":memory:", clock=self._now)
        self.store.open()
        self.store.migrate()
        # The only connection of a store in memory.
        self.raw: Any = self.store._executor.connections.writer.raw
        for table in ("effects", "ends"):
            self.raw.execute(f"create table {table} (job text, reservations integer)")
        self.raw.execute(f"create table changes (number integer primary key, kind, {_COLUMNS})")
        for kind, event, table, row, columns in _TRIGGERS:
            result = "" if columns is _SUCCEEDED else ", null"
            self.raw.execute(
                f"create trigger record_{kind} after {event} on {table} begin "
                f"insert into changes (kind, {_COLUMNS}) "
                f"values ('{kind}', {columns.format(row)}{result}); end"
            )

    def reset(self, shared_clock: SharedClock) -> None:
        """Delete all rows, and use another clock."""
        self._shared_clock = shared_clock
        with suppress(Exception):  # a transaction that a cancelled simulation left open
            self.raw.execute("rollback")
        for table in (*(f"bgjobs_{table}" for table in TABLES), "effects", "ends", "changes"):
            self.raw.execute(f"delete from {table}")
        self._read = 0
        self._written = self.raw.total_changes

    def changes(self) -> Sequence[Change]:
        """Return the changes that were committed since the last call."""
        if self.raw.total_changes == self._written:
            return ()
        self._written = self.raw.total_changes
        rows = self.raw.execute(
            f"select number, kind, {_COLUMNS} from changes where number > ? order by number",
            (self._read,),
        ).fetchall()
        if rows:
            self._read = rows[-1][0]
        return [Change(*row[1:]) for row in rows]

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        found: int = self.raw.execute(f"select count(*) from {table}").fetchone()[0]
        return found

    def counted_successes(self) -> int:
        """Return how many jobs the processes have counted as succeeded."""
        query = "select coalesce(sum(succeeded), 0) from bgjobs_activity"
        found: int = self.raw.execute(query).fetchone()[0]
        return found

    def _now(self) -> datetime:
        return START if self._shared_clock is None else self._shared_clock.now()


@cache
def shared_database() -> Database:
    """Return the database of this process of the operating system."""
    return Database()
