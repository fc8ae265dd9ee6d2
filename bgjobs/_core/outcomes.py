"""Outcomes of runs, and the pure decision which settlement follows from an outcome.

A job has three counters, each with a limit: `attempts` counts handlers that raised, `crashes`
counts owners that died while they held the job, and `interruptions` counts shutdowns that
released it unfinished.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, final

from attrs import evolve, field, frozen

from bgjobs._core.arguments import check_whole
from bgjobs._core.history import KEPT_HISTORY, EndOfReservation, PastReservation
from bgjobs._core.jobs import AttemptError, Job, Owner
from bgjobs._core.settlements import Cancel, Drop, Fail, Requeue, Settlement, Succeed
from bgjobs._core.timestamps import check_delay
from bgjobs.backoff import Backoff, Exponential, delay_of

KEPT_ERRORS = 20
"""How many errors of attempts a row keeps, so that it does not grow without a bound."""


@final
@frozen
class Returned:
    """The handler returned."""

    result: str | None = field(default=None, repr=False)
    """What it returned, as JSON text, if its worker keeps results."""


@final
@frozen
class Raised:
    """The handler raised or timed out, or could not be called with the payload."""

    error: str = field(repr=False)
    retry: bool | timedelta = True
    """What `retry_on` of the worker has decided: whether to retry, or after which delay."""


@final
@frozen
class Discarded:
    """The handler raised `Discard`."""

    reason: str = field(repr=False)


@final
@frozen
class Cancelled:
    """An operator cancelled the job."""

    reason: str = field(repr=False)
    by: str | None = None
    """Who cancelled it; None if the caller named no one."""


@final
@frozen
class Snoozed:
    """The handler raised `Snooze`."""

    delay: timedelta


@final
@frozen
class Unstarted:
    """The job was reserved, but its handler was not called and will not be."""


@final
@frozen
class Interrupted:
    """The queue stopped and the handler was cancelled."""

    counted: bool = True
    """False for a handler that waited for its children: it may do so for many stops."""


@final
@frozen
class Crashed:
    """The owner died while it held the job."""

    counted: bool = True
    """False for a handler that waited for its children, which is not what killed the owner."""


@final
@frozen
class TooLate:
    """The handler was not called, because the occurrence is too late."""


Outcome = (
    Returned
    | Raised
    | Discarded
    | Cancelled
    | Snoozed
    | Unstarted
    | Interrupted
    | Crashed
    | TooLate
)


@final
@frozen(kw_only=True)
class Limits:
    """How often a job may crash or be interrupted, in all queues and scheduled jobs.

    Raises:
        TypeError: A value is not an int.
        ValueError: A value is negative or too large.
    """

    max_crashes: int = 3
    """How often the process may die while it runs the job; with one more crash the job
    fails."""
    max_interruptions: int = 100
    """How often a shutdown may release the job unfinished; with one more the job fails."""

    def __attrs_post_init__(self) -> None:
        check_whole("Limits: max_crashes", self.max_crashes, least=0)
        check_whole("Limits: max_interruptions", self.max_interruptions, least=0)


@final
@frozen(kw_only=True)
class RetryPolicy:
    """How often a job is retried, and how long it waits before a retry."""

    max_retries: int = 3
    backoff: Backoff = field(factory=Exponential)
    random: Random = field(factory=Random, eq=False, repr=False)

    def overridden(self, max_retries: int | None, backoff: Backoff | None) -> "RetryPolicy":
        """Return a policy with these values; where they are None, with those of this one."""
        return evolve(
            self,
            max_retries=self.max_retries if max_retries is None else max_retries,
            backoff=self.backoff if backoff is None else backoff,
        )


def settle(
    job: Job,
    outcome: Outcome,
    policy: RetryPolicy,
    limits: Limits,
    now: datetime,
    owner: Owner,
) -> Settlement:
    """Return what to write about the reserved `job` after its run had this outcome."""
    match outcome:
        case Returned(result):
            return Succeed(job.reservation, result)
        case TooLate():
            return Drop(job.reservation)
        case Interrupted() | Crashed():
            return settle_unfinished(job, outcome, limits, now, owner)
        case Raised():
            return _after_error(with_end(job, "failed", now, owner), outcome, policy, now)
        case _:
            return _settle_ordered(job, outcome, now, owner)


def _settle_ordered(
    job: Job, order: Discarded | Cancelled | Snoozed | Unstarted, now: datetime, owner: Owner
) -> Settlement:
    """Return what the handler, an operator or the queue has decided about a job."""
    match order:
        case Discarded(reason):
            return failed(with_end(job, "discarded", now, owner), reason)
        case Cancelled():
            ended = with_end(job, "cancelled", now, owner)
            return cancelled_instead(put_back(ended), order)
        case Snoozed(delay):
            return put_back(with_end(job, "snoozed", now, owner), delay)
        case Unstarted():
            return put_back(with_end(job, "released", now, owner))


def with_end(job: Job, ended: EndOfReservation, now: datetime, owner: Owner) -> Job:
    """Return a reserved job whose history includes the end of this reservation."""
    entry = PastReservation(
        number=job.reservations,
        owner=owner.id,
        queue=owner.name,
        node=owner.node,
        attempt=job.attempts + 1,
        reserved_at=job.reserved_at or now,  # another program may have left it out
        ended_at=_end_of(job, now),
        ended=ended,
    )
    return evolve(job, history=(*job.history, entry)[-KEPT_HISTORY:])


def _end_of(job: Job, now: datetime) -> datetime:
    """Return when a run ended: this clock may be behind the one by which it was reserved."""
    return now if job.reserved_at is None else max(now, job.reserved_at)


def is_suspect(job: Job, limits: Limits) -> bool:
    """Whether the job would fail with one more crash, so that it must run alone.

    When a process dies, it is unknown which job caused that, so all its jobs count a crash. A
    job on its last crash runs without other jobs in the process, so that only the cause fails.
    """
    return 0 < limits.max_crashes <= job.crashes


def settle_unfinished(
    job: Job, outcome: Interrupted | Crashed, limits: Limits, now: datetime, owner: Owner
) -> Fail | Requeue:
    """Return what to write about a job whose run did not finish."""
    if isinstance(outcome, Crashed):
        ended = with_end(job, "crashed", now, owner)
        count = job.crashes + outcome.counted
        if count > limits.max_crashes:
            error = f"its worker died {count} times while running it"
            return failed(evolve(ended, crashes=count), error)
        return put_back(evolve(ended, crashes=count))
    ended = with_end(job, "interrupted", now, owner)
    count = job.interruptions + outcome.counted
    if count > limits.max_interruptions:
        return failed(evolve(ended, interruptions=count), f"it was interrupted {count} times")
    return put_back(evolve(ended, interruptions=count))


def _after_error(job: Job, raised: Raised, policy: RetryPolicy, now: datetime) -> Settlement:
    attempt = job.attempts + 1
    failure = AttemptError(attempt, _end_of(job, now), raised.error, job.reserved_at)
    job = evolve(job, errors=(*job.errors, failure)[-KEPT_ERRORS:])
    if raised.retry is False or job.attempts >= policy.max_retries:
        return failed(job, raised.error)
    if isinstance(raised.retry, timedelta):
        delay = raised.retry
    else:
        delay = delay_of(policy.backoff, attempt, policy.random)
    return put_back(evolve(job, attempts=attempt), delay)


def _counted(job: Job | Requeue) -> dict[str, Any]:
    """Return the arguments of `Counted`, which the settlements without success share."""
    return {
        "reservation": job.reservation,
        "attempts": job.attempts,
        "crashes": job.crashes,
        "interruptions": job.interruptions,
        "errors": job.errors,
        "history": job.history,
    }


def failed(job: Job, error: str) -> Fail:
    """Return a settlement that ends a job as failed."""
    return Fail(error=error, **_counted(job))


def put_back(job: Job, delay: timedelta | None = None) -> Requeue:
    """Return a settlement that releases a job; without a delay its `available_at` stays."""
    return Requeue(delay=delay, **_counted(job))


def cancelled_instead(requeue: Requeue, cancelled: Cancelled) -> Cancel:
    """Return the end of a job that an operator cancelled, instead of putting it back."""
    return Cancel(reason=cancelled.reason, by=cancelled.by, **_counted(requeue))


class Discard(Exception):  # noqa: N818 - an instruction to the queue, not an error
    """Raised by a handler to fail its job now, without further retries.

    The job is stored as failed, with `reason` as its error, and the queue emits `JobDiscarded`.

    Args:
        reason: The error of the failed job.
    """

    reason: str = ""
    """The error of the failed job."""  # a default, for subclasses that do not call `__init__`

    def __init__(self, reason: str) -> None:
        self.reason = as_reason(reason)
        super().__init__(reason)


class Snooze(Exception):  # noqa: N818 - an instruction to the queue, not an error
    """Raised by a handler to put its job back for some time, without using a retry.

    The counters of the job do not change, and the queue emits `JobSnoozed`. The store counts
    the delay by its own clock, from when the job is put back.

    Args:
        for_: The delay, as seconds or a `timedelta`; 0 to 36,500 days.

    Raises:
        TypeError: `for_` is neither a number nor a `timedelta`. The attempt fails with it.
        ValueError: `for_` is out of bounds. The attempt fails with it.
    """

    delay: timedelta = timedelta(0)
    """The delay before the job is due again."""  # a default, as in `Discard`

    def __init__(self, *, for_: float | timedelta) -> None:
        self.delay = as_snooze_delay(for_)
        super().__init__(f"for {self.delay}")

    def __reduce__(self) -> "tuple[Callable[[], Snooze], tuple[()]]":
        return partial(Snooze, for_=self.delay), ()


def as_reason(found: object) -> str:
    """Return the reason of a `Discard` as a text; a value of another type as its `ascii`.

    It is not refused, because then the job would be retried.
    """
    return str.__str__(found) if isinstance(found, str) else ascii(found)


def as_snooze_delay(found: float | timedelta) -> timedelta:
    """Return the delay of a `Snooze`; raise `TypeError` or `ValueError` for an invalid one."""
    seconds = found.total_seconds() if isinstance(found, timedelta) else found
    return check_delay("Snooze", seconds)
