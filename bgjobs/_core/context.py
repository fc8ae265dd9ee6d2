"""What a handler is told about the job that it runs."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, final

from attrs import field, frozen

from bgjobs._core.deferred import refuse_deferring
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import Occurrence


@final
@frozen(eq=False)
class JobContext:
    """The job at hand, for a handler whose first parameter is annotated `JobContext`."""

    job: Job
    deadline: datetime | None = None
    """When the worker's timeout cancels this attempt; None without a timeout."""
    completions: list[Callable[[Any], object]] = field(
        factory=list[Callable[[Any], object]], init=False, repr=False
    )
    """What `complete_with` was given, in that order."""

    @property
    def attempt(self) -> int:
        """The number of this attempt, counted from 1.

        It grows when a handler raises. A run after a crash, an interruption or a `Snooze` has
        the same number as the run before it.
        """
        return self.job.attempts + 1

    @property
    def occurrence(self) -> Occurrence | None:
        """Which time of its schedule this run serves, and which was the one before.

        ``occurrence.at`` and ``occurrence.previous``; None for a job enqueued by hand.
        """
        return self.job.occurrence

    def complete_with(self, work: Callable[[Any], None]) -> None:
        """Run `work(connection)` in the very transaction that completes this job.

        What it writes exists exactly if the job is stored as succeeded: **exactly once**. It
        is called after the handler has returned, in a worker thread, with the store's own
        `sqlite3.Connection` or `psycopg.Connection`; it must be quick and neither commit nor
        roll back: that is refused. If it raises or is refused, the attempt has failed, and
        what it wrote is rolled back; on PostgreSQL, what it has committed itself is not. It is
        not called if the attempt fails or the reservation is lost. Several are run in order.

        `work` is a plain function. An `async def` or a generator function is a `TypeError`;
        if `work` returns a coroutine or a generator all the same, the attempt has failed.
        """
        refuse_deferring("complete_with", work)
        self.completions.append(work)
