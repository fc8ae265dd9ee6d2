"""`Operations`: what operators do with a store.

A store need not have it; `SQLiteStore` and `PostgresStore` do. As in `Store`, every method is
blocking, may be called from any thread and takes `now`, and `bgjobs.testing.contract` checks
the contract.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol, final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.audit import AuditEntry
from bgjobs._core.jobs import FailedJob, Job, State, UnreadableJob
from bgjobs._core.outcomes import Cancelled
from bgjobs.stores.activity import ActivityOperations
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import Cancel, Commands, Fail, MarkedEnd


@final
@frozen
class Cancellation:
    """The result of cancelling jobs."""

    ended: Sequence[UUID]
    """Jobs that waited. They are stored as cancelled."""
    asked: Sequence[UUID]
    """Jobs that are running. Their owners were asked to cancel them."""


@final
@frozen
class LiveOwner:
    """One start of a queue, with its lease."""

    id: UUID
    name: str
    """The name of the queue or of the scheduled job."""
    node: str
    """Host and process."""
    opened_at: datetime
    lease_left: timedelta
    """How long until the lease ends, unless it is renewed before."""
    running: int
    """The number of jobs that it has reserved."""
    waiting: int = 0
    """How many of these wait for their children, as far as the processes have recorded it."""


@final
@frozen
class Migration:
    """One migration of the schema."""

    name: str
    sql: str = field(repr=False)
    """The statements that it executes."""


Level = Literal["ok", "warning", "problem"]


@final
@frozen
class Finding:
    """The result of one check of `Operations.diagnose`."""

    check: str
    level: Level
    text: str
    """What was found and what to do about it."""


class Operations(ActivityOperations, Protocol):
    """What operators do with a store."""

    def commands(self, owners: Collection[UUID]) -> Commands:
        """Return pauses, cancellations of jobs of these owners, and workers with marked ends.

        A process reads it when a `Notice` reports commands, and every `heartbeat_interval`.
        """
        ...

    def pause_queue(self, name: str, *, now: datetime | None = None) -> bool:
        """Pause this queue on all nodes: it reserves nothing. Return False if it was paused."""
        ...

    def resume_queue(self, name: str) -> bool:
        """Resume this queue on all nodes. Return False if it was not paused."""
        ...

    def cancel(
        self,
        job_ids: Collection[UUID],
        cancelled: Cancelled,
        *,
        now: datetime | None = None,
    ) -> Cancellation:
        """Store waiting jobs as cancelled, and ask the owners of running jobs to cancel them.

        A waiting occurrence ends like any other job. No occurrence follows it, so its scheduled
        job plans a new one.

        The request to cancel a running job is stored, and `Store.write` reads it when the job
        would be put back. So the job ends even if no owner received the request in time. A job
        that is put back while this method runs may run once more.

        The end of a waiting job is marked, as by `mark_end`, if its worker was registered with
        a function for cancelled jobs. Such a job counts as asked to be cancelled.
        """
        ...

    def register_hooks(self, hooks: Mapping[str, bool], *, now: datetime | None = None) -> None:
        """Record which workers have an `on_failure` function, by their names.

        The value is whether the function is also called for cancelled jobs. Processes do this
        when they start. A worker stays registered.
        """
        ...

    def mark_end(self, settlement: Fail | Cancel, *, now: datetime | None = None) -> bool:
        """Leave the end of a reserved job to a process that has its worker.

        The job gets the counters, errors and history of the settlement, and a reservation by
        `HOOK_OWNER` with the same number. It is not run any more. `Store.end_with` ends it
        under this reservation, and gives it back the one before.

        Returns:
            False, and nothing is changed, if the reservation was lost, or if the worker was not
            registered with a function for such an end.
        """
        ...

    def marked_ends(
        self, names: Collection[str], page: Page = FIRST_PAGE
    ) -> Listing[MarkedEnd]:
        """Return marked ends of jobs of these workers, ordered by the ids of the jobs."""
        ...

    def begin_marked(
        self, job_id: UUID, patience: timedelta, *, now: datetime | None = None
    ) -> int:
        """Count a try to write a marked end. Return the number of tries, this one included.

        Returns 0, and counts none, if the job has no marked end, or if another try was begun
        less than `patience` ago.
        """
        ...

    def delete(self, job_ids: Collection[UUID]) -> Sequence[UUID]:
        """Delete jobs that do not run, and rows that were set apart. Return the deleted ids.

        Jobs whose end is marked are deleted, too. Running jobs are not changed. Nothing is
        recorded about a deleted job, and its unique key is free. Where a waiting occurrence was
        deleted, its scheduled job plans a new one.
        """
        ...

    def retry(
        self,
        job_ids: Collection[UUID],
        *,
        by: str | None = None,
        now: datetime | None = None,
    ) -> Sequence[UUID]:
        """Retry failed and cancelled jobs now with a full retry budget.

        The jobs keep id, arguments, errors and history, to which the end and the retry are
        added as a `PastEnd`. A job whose unique key another live job has is not retried. A job
        that ran for a schedule runs independently of it.

        Returns:
            The ids that were retried.
        """
        ...

    def change(
        self,
        job_ids: Collection[UUID],
        *,
        available_at: datetime | None = None,
        available_in: timedelta | None = None,
        priority: int | None = None,
        now: datetime | None = None,
    ) -> Sequence[UUID]:
        """Change the time or the priority of waiting jobs. Return the ids that were changed.

        Running jobs are not changed, nor are occurrences, whose time comes from the schedule.
        """
        ...

    def list_ids(
        self,
        wanted: JobFilter[State],
        page: Page = FIRST_PAGE,
        *,
        now: datetime | None = None,
    ) -> Listing[UUID]:
        """Return the ids of the jobs that `Store.list` returns, in the same order.

        The filter has no metadata, and its state is not ``"unreadable"``.
        """
        ...

    def find_ids(self, first: UUID, last: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids of live and ended jobs from `first` to `last`, lowest first."""
        ...

    def get_waiting_names(self, limit: int) -> Sequence[str]:
        """Return up to `limit` names of workers that have waiting or delayed jobs."""
        ...

    def get_occurrences(self, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return live jobs that have an occurrence and the key of a schedule, oldest first."""
        ...

    def get_owners(self, *, now: datetime | None = None) -> Sequence[LiveOwner]:
        """Return the owners with a live lease, ordered by name; without `HOOK_OWNER`."""
        ...

    def set_apart(
        self, found: Collection[UnreadableJob], *, now: datetime | None = None
    ) -> Sequence[UnreadableJob]:
        """Move rows that cannot be read to a table of their own. Return those that were moved.

        `found` has rows that other methods reported. A row that has changed since it was read
        is not moved. Of several processes that move the same row, one returns it.
        """
        ...

    def find_unreadable(self, job_id: UUID, *, longest: int = 1_000) -> UnreadableJob | None:
        """Return the row that was set apart with this id, or whose job had it, or None.

        Texts of columns are cut after `longest` characters.
        """
        ...

    def count_unreadable(self, *, at_most: int | None = None) -> int:
        """Count the rows that were set apart, up to `at_most`."""
        ...

    def put_back(
        self, job_ids: Collection[UUID], *, now: datetime | None = None
    ) -> Sequence[UUID]:
        """Store rows that were set apart as jobs again, if they can be read now.

        They are due at once with a full retry budget; a job that had succeeded is stored as
        succeeded. A row whose id or unique key another job has is left out.

        Returns:
            The ids of the jobs that were stored.
        """
        ...

    def begin_audit(
        self,
        entry_id: UUID,
        action: str,
        subject: str,
        *,
        author: str | None = None,
        now: datetime | None = None,
    ) -> None:
        """Record that an operator begins an action. A repeated call changes nothing.

        `action` has 1 to 100 characters, `author` up to 200 and `subject` up to 2,000.
        """
        ...

    def end_audit(self, entry_id: UUID, changed: int) -> None:
        """Record how many jobs an action has changed; an unknown entry is ignored."""
        ...

    def list_audit(
        self,
        page: Page = FIRST_PAGE,
        *,
        author: str | None = None,
        action: str | None = None,
    ) -> Listing[AuditEntry]:
        """Return what operators did, the highest id first, of one author or action or of all.

        Rows that cannot be read are left out, and not reported.
        """
        ...

    def prune_audit(self, age: timedelta, *, limit: int, now: datetime | None = None) -> int:
        """Delete up to `limit` entries older than `age`, the oldest first; return how many."""
        ...

    def unvalidated(self) -> Sequence[str]:
        """Return the names of constraints that are not validated for existing rows."""
        ...

    def validate(self, constraint: str, *, now: datetime | None = None) -> int:
        """Set apart the rows that a constraint refuses, then validate the constraint.

        It can be interrupted and repeated. Other processes can write the table meanwhile.

        Returns:
            The number of rows that were set apart.
        """
        ...

    def restore(self, failed: Sequence[FailedJob]) -> Sequence[UUID]:
        """Store failed jobs as they are, their history included.

        Returns:
            The ids of those that were not stored yet.
        """
        ...

    def schema_version(self) -> int:
        """Return the version of the schema; 0 if there is none."""
        ...

    def pending_migrations(self) -> Sequence[Migration]:
        """Return the migrations that `Store.migrate` would apply."""
        ...

    def diagnose(self) -> Sequence[Finding]:
        """Check settings, files, statistics and query plans for problems."""
        ...


class OperatedStore(Store, Protocol):
    """A store that has `Operations`; see `operations_of`."""

    @property
    def operations(self) -> Operations:
        """The methods for operators; they are called while the store is open."""
        ...


def operations_of(store: Store) -> Operations | None:
    """Return the `Operations` of a store, or None if its `operations` is absent or None.

    A wrapper has the operations of the wrapped store if its `__getattr__` returns them. It has
    none if `__getattr__` raises `AttributeError`, or if it sets ``operations = None``.
    """
    # From Python 3.12 on, isinstance() does not see attributes that __getattr__ returns.
    operations: Operations | None = getattr(store, "operations", None)
    return operations
