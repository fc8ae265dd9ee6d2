"""`JobContext`, which gives a handler access to the job that it runs."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Callable, Iterable, Sized
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, final, overload

from attrs import field, frozen

from bgjobs._core.arguments import check_amount, check_flag, check_text, check_type
from bgjobs._core.generics import Resources_co
from bgjobs._core.jobs import Job
from bgjobs._core.lazy import check_plain_function
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.progress import LONGEST_NOTE, Reporter
from bgjobs._core.text import clean_text
from bgjobs._core.tracked_items import TrackedAsyncItems, TrackedItems

T = TypeVar("T")

if TYPE_CHECKING:  # the runtime imports this module
    from bgjobs._runtime.client import Client
    from bgjobs._runtime.nurseries.nursery import JobNursery


class ClientSource(ABC):
    """Makes the client and nurseries of a context when a handler asks, as most never do."""

    __slots__ = ()

    @property
    @abstractmethod
    def client(self) -> "Client":
        """The client."""

    @abstractmethod
    def open_nursery(
        self, *, cancel_on_failure: bool
    ) -> "AbstractAsyncContextManager[JobNursery]":
        """Open a nursery for jobs; see `JobContext.open_nursery`."""


@final
@frozen(eq=False)
class JobContext(Generic[Resources_co]):
    """The running job. A handler gets it as a first parameter annotated `JobContext`.

    `JobContext[Resources]` has resources of that type. In a unit test, make one yourself:
    ``JobContext(job, resources=fake)``.
    """

    job: Job
    """The job, as it was reserved for this attempt."""
    deadline: datetime | None = None
    """When the timeout of the worker cancels this attempt; None without a timeout.

    A worker with `max_silence` may be cancelled before that.
    """
    # Any: without a lifespan they are None, and the annotation of the handler is checked.
    _resources: Resources_co = field(
        default=cast("Any", None), alias="resources", kw_only=True, repr=False
    )
    _client: "Client | ClientSource | None" = field(
        default=None, alias="client", kw_only=True, repr=False
    )
    _reporter: Reporter | None = field(default=None, alias="reporter", kw_only=True, repr=False)
    """Takes the reports of progress; None in a context that was made by hand, which drops them.
    """
    completions: list[Callable[[Any], object]] = field(
        factory=list[Callable[[Any], object]], init=False, repr=False
    )
    """The functions given to `complete_with`, in the order of the calls."""

    @property
    def resources(self) -> Resources_co:
        """What `Config.lifespan` has yielded; None without a lifespan."""
        return self._resources

    @property
    def client(self) -> "Client":
        """A client of the application: it enqueues jobs, finds them, and waits for them.

        Use it while the handler runs, also in the grace of an application that stops. While a
        handler waits in ``context.client.wait_for(job)``, its queue runs another job in its
        slot, so a handler may wait for a job of its own queue, whatever its `concurrency`. The
        timeout of the worker includes the wait.

        A plain handler runs in a thread, and calls async methods by
        ``anyio.from_thread.run(context.client.enqueue, request)``.

        Raises:
            RuntimeError: This context was made by hand, without a client.
        """
        client = self._client
        if client is None:
            raise RuntimeError(
                "this JobContext has no client, as no queue made it: "
                "pass JobContext(job, client=...)"
            )
        return client.client if isinstance(client, ClientSource) else client

    def open_nursery(
        self, *, cancel_on_failure: bool = True
    ) -> "AbstractAsyncContextManager[JobNursery]":
        """Open a block that starts jobs as children of this job, and ends after them.

        ``async with context.open_nursery() as nursery: await nursery.enqueue(...)``. Leaving
        the block waits until all children have ended, in whatever process they run. Meanwhile
        the handler holds no slot. If a child ends without success, the other children and the
        block are cancelled.

        If the block raises, or is cancelled by the timeout of the worker, by an operator or by
        a cancel scope of the handler, the children are cancelled, and the block waits for their
        end. If the queue stops or loses its lease, they go on: this job is run again, and the
        nursery of that run finds the children that are live or have succeeded. If this job ends
        in any way, its children that are left end with it.

        A `Snooze` that the block raises leaves the children to the next run. A `Discard`
        cancels them. Both are raised as they are.

        Args:
            cancel_on_failure: False lets the other children and the block go on when a child
                ends without success.

        Returns:
            A context manager for the `JobNursery`. It raises an `ExceptionGroup` of
            `ChildFailedError` and `ChildCancelledError` if children have ended without success,
            with the exception of the block, if there is one.

        Raises:
            RuntimeError: This context was made by hand, or the job is run by a tool for tests
                that runs no other jobs.
            TypeError: The handler is a plain function.
            ValueError: The worker has a limit, or nurseries are nested more than 100 deep.
        """
        check_flag("open_nursery: cancel_on_failure", cancel_on_failure)
        if not isinstance(self._client, ClientSource):
            raise RuntimeError(  # noqa: TRY004 - the argument is right
                "this JobContext has no nurseries, as no queue made it: run the job with "
                "bgjobs.testing.run_virtual"
            )
        return self._client.open_nursery(cancel_on_failure=cancel_on_failure)

    @property
    def attempt(self) -> int:
        """The number of this attempt, counted from 1.

        It grows when a handler raises. A run after a crash, an interruption or a `Snooze` has
        the same number as the run before it.
        """
        return self.job.attempts + 1

    @property
    def occurrence(self) -> Occurrence | None:
        """The occurrence of the schedule that this run serves; None without a schedule.

        ``occurrence.at`` is its time, and ``occurrence.previous`` the time of the one before.
        """
        return self.job.occurrence

    def complete_with(self, work: Callable[[Any], None]) -> None:
        """Run ``work(connection)`` in the transaction that completes this job.

        What `work` writes is committed if and only if the job is stored as succeeded, so it is
        written **exactly once**. It is called after the handler returned, in a worker thread,
        with the `sqlite3.Connection` or `psycopg.Connection` of the store. It is not called if
        the attempt fails or the reservation is lost.

        It must be quick, and must not commit, roll back or close the connection. If it does so,
        if it raises, or if it returns a coroutine or a generator, the attempt fails, and what
        it wrote is rolled back; on PostgreSQL, what it committed itself is not.

        Args:
            work: A plain function of the connection. With several calls of `complete_with`, the
                functions run in the order of the calls, in one transaction.

        Raises:
            TypeError: `work` is an async function, a generator function or not a function.
        """
        check_plain_function("complete_with", work)
        self.completions.append(work)

    async def report_progress(
        self, done: float, total: float | None = None, note: str | None = None
    ) -> None:
        """Report how far this attempt has come; `Job.progress` has it within a second or two.

        It returns at once and does not wait for the store: a queue writes the newest report of
        each job, once a second at most, and the last one together with the end of the attempt.
        So it may be called as often as progress is made. While the store is unavailable, the
        newest report waits. One that another owner's reservation makes obsolete is dropped.

        It lets other tasks run, and raises a cancellation; the report is taken in any case.

        Args:
            done: How much is done, 0 or more, in a unit of your choice.
            total: How much there is to do, in the same unit; None if that is not known.
            note: What the handler does now, for people to read. A text of more than 1,000
                characters is cut.

        Raises:
            TypeError: An argument is not of its type.
            ValueError: A number is negative, not finite or above 2**53 - 1.
        """
        self.report_progress_sync(done, total, note)
        if self._reporter is not None:
            await self._reporter.checkpoint()

    def report_progress_sync(
        self, done: float, total: float | None = None, note: str | None = None
    ) -> None:
        """Report progress from a plain function, in any thread, or without awaiting.

        As `report_progress`, but it lets no other task run, and raises no cancellation.

        Raises:
            TypeError: An argument is not of its type.
            ValueError: A number is negative, not finite or above 2**53 - 1.
        """
        check_amount("report_progress: done", done)
        check_amount("report_progress: total", total, optional=True)
        check_text("report_progress: note", note, optional=True)
        cleaned = None if note is None else clean_text(note, LONGEST_NOTE)
        if self._reporter is not None:
            self._reporter.report(done, total, cleaned)

    @overload
    def progress(
        self, items: Iterable[T], *, total: float | None = None, note: str | None = None
    ) -> TrackedItems[T]: ...
    @overload
    def progress(
        self, items: AsyncIterable[T], *, total: float | None = None, note: str | None = None
    ) -> TrackedAsyncItems[T]: ...
    def progress(
        self,
        items: Iterable[T] | AsyncIterable[T],
        *,
        total: float | None = None,
        note: str | None = None,
    ) -> TrackedItems[T] | TrackedAsyncItems[T]:
        """Return these items for a loop that reports how many of them it has done.

        ``async for item in context.progress(items)`` lets other tasks run before each item. A
        plain function writes ``for item in context.progress(items)``. The loop reports 0 when
        it begins, and an item as done when it asks for the next one.

        Args:
            items: An iterable, or an async iterable, which only ``async for`` takes.
            total: How many there are; by default their length, if they have one.
            note: As for `report_progress`.

        Raises:
            TypeError: `items` is neither, or another argument is not of its type.
            ValueError: `total` is negative, not finite or above 2**53 - 1.
        """
        check_amount("progress: total", total, optional=True)
        check_text("progress: note", note, optional=True)
        if total is None and isinstance(items, Sized):
            total = len(items)
        report = partial(self.report_progress, total=total, note=note)
        if isinstance(items, Iterable):
            report_sync = partial(self.report_progress_sync, total=total, note=note)
            return TrackedItems(items, report, report_sync)
        check_type("progress: items", items, AsyncIterable, "an iterable or an async iterable")
        return TrackedAsyncItems(items, report)
