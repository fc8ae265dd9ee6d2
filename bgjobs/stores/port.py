"""The port that every store fills: blocking verbs over one database.

A store is plain blocking code: its author writes SQL and no async. The runtime calls it from
worker threads, several at once, so every verb may be called from any thread. The contract
below is stated once, here, and checked for every store by `bgjobs.testing.contract`.

Time: every verb takes `now`. With None the store uses its own authority, which is the
server's clock where there is a server and this machine's clock elsewhere. Instants that come
out are aware UTC with microseconds.

Errors: `StoreUnavailableError` when trying again may help, another `StoreError` when it will
not: `RowRefusedError` where a row or a value is refused and others may be taken. A verb that
raises has changed nothing, except that `StoreUnavailableError` may leave it unknown whether the
last commit happened.

Rows that cannot be read: another program may have written them, or a hand. They cost no other
row anything. A verb that returns several jobs leaves them out and tells of them in a `Listing`;
one that returns a single job raises `UnreadableJobError`. `Operations.set_apart` moves them
away. A store that holds only what it was given, such as one in memory, has none.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from bgjobs._core.jobs import FailedJob, Job, Reservation, SucceededJob
from bgjobs._core.limits import Cap
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Settlement
from bgjobs.stores.pages import FIRST_PAGE, Page
from bgjobs.stores.types import Counts, NewJob, Owner, Renewal, Written

if TYPE_CHECKING:  # a fifth of the time that `import bgjobs` takes, and needed by no producer
    from bgjobs.events import Listener


class ChangeSource(Protocol):
    """Tells that another process changed the store. It never blocks.

    Used by one thread at a time. It may miss a change and may tell of one that is none:
    polling goes on beside it.
    """

    @property
    def interval(self) -> float | None:
        """Seconds between two looks; None when `fileno` becomes readable instead."""
        ...

    def fileno(self) -> int:
        """Give the descriptor to wait for; only asked for when `interval` is None."""
        ...

    def poll(self) -> Collection[str] | None:
        """Give the worker names that have new jobs; None means it may be any of them.

        Empty when nothing happened. `StoreUnavailableError` when the watcher is broken; it
        is then closed and another one opened. Asked after a long silence, too: a watcher that
        sees for itself is broken when it finds what its descriptor has not announced.
        """
        ...

    def close(self) -> None:
        """Give back the connection."""
        ...


class Store(Protocol):
    """A database that keeps jobs.

    Its verbs are used between `open` and `close`, from any thread.
    """

    @property
    def label(self) -> str:
        """What and where it is, for messages; without secrets."""
        ...

    @property
    def connections(self) -> int:
        """How many verbs can usefully go on at once, 1 or more."""
        ...

    @property
    def listeners(self) -> "Sequence[Listener]":
        """Who is told of this store's own events, beside the listeners of the application."""
        ...

    @property
    def needs_notify(self) -> bool:
        """Whether other processes' watchers hear of new jobs only through `notify`."""
        ...

    def open(self) -> None:
        """Connect. A store can be opened again after `close`; opening twice is an error."""
        ...

    def close(self) -> None:
        """Give back every connection; harmless when not open."""
        ...

    def migrate(self) -> Sequence[str]:
        """Bring the schema to `SCHEMA_VERSION` and give the names of what was applied.

        Each migration is one transaction that also records it. Safe when several processes
        start at once. `SchemaMismatchError` when the schema is newer; nothing is changed.
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
        now: datetime | None = None,
    ) -> Written:
        """Store new jobs and settle reserved ones, all in one transaction.

        Every settlement is fenced: it touches the row only where the job is still held by
        exactly its reservation (id, owner and number), else it is reported as lost. The
        ends are written first, so that a new job may take the unique key of one that ends.

        A job that is to be put back while `Operations.cancel` wants it cancelled does not
        wait again: it is stored as failed in the same transaction, with the counters and
        errors of the `Requeue`, and reported in `Written.cancelled`. What follows it is not
        stored.

        A write whose answer was lost can be repeated, with `NewJob.repeated`: an id that is
        stored already, live or ended, is not stored again. The live job is given; for an ended
        one, what was asked. A first try that a server still works on when its repeat was
        stored, run and ended may store a job anew: it runs again, and its end is lost.

        Where the holder of a unique key cannot be read, it raises `UnreadableJobError`. Some of
        the new jobs may be stored then, so that a repeat has to say `NewJob.repeated`.

        A job with a `NewJob.plan` is planned here, after the ends are written, by the `now` of
        this write.
        """
        ...

    def complete(
        self,
        reservation: Reservation,
        work: Callable[[Any], object],
        enqueue: Sequence[NewJob] = (),
        *,
        now: datetime | None = None,
    ) -> bool:
        """Let the job succeed and run `work(connection)`, in one transaction of their own.

        The jobs of `enqueue` are stored in it, too, after the job has ended. `work` gets the
        database driver's own connection (hence `Any`) and must not commit, roll back or close
        it, also if it begins another transaction: that is a `StoreError`, and the job has not
        succeeded. What `work` has committed itself may be there. It is not called when
        the reservation is lost; then the answer is False. What `work` raises rolls everything
        back and goes to the caller, except that a connection that was lost on the way is
        `StoreUnavailableError`.
        """
        ...

    def reserve(
        self,
        owner: UUID,
        names: Collection[str],
        limit: int,
        *,
        caps: Sequence[Cap] = (),
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Reserve up to `limit` due jobs of these workers for `owner`.

        Gives 0 to `limit` jobs, each once, ordered by (priority, available_at, id). Raises
        the `reservations` of each. Two owners never get the same job. An owner without a
        live lease gets nothing.

        What is reserved of a worker in `caps`, by anybody, stays within its cap. There may then
        be fewer jobs than could be had: another look gets the rest.
        """
        ...

    def next_due(
        self,
        names: Collection[str],
        *,
        planned: bool = True,
        caps: Sequence[Cap] = (),
        now: datetime | None = None,
    ) -> timedelta | None:
        """Say how long until the first unreserved job of these workers is due.

        Zero or less when one is due already; None when there is none. With `planned` False
        the occurrences of scheduled jobs are left out. A worker that has reached its cap has
        none before its rate allows another one.
        """
        ...

    def find_unique(self, name: str, unique_key: str) -> Job | None:
        """Give the live job of this worker that holds this unique key, or None."""
        ...

    def replace(self, waiting: Job, new: NewJob | None, *, now: datetime | None = None) -> bool:
        """Delete a waiting job and store `new` in its place, or nothing, in one transaction.

        Only while it waits and was not reserved since it was read, by its `reservations`;
        else the answer is False and nothing is changed. `new` may take its unique key.
        """
        ...

    def open_owner(
        self, owner: Owner, lease: timedelta, *, now: datetime | None = None
    ) -> None:
        """Record a new owner whose lease ends after `lease`. Repeating it changes nothing."""
        ...

    def heartbeat(
        self, owners: Collection[UUID], lease: timedelta, *, now: datetime | None = None
    ) -> Renewal:
        """Renew these owners' leases, so that they end `lease` from now.

        A lease that has ended cannot be renewed. Uses a connection of its own, so that it
        waits for no other verb of this process.
        """
        ...

    def abandoned(
        self, page: Page = FIRST_PAGE, *, now: datetime | None = None
    ) -> Sequence[Job]:
        """Give reserved jobs whose owner has no live lease, by id."""
        ...

    def close_owners(
        self, owners: Collection[UUID] = (), *, now: datetime | None = None
    ) -> None:
        """Forget these owners, and all whose lease has ended."""
        ...

    def find(self, job_id: UUID) -> Job | SucceededJob | FailedJob | None:
        """Give the job of this id, live or ended, or None."""
        ...

    def get_enqueued(self, name: str | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Give waiting and delayed jobs, of one worker or of all, oldest first."""
        ...

    def get_running(self, owner: UUID | None = None, page: Page = FIRST_PAGE) -> Sequence[Job]:
        """Give reserved jobs, of one owner or of all, oldest first."""
        ...

    def get_succeeded(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[SucceededJob]:
        """Give succeeded jobs, of one worker or of all, the newest first."""
        ...

    def get_failed(
        self, name: str | None = None, page: Page = FIRST_PAGE
    ) -> Sequence[FailedJob]:
        """Give failed jobs, of one worker or of all, the newest first."""
        ...

    def count(
        self,
        names: Collection[str] | None = None,
        *,
        at_most: int | None = None,
        now: datetime | None = None,
    ) -> Counts:
        """Count the jobs of these workers, or of all with None.

        Up to `at_most` of each kind, so that it takes no longer however many there are. With
        None it is exact, and reads them all. All numbers are of one moment: a job that moves
        from one kind to another meanwhile is counted once.
        """
        ...

    def prune(
        self,
        *,
        succeeded_for: timedelta | None,
        failed_for: timedelta | None,
        limit: int,
        skip: int = 0,
        now: datetime | None = None,
    ) -> int:
        """Delete up to `limit` ended jobs of each kind that ended longer ago than this.

        The longest ended first, without the first `skip` of each kind. None keeps that kind for
        ever. Returns how many were deleted.
        """
        ...

    def notify(self, names: Collection[str]) -> None:
        """Tell watchers that these workers have new jobs; does nothing where they see it.

        With no names it only makes every watcher with a `fileno` readable, this process's
        own too: one that stays silent is dead.
        """
        ...

    def watch(self) -> ChangeSource | None:
        """Open a watcher for other processes' changes; None where polling has to do."""
        ...

    def enqueue_in(
        self,
        connection: Any,
        requests: Sequence[JobRequest],
        *,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        """Store jobs inside the caller's own transaction on the caller's own connection.

        They exist once the caller commits, and not at all if the caller rolls back. Needs
        neither `open` nor a running `BgJobs`, only the schema. `connection` is the driver's
        (hence `Any`); the adapters say which.
        """
        ...
