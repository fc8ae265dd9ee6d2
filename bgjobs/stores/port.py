"""`Store`: the port between bgjobs and a database.

A store is plain blocking code. The runtime calls it from worker threads, several at once, so
every method may be called from any thread. The contract is stated here and checked for every
store by `bgjobs.testing.contract`.

Time: every method takes `now`. With None the store reads its own clock: the server's clock
where there is a server, this machine's clock elsewhere. Returned times are aware datetimes in
UTC with microseconds.

Errors: a method raises `StoreUnavailableError` when a retry may help. Any other `StoreError`
means that a retry does not help; `RowRefusedError` means that one row or value was refused and
that others may be accepted. A method that raises has changed nothing, with one exception: after
`StoreUnavailableError` it is unknown whether the last commit took effect.

Unreadable rows: another program or an operator may have written a row that is not a valid job.
It must not affect other rows. A method that returns several jobs leaves such rows out and
reports them in a `Listing`. A method that returns one job raises `UnreadableJobError`.
`Operations.set_apart` moves unreadable rows to a table of their own. A store that contains only
what it was given, such as one in memory, has no unreadable rows.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from bgjobs._core.jobs import AnyJob, EndState, Job, Owner, Reservation, State
from bgjobs._core.limits import Cap
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Report, Settlement
from bgjobs.stores.change_source import ChangeSource
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import FIRST_PAGE, Listing, Page
from bgjobs.stores.types import (
    FROM_THE_START,
    Cancel,
    Counts,
    Fail,
    HookedEnd,
    NewJob,
    Notice,
    Position,
    Renewal,
    Written,
)

if TYPE_CHECKING:  # a fifth of the time that `import bgjobs` takes, and needed by no producer
    from bgjobs.events import Listener


COUNTED = 100_000
"""Jobs counted of each state by default; counting more takes noticeable time."""


class Store(Protocol):
    """A database that keeps jobs.

    Its methods are called between `open` and `close`, from any thread.
    """

    @property
    def label(self) -> str:
        """The kind and the place of the database, for messages; without secrets."""
        ...

    @property
    def connections(self) -> int:
        """How many calls can usefully run at the same time, 1 or more."""
        ...

    @property
    def listeners(self) -> "Sequence[Listener]":
        """Listeners that receive the events of this store, besides those of the application."""
        ...

    @property
    def needs_notify(self) -> bool:
        """Whether the change sources of other processes learn of a change only by `notify`."""
        ...

    def open(self) -> None:
        """Connect to the database. A closed store can be opened again.

        Raises:
            StoreError: The store is open.
        """
        ...

    def close(self) -> None:
        """Close every connection. Does nothing when the store is not open."""
        ...

    def migrate(self) -> Sequence[str]:
        """Apply the migrations that are missing up to `SCHEMA_VERSION`.

        Each migration is one transaction that also records it. Several processes may call this
        at the same time.

        Returns:
            The names of the migrations that were applied, in order.

        Raises:
            SchemaMismatchError: The schema is newer. Nothing is changed.
        """
        ...

    def check_schema(self) -> None:
        """Raise `SchemaMismatchError` unless the schema is exactly `SCHEMA_VERSION`."""
        ...

    def write(
        self,
        enqueue: Sequence[NewJob] = (),
        settle: Sequence[Settlement] = (),
        *,
        progress: Sequence[Report] = (),
        now: datetime | None = None,
    ) -> Written:
        """Settle reserved jobs, store progress and new jobs, all in one transaction.

        Every settlement is fenced: it changes the row only if the job is still reserved by
        exactly its reservation (id, owner and number). Otherwise the reservation is reported as
        lost. Settlements are written before new jobs, so that a new job may take the unique key
        of a job that ends.

        `progress` has what handlers have reported, at most one report for each reservation. It
        replaces the progress of the job and changes nothing else, under the same fence. It is
        written before the settlements, so a job that ends, or is put back, in the same write
        keeps it. A job that is reserved again keeps it, too, until the next report.

        If `Operations.cancel` has marked a job that a `Requeue` puts back, the job is stored as
        cancelled in the same transaction, with the counters, the errors and the history of the
        `Requeue`, and is reported in `Written.cancelled`. Jobs that follow it are not stored.

        A write whose answer was lost can be repeated with `NewJob.repeated`. An id that is
        already stored, live or ended, is not stored again. Without `NewJob.repeated` a store
        need not look for an ended job of this id. A live job is returned as it is
        stored, an ended one as it was requested. If the server completes the first write only
        after the repeated job was stored, run and ended, the first write stores the job again:
        it runs a second time, and that run loses its reservation.

        `NewJob.plan` is called after the settlements are written, with the `now` of this write.

        Raises:
            UnreadableJobError: The row that holds a unique key cannot be read. Some of the new
                jobs may be stored, so a repeated write must set `NewJob.repeated`.
        """
        ...

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        result: str | None = None,
        now: datetime | None = None,
    ) -> bool:
        """Store the job as succeeded and run `work(connection)` in the same transaction.

        `result` is stored with the job, as `Succeed.result` is.

        The transaction contains nothing else but the jobs of `enqueue`, which are stored after
        the job has ended. `work` is called with the connection of the database driver (hence
        `Any`). It must not commit, roll back or close it, nor begin another transaction.

        Returns:
            True if the job succeeded; False if the reservation was lost. Then `work` was not
            called.

        Raises:
            StoreError: `work` ended the transaction. The job has not succeeded; what `work`
                committed itself may be stored.
            StoreUnavailableError: The connection was lost.
            Exception: Whatever `work` raises. Everything is rolled back.
        """
        ...

    def end_with(
        self,
        settlement: Fail | Cancel,
        work: Callable[[Any, Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        progress: Report | None = None,
        now: datetime | None = None,
    ) -> HookedEnd:
        """End a job without success and run `work(connection, job)` in the same transaction.

        The end, `progress` and `enqueue` are written first, as by `write`. `job` is the
        `FailedJob` or `CancelledJob` as it is stored then. An exception of `work` undoes what
        it wrote, and is returned; the job ends all the same. It ends in any case: if `work`
        ends the transaction, against its contract, the end is written in another one.

        Raises:
            StoreUnavailableError: The connection was lost. The call is to be repeated.
        """
        ...

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
        """Reserve up to `limit` due jobs of these workers for `owner`.

        The `reservations` of each job grows by one. Two owners never reserve the same job. An
        owner without a live lease reserves nothing.

        For a worker in `caps`, the jobs that are reserved by all owners together stay within
        its cap. A call may then return fewer jobs than are available; the next one returns the
        rest. For a worker in `after`, it may overlook the jobs that `Position` names.

        Returns:
            0 to `limit` jobs, each once, ordered by (priority, available_at, id).
        """
        ...

    def next_due(
        self,
        names: Collection[str],
        *,
        planned: bool = True,
        caps: Sequence[Cap] = (),
        after: Mapping[str, Position] = FROM_THE_START,
        now: datetime | None = None,
    ) -> timedelta | None:
        """Return the time until the first unreserved job of these workers is due.

        With `planned` False, occurrences of scheduled jobs are left out. The jobs of a worker
        that has reached its cap are due when its rate allows another one. `after` is that of
        `reserve`.

        Returns:
            Zero or less when a job is due already; None when there is no such job.
        """
        ...

    def find_unique(
        self, name: str, unique_key: str, *, now: datetime | None = None
    ) -> Job | None:
        """Return the live job of this worker that has this unique key, or None."""
        ...

    def replace(self, waiting: Job, new: NewJob | None, *, now: datetime | None = None) -> bool:
        """Delete a waiting job and store `new`, if given, in one transaction.

        `new` may have the same unique key.

        Returns:
            False, and nothing is changed, if the job does not wait any longer, or if its
            `reservations` shows that it was reserved since it was read.
        """
        ...

    def open_owner(
        self, owner: Owner, lease: timedelta, *, now: datetime | None = None
    ) -> None:
        """Record a new owner whose lease ends after `lease`. A repeat changes nothing."""
        ...

    def heartbeat(
        self, owners: Collection[UUID], lease: timedelta, *, now: datetime | None = None
    ) -> Renewal:
        """Renew the leases of these owners, so that they end `lease` from now.

        A lease that has ended cannot be renewed. The method does nothing else, and uses a
        connection of its own, so that it waits for no other call of this process.
        """
        ...

    def abandoned(
        self, page: Page = FIRST_PAGE, *, now: datetime | None = None
    ) -> Sequence[Job]:
        """Return reserved jobs whose owner has no live lease, ordered by id."""
        ...

    def close_owners(
        self, owners: Collection[UUID] = (), *, now: datetime | None = None
    ) -> None:
        """End the leases of these owners, and delete all owners whose lease has ended.

        An owner stays while it holds a job, or held one whose end is marked; a later call
        deletes it. `find_owners` knows deleted ones while a job may refer to them. Children end
        with their owners; if the database refuses one, `Nurseries.end_orphans` ends the others.
        """
        ...

    def find_owners(self, owners: Collection[UUID]) -> Sequence[Owner]:
        """Return these owners, live or not, in no particular order; unknown ones are left out.

        An owner is unknown when each job that it has ended was deleted.
        """
        ...

    def find(self, job_id: UUID, *, now: datetime | None = None) -> AnyJob | None:
        """Return the job with this id, live or ended, or None."""
        ...

    def list(
        self,
        wanted: JobFilter[State],
        page: Page = FIRST_PAGE,
        *,
        now: datetime | None = None,
    ) -> Listing[Any]:
        """Return a page of the jobs that a filter selects.

        Returns:
            `Job`, `SucceededJob`, `FailedJob` or `CancelledJob`, or `UnreadableJob` for rows
            that `Operations.set_apart` has moved (none for a store without `Operations`).
            Waiting, delayed and running jobs are sorted by id, which is the order of creation,
            the oldest first; the others by id, the newest first; those of a search by the time
            of the failure, the latest first. Where the listing goes on, `Listing.after` is the
            position for the next page. At most `pages.EXAMINED` rows are read.

        Raises:
            ValueError: The filter has a search, and `Page.after` is an id instead of a cursor.
        """
        ...

    def count(
        self,
        names: Collection[str] | None = None,
        *,
        at_most: int | None = COUNTED,
        now: datetime | None = None,
    ) -> Counts:
        """Count the jobs of these workers, or of all workers with None.

        Counting stops at `at_most` jobs of each state, which bounds the cost. With None the
        numbers are exact, and all rows are read. All numbers come from one snapshot, so that a
        job that changes its state meanwhile is counted once.
        """
        ...

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
        """Delete jobs that ended in this state longer ago than `age`.

        Also forgets the names of owners that no ended job can refer to any longer.

        Args:
            state: Which end the jobs had.
            age: How long ended jobs are kept.
            name: The worker of the jobs; None means all workers.
            limit: How many jobs are deleted at most: of all workers the ones that ended first,
                of one worker those with the lowest ids.
            skip: How many jobs, in that order, are left out.
            now: The time to compare with.

        Returns:
            The number of deleted jobs.
        """
        ...

    def notify(self, notice: Notice) -> None:
        """Send a notice to the change sources of all processes, this one included.

        Does nothing where change sources see changes by themselves. `Notice()` only makes every
        change source with a `fileno` readable: one that does not become readable is broken.
        """
        ...

    def watch(self) -> ChangeSource | None:
        """Open a source of changes by other processes; None where queues have to poll."""
        ...

    def enqueue_in(
        self,
        connection: Any,
        requests: Sequence[JobRequest],
        *,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Store jobs on the caller's connection, inside the caller's transaction.

        The jobs exist once the caller commits, and do not exist if the caller rolls back. The
        store need not be open and no `BgJobs` need run; the schema must exist. `connection` is
        a connection of the database driver (hence `Any`), see each store for its type.

        Returns:
            The stored jobs, in the order of the requests. Where a unique key was taken, the
            live job that has it.
        """
        ...
