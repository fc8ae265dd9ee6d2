"""`JobContext`, which gives a handler access to the job that it runs."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, final

from attrs import field, frozen

from bgjobs._core.generics import Resources_co
from bgjobs._core.jobs import Job
from bgjobs._core.lazy import check_plain_function
from bgjobs._core.occurrences import Occurrence


@final
@frozen(eq=False)
class JobContext(Generic[Resources_co]):
    """The running job. A handler gets it as a first parameter annotated `JobContext`."""

    job: Job
    """The job, as it was reserved for this attempt."""
    deadline: datetime | None = None
    """When the timeout of the worker cancels this attempt; None without a timeout."""
    completions: list[Callable[[Any], object]] = field(
        factory=list[Callable[[Any], object]], init=False, repr=False
    )
    """The functions given to `complete_with`, in the order of the calls."""

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
