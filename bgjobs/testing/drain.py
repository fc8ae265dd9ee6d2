"""`drain`: run every job that is due and report how each one ended."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import final

from anyio import CancelScope, create_task_group, current_time
from attrs import field, frozen

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
from bgjobs.expecting import check_flag, check_type, check_whole
from bgjobs.jobs import Job
from bgjobs.runtime.bgjobs import BgJobs
from bgjobs.runtime.bus import EventStream
from bgjobs.testing.clock import patience
from bgjobs.testing.internals import look_now

_End = JobSucceeded | JobFailed | JobDiscarded | JobCancelled | JobSnoozed | JobAttemptFailed

BUFFER = 1_000_000
"""Events; they are taken at each turn of the loop, so never so many wait."""


@final
@frozen
class Drained:
    """What `drain` has run, each in the order in which it ended."""

    succeeded: Sequence[Job] = ()
    failed: Sequence[Job] = ()
    """Those that will not run again, because they raised too often."""
    discarded: Sequence[Job] = ()
    cancelled: Sequence[Job] = ()
    """Those that an operator cancelled while they ran."""
    snoozed: Sequence[Job] = ()
    retried: Sequence[Job] = ()
    """Those that raised and were put back, once for each time."""
    errors: Sequence[str] = field(default=(), repr=False)
    """What handlers raised, with tracebacks."""

    @property
    def runs(self) -> int:
        """How many attempts there were."""
        ended = (self.succeeded, self.failed, self.discarded, self.cancelled)
        return sum(map(len, (*ended, self.snoozed, self.retried)))

    def check(self) -> "Drained":
        """Raise `AssertionError` with all that handlers raised; else give this back."""
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
    """Wait until no job is due or running, also none that a job has enqueued; say what ran.

    Delayed jobs, and with them the retries that wait for their backoff, are waited for only
    `with_delayed`: in virtual time that takes no time. Those of scheduled jobs never are.
    `drain(bg).check()` raises what handlers raised.

    Raises:
        AssertionError: It was not done `within` so many seconds, which are 30 in real time and
            a year in virtual time unless said, or not after `most_runs` attempts: a job that
            enqueues itself would never end.
    """
    check_type("bg", bg, BgJobs, "a running BgJobs")
    check_flag("with_delayed", with_delayed)
    check_whole("most_runs", most_runs, least=1)
    tally, failure = _Tally(most_runs), None
    seconds = patience(within)
    async with bg.events(buffer=BUFFER) as events, create_task_group() as group:
        group.start_soon(tally.listen, events)
        look_now(bg)
        tally.scope.deadline = current_time() + seconds
        with tally.scope:
            try:
                await bg.drain(with_delayed=with_delayed)
            except Exception as error:  # noqa: BLE001 - raised below, without a group around it
                failure = error
        events.end()
    if failure is not None:
        raise failure
    if tally.scope.cancelled_caught:
        raise AssertionError(await _why(bg, tally, seconds))
    return tally.drained()


@final
class _Tally:
    """Listens, and ends the wait when there are too many runs."""

    def __init__(self, most_runs: int) -> None:
        self._events: list[Event] = []
        self.most_runs = most_runs
        self._runs = 0
        self.scope = CancelScope()

    @property
    def too_many(self) -> bool:
        """Whether there were too many runs."""
        return self._runs > self.most_runs

    async def listen(self, events: EventStream) -> None:
        """Take all events until their end."""
        async for event in events:
            self._events.append(event)
            self._runs += isinstance(event, JobStarted)
            if self.too_many:
                self.scope.cancel()

    def drained(self) -> Drained:
        """Give what has ended."""
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
    """Say why it was given up."""
    running = _names(job.name for job in await bg.running())
    waiting = _names(job.name for job in await bg.enqueued())
    paused = _names(queue.name for queue in bg.queues if queue.paused)
    if tally.too_many:
        why = f"more than {tally.most_runs} attempts; does a job enqueue itself?"
    else:
        why = f"not done within {timedelta(seconds=seconds)}"
    return f"drain: {why}; running: {running}; waiting: {waiting}; paused queues: {paused}"


def _names(names: Iterable[str]) -> str:
    counted = Counter(names)
    return ", ".join(f"{count} of {name!r}" for name, count in counted.items()) or "none"
