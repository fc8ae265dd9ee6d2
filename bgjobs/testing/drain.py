"""`drain`: run every job that is due and report how each one ended."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import final

from anyio import CancelScope, create_task_group, current_time
from attrs import field, frozen

from bgjobs._core.arguments import check_flag, check_type, check_whole
from bgjobs._core.jobs import Job
from bgjobs._runtime.bg_jobs import BgJobs
from bgjobs._runtime.bus import EventStream
from bgjobs.events import (
    Event,
    JobAttemptFailed,
    JobCancelled,
    JobDiscarded,
    JobFailed,
    JobSnoozed,
    JobStarted,
    JobSucceeded,
)
from bgjobs.stores.filters import JobFilter
from bgjobs.testing.clock import wait_limit
from bgjobs.testing.internals import poll_now

_End = JobSucceeded | JobFailed | JobDiscarded | JobCancelled | JobSnoozed | JobAttemptFailed

BUFFER = 1_000_000
"""Events; far more than can arrive in one turn of the event loop, after which they are read."""


@final
@frozen
class Drained:
    """What `drain` has run; each sequence is in the order in which the attempts ended."""

    succeeded: Sequence[Job] = ()
    failed: Sequence[Job] = ()
    """Jobs that raised and have no retries left."""
    discarded: Sequence[Job] = ()
    cancelled: Sequence[Job] = ()
    """Jobs that `bg.admin.cancel` ended while they ran."""
    snoozed: Sequence[Job] = ()
    retried: Sequence[Job] = ()
    """Jobs that raised and were put back, once for each time."""
    errors: Sequence[str] = field(default=(), repr=False)
    """The exceptions of `failed` and `retried`, each with the worker and the traceback."""

    @property
    def runs(self) -> int:
        """The number of attempts."""
        ended = (self.succeeded, self.failed, self.discarded, self.cancelled)
        return sum(map(len, (*ended, self.snoozed, self.retried)))

    def check(self) -> "Drained":
        """Return this object if no handler raised.

        Raises:
            AssertionError: A handler raised; the message has all exceptions with tracebacks.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        if self.errors:
            count = f"{len(self.errors)} attempts" if len(self.errors) > 1 else "1 attempt"
            raise AssertionError("\n\n".join([f"{count} raised", *self.errors]))
        return self


async def drain(
    bg: BgJobs,
    *,
    with_delayed: bool = False,
    within: float | timedelta | None = None,
    most_runs: int = 10_000,
) -> Drained:
    """Wait until no job is due or running, including jobs that were enqueued meanwhile.

    It never waits for the runs of scheduled jobs. ``(await drain(bg)).check()`` raises if a
    handler raised.

    Args:
        bg: A running application, in real or in virtual time.
        with_delayed: Also wait for delayed jobs and for retries that wait for their backoff. In
            virtual time this takes no real time.
        within: How long to wait, in seconds or as a `timedelta`; by default 30 seconds of real
            time or 366 days of virtual time.
        most_runs: The number of attempts after which to give up, as with a job that enqueues
            itself.

    Returns:
        The jobs that ran during the call, by how they ended.

    Raises:
        AssertionError: The limit of `within` or `most_runs` was reached; the message names the
            running jobs, the waiting jobs and the paused queues. Jobs keep running.
    """
    check_type("bg", bg, BgJobs, "a running BgJobs")
    check_flag("with_delayed", with_delayed)
    check_whole("most_runs", most_runs, least=1)
    tally, failure = _Tally(most_runs), None
    seconds = wait_limit(within)
    async with bg.events(buffer=BUFFER) as events, create_task_group() as group:
        group.start_soon(tally.listen, events)
        poll_now(bg)
        tally.scope.deadline = current_time() + seconds
        with tally.scope:
            try:
                await bg.drain(with_delayed=with_delayed)
            except Exception as error:  # noqa: BLE001 - raised below, without an exception group
                failure = error
        events.end()
    if failure is not None:
        raise failure
    if tally.scope.cancelled_caught:
        raise AssertionError(await _why(bg, tally, seconds))
    return tally.drained()


@final
class _Tally:
    """Collects events, and ends the wait after too many attempts."""

    def __init__(self, most_runs: int) -> None:
        self._events: list[Event] = []
        self.most_runs = most_runs
        self._runs = 0
        self.scope = CancelScope()

    @property
    def too_many(self) -> bool:
        """Whether there were more attempts than allowed."""
        return self._runs > self.most_runs

    async def listen(self, events: EventStream) -> None:
        """Collect all events until the stream ends."""
        async for event in events:
            self._events.append(event)
            self._runs += isinstance(event, JobStarted)
            if self.too_many:
                self.scope.cancel()

    def drained(self) -> Drained:
        """Return the jobs that ended."""
        raised = [one for one in self._events if isinstance(one, JobAttemptFailed | JobFailed)]
        return Drained(
            succeeded=self._jobs(JobSucceeded),
            failed=self._jobs(JobFailed),
            discarded=self._jobs(JobDiscarded),
            cancelled=self._jobs(JobCancelled),
            snoozed=self._jobs(JobSnoozed),
            retried=self._jobs(JobAttemptFailed),
            errors=[f"{one.job.name!r}: {one.error}" for one in raised],
        )

    def _jobs(self, kind: type[_End]) -> list[Job]:
        return [event.job for event in self._events if isinstance(event, kind)]


async def _why(bg: BgJobs, tally: _Tally, seconds: float) -> str:
    """Return why `drain` gave up."""
    running = _names(job.name for job in await bg.list(JobFilter("running")))
    due = await bg.list(JobFilter("waiting"))
    waiting = _names(job.name for job in (*due, *await bg.list(JobFilter("delayed"))))
    paused = _names(queue.name for queue in bg.queues if queue.paused)
    if tally.too_many:
        why = f"more than {tally.most_runs} attempts; does a job enqueue itself?"
    else:
        why = f"jobs are left after {timedelta(seconds=seconds)}"
    return f"drain: {why}; running: {running}; waiting: {waiting}; paused queues: {paused}"


def _names(names: Iterable[str]) -> str:
    counted = Counter(names)
    return ", ".join(f"{count} of {name!r}" for name, count in counted.items()) or "none"
