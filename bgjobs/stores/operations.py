"""The second port: what operators do with a store, beside the applications that use it.

A store that keeps jobs need not have it; `SQLiteStore` and `PostgresStore` do. As in the first
port every verb is blocking, may be called from any thread, and takes `now`; the contract is
checked by `bgjobs.testing.contract`, too.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol, final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.arguments import check_instant, check_name
from bgjobs._core.jobs import FailedJob, Job, UnreadableJob
from bgjobs.stores.pages import FIRST_PAGE, Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import Commands


@final
@frozen
class Cancellation:
    """What became of jobs that were to be cancelled."""

    ended: Sequence[UUID]
    """They waited, and are stored as failed now."""
    asked: Sequence[UUID]
    """They are running; their owner is asked to cancel them."""


@final
@frozen(kw_only=True)
class Failures:
    """Which failed jobs are meant; all of them, unless said."""

    name: str | None = None
    """Those of this worker."""
    words: Sequence[str] = ()
    """Those whose error has all of these words in its first line, in capitals or not.

    A star behind the last one lets it be the beginning of a word.
    """
    before: datetime | None = None
    """Those that failed before this instant."""

    def __attrs_post_init__(self) -> None:
        check_name("name", self.name, optional=True)
        check_instant("before", self.before)


ALL_FAILURES = Failures()


@final
@frozen
class LiveOwner:
    """A queue that runs somewhere: one start of it, with its lease."""

    id: UUID
    name: str
    """The queue's, or that of a scheduled job."""
    node: str
    """Where it runs: host and process."""
    opened_at: datetime
    lease_left: timedelta
    """Until others may take over; it is renewed before."""
    running: int
    """How many jobs it has reserved."""


@final
@frozen
class Migration:
    """One step of the schema."""

    name: str
    sql: str = field(repr=False)
    """What it executes."""


Level = Literal["ok", "warning", "problem"]


@final
@frozen
class Finding:
    """One thing that `Operations.diagnose` looked at."""

    check: str
    level: Level
    text: str
    """What was found, and what to do about it."""


class Operations(Protocol):
    """What operators do with a store."""

    def commands(self, owners: Collection[UUID]) -> Commands:
        """Give what is wanted of these owners now, as heartbeats do."""
        ...

    def pause_queue(self, name: str, *, now: datetime | None = None) -> bool:
        """Let this queue reserve nothing, on any node; False if it was paused before."""
        ...

    def resume_queue(self, name: str) -> bool:
        """Let it reserve again; False if it was not paused."""
        ...

    def cancel(
        self, job_ids: Collection[UUID], reason: str, *, now: datetime | None = None
    ) -> Cancellation:
        """End waiting jobs as failed, and ask the owners of running ones to cancel them.

        The error of the failed ones is ``Cancelled:`` and the reason. An occurrence that waits
        ends like any other job; nothing follows it, so its scheduled job plans anew.

        What is asked of a running job is stored, and `Store.write` looks at it where the job
        would be put back. So a job that runs and waits in turn ends, although no owner has
        heard of it in time. One that is put back at this very moment may run once more.
        """
        ...

    def delete(self, job_ids: Collection[UUID]) -> Sequence[UUID]:
        """Delete jobs for ever, waiting, delayed or ended, and return the ids of those deleted.

        So are rows that were set apart. Running jobs are left alone. Nothing is recorded, the
        unique key is free again, and an occurrence that waited is planned anew by its scheduled
        job.
        """
        ...

    def retry(
        self, job_ids: Collection[UUID], *, now: datetime | None = None
    ) -> Sequence[UUID]:
        """Let failed jobs run again at once, and give the ids of those that will.

        They keep id, arguments and errors, and begin with all their retries. Not those whose
        unique key another job has by now. What ran for a schedule runs beside it.
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
        """Change when waiting jobs are due, or their priority; give the ids of those changed.

        Running jobs are left alone, and so are occurrences, whose time the schedule says.
        """
        ...

    def prune_worker(
        self,
        name: str,
        *,
        succeeded_for: timedelta | None,
        failed_for: timedelta | None,
        limit: int,
        skip: int = 0,
        now: datetime | None = None,
    ) -> int:
        """Delete up to `limit` jobs of this worker of each kind, as `Store.prune` does of all.

        The lowest ids go first, which are not always those that ended first, and the first
        `skip` of each kind are passed over.
        """
        ...

    def get_failed(
        self, failures: Failures = ALL_FAILURES, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Return failed jobs; with words, the last that failed first, else the newest first.

        With words it is a `Listing`, whose `after` is where the next page begins; `Page.after`
        has to be such a cursor then: `ValueError` for an id.
        """
        ...

    def get_failed_ids(
        self, failures: Failures = ALL_FAILURES, page: Page = FIRST_PAGE
    ) -> Sequence[UUID]:
        """Return only their ids, in the same order, and with words as a `Listing`, too."""
        ...

    def get_waiting(
        self,
        name: str | None = None,
        *,
        delayed: bool,
        page: Page = FIRST_PAGE,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Give the waiting jobs that are due, or those that are delayed, the oldest first."""
        ...

    def find_ids(self, first: UUID, last: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids from one to another of jobs, live or ended, the lowest first."""
        ...

    def get_waiting_names(self, limit: int) -> Sequence[str]:
        """Return whose jobs wait, due or not: each worker's name once, `limit` at most."""
        ...

    def get_occurrences(self, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Return live jobs with an occurrence and the key of a schedule, the oldest first."""
        ...

    def get_named_running(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[Job]:
        """Give reserved jobs of one worker, or of all, the oldest first."""
        ...

    def get_owners(self, *, now: datetime | None = None) -> Sequence[LiveOwner]:
        """Give the owners with a live lease, by name."""
        ...

    def set_apart(
        self, found: Collection[UnreadableJob], *, now: datetime | None = None
    ) -> Sequence[UnreadableJob]:
        """Move rows that cannot be read to a table of their own, and return those moved.

        They are what other verbs returned. A row that has changed since it was read stays, and
        so does one that another process has moved: each is returned once.
        """
        ...

    def get_unreadable(
        self, page: Page = FIRST_PAGE, *, longest: int = 1_000
    ) -> Sequence[UnreadableJob]:
        """Return what was set apart, the newest first.

        Texts of columns are cut after `longest` characters.
        """
        ...

    def find_unreadable(self, job_id: UUID) -> UnreadableJob | None:
        """Return what was set apart under this id, or with it as the id of its job, or None."""
        ...

    def count_unreadable(self, *, at_most: int | None = None) -> int:
        """Count what was set apart, up to `at_most`."""
        ...

    def put_back(
        self, job_ids: Collection[UUID], *, now: datetime | None = None
    ) -> Sequence[UUID]:
        """Store those that were set apart and can be read by now, and return their ids.

        They wait again and are due at once, with all their retries; what had succeeded is
        stored as that. Left out are those whose id or unique key another job has.
        """
        ...

    def unvalidated(self) -> Sequence[str]:
        """Return the names of constraints that no one has compared with all older rows."""
        ...

    def validate(self, constraint: str, *, now: datetime | None = None) -> int:
        """Set apart what a constraint refuses, validate it, and return how many rows that were.

        It can be interrupted and repeated. Meanwhile the table can be written.
        """
        ...

    def restore(self, failed: Sequence[FailedJob]) -> Sequence[UUID]:
        """Store failed jobs as they are, and give the ids of those that were not there."""
        ...

    def schema_version(self) -> int:
        """Give the version of the schema; 0 when there is none."""
        ...

    def pending_migrations(self) -> Sequence[Migration]:
        """Give what `Store.migrate` would do."""
        ...

    def diagnose(self) -> Sequence[Finding]:
        """Look for trouble: settings, files, statistics, plans."""
        ...


class OperatedStore(Store, Protocol):
    """A store that operators can work with; `operations_of` finds out whether one is."""

    @property
    def operations(self) -> Operations:
        """The verbs for operators; used while the store is open."""
        ...


def operations_of(store: Store) -> Operations | None:
    """Return what operators do with a store, or None where its `operations` is absent or None.

    The attribute is asked for as any other is, so a wrapper passes on the operations of the
    store that it wraps if its `__getattr__` does. It has none if that raises
    `AttributeError` for this name, or if it sets ``operations = None``.
    """
    # From Python 3.12 on, isinstance() with a protocol does not see what __getattr__ passes on.
    operations: Operations | None = getattr(store, "operations", None)
    return operations
