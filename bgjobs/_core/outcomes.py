"""How a run ended, and what that means for the job: one pure decision.

Three counters with three limits: `attempts` counts handlers that raised, `crashes` counts
owners that died while holding the job, `interruptions` counts shutdowns that handed it back.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import final

from attrs import evolve, field, frozen

from bgjobs._core.arguments import check_whole
from bgjobs._core.jobs import CANCELLED, AttemptError, Job
from bgjobs._core.settlements import Drop, Fail, Requeue, Settlement, Succeed
from bgjobs._core.timestamps import check_delay
from bgjobs.backoff import Backoff, delay_of

KEPT_ERRORS = 20
"""How many errors of earlier attempts a row keeps; more would let a row grow without end."""


@final
@frozen
class Returned:
    """The handler returned."""


@final
@frozen
class Raised:
    """The handler raised, ran out of time, or could not be called with the payload."""

    error: str = field(repr=False)


@final
@frozen
class Discarded:
    """The handler raised `Discard`."""

    reason: str = field(repr=False)


@final
@frozen
class Cancelled:
    """An operator has cancelled it."""

    reason: str = field(repr=False)


@final
@frozen
class Snoozed:
    """The handler raised `Snooze`."""

    delay: timedelta


@final
@frozen
class Unstarted:
    """The job was reserved, but the handler was not called, nor will it be now."""


@final
@frozen
class Interrupted:
    """The queue stopped and the handler was cancelled."""


@final
@frozen
class Crashed:
    """The owner died while it held the job."""


@final
@frozen
class TooLate:
    """The handler was not called: the job's time has passed."""


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
    """How often a job may crash or be interrupted; these hold for all queues."""

    max_crashes: int = 3
    """How often its process may die while running it; once more, and the job fails."""
    max_interruptions: int = 100
    """How often a shutdown may hand it back unfinished; once more, and the job fails."""

    def __attrs_post_init__(self) -> None:
        check_whole("Limits: max_crashes", self.max_crashes, least=0)
        check_whole("Limits: max_interruptions", self.max_interruptions, least=0)


@final
@frozen(kw_only=True)
class RetryPolicy:
    """How often a job is tried, and how long it waits in between."""

    max_retries: int
    backoff: Backoff
    random: Random = field(factory=Random, eq=False, repr=False)


def settle(
    job: Job, outcome: Outcome, policy: RetryPolicy, limits: Limits, now: datetime
) -> Settlement:
    """Decide what is written about `job`, which is reserved, when its run ended so."""
    match outcome:
        case Returned() | TooLate():
            end = Succeed if isinstance(outcome, Returned) else Drop
            return end(job.reservation)
        case Raised(error):
            return _after_error(job, error, policy, now)
        case Discarded(reason) | Cancelled(reason):
            begin = CANCELLED if isinstance(outcome, Cancelled) else ""
            return _fail(job, begin + reason)
        case Snoozed(delay):
            return put_back(job, delay)
        case Unstarted():
            return put_back(job)
        case Interrupted() | Crashed():
            return settle_unfinished(job, outcome, limits)


def is_suspect(job: Job, limits: Limits) -> bool:
    """Say whether one more crash would be its last, so that it must not run beside another.

    Who killed a process is unknown: all that it held count a crash. Run one by one at the end,
    the innocent get through, and only the culprit is used up.
    """
    return 0 < limits.max_crashes <= job.crashes


def settle_unfinished(
    job: Job, outcome: Interrupted | Crashed, limits: Limits
) -> Fail | Requeue:
    """Decide about a run that never came to its end."""
    if isinstance(outcome, Crashed):
        job = evolve(job, crashes=job.crashes + 1)
        if job.crashes > limits.max_crashes:
            return _fail(job, f"its worker died {job.crashes} times while running it")
    else:
        job = evolve(job, interruptions=job.interruptions + 1)
        if job.interruptions > limits.max_interruptions:
            return _fail(job, f"it was interrupted {job.interruptions} times")
    return put_back(job)


def _after_error(job: Job, error: str, policy: RetryPolicy, now: datetime) -> Settlement:
    attempt = job.attempts + 1
    failure = AttemptError(attempt, now, error, job.reserved_at)
    job = evolve(job, errors=(*job.errors, failure)[-KEPT_ERRORS:])
    if job.attempts >= policy.max_retries:
        return _fail(job, error)
    delay = delay_of(policy.backoff, attempt, policy.random)
    return put_back(evolve(job, attempts=attempt), delay)


def _fail(job: Job, error: str) -> Fail:
    return Fail(
        reservation=job.reservation,
        error=error,
        attempts=job.attempts,
        crashes=job.crashes,
        interruptions=job.interruptions,
        errors=job.errors,
    )


def cancelled_instead(put_back: Requeue, reason: str) -> Fail:
    """End a job that was to be put back, because an operator has cancelled it meanwhile."""
    return Fail(
        reservation=put_back.reservation,
        error=CANCELLED + reason,
        attempts=put_back.attempts,
        crashes=put_back.crashes,
        interruptions=put_back.interruptions,
        errors=put_back.errors,
    )


def put_back(job: Job, delay: timedelta | None = None) -> Requeue:
    """Give a job back as it is; without a delay it stays due when it was."""
    return Requeue(
        reservation=job.reservation,
        attempts=job.attempts,
        crashes=job.crashes,
        interruptions=job.interruptions,
        errors=job.errors,
        delay=delay,
    )


class Discard(Exception):  # noqa: N818 - an order to the queue, not an error
    """Raise it in a handler to fail the job at once, whatever retries are left."""

    reason: str = ""
    """Also that of a subclass which calls no `__init__` of ours."""

    def __init__(self, reason: str) -> None:
        self.reason = as_reason(reason)
        super().__init__(reason)


class Snooze(Exception):  # noqa: N818 - an order to the queue, not an error
    """Raise it in a handler to put the job back for a while without spending an attempt."""

    delay: timedelta = timedelta(0)
    """Also that of a subclass which calls no `__init__` of ours."""

    def __init__(self, *, for_: float | timedelta) -> None:
        self.delay = as_snooze_delay(for_)
        super().__init__(f"for {self.delay}")

    def __reduce__(self) -> "tuple[Callable[[], Snooze], tuple[()]]":
        return partial(Snooze, for_=self.delay), ()


def as_reason(found: object) -> str:
    """Return the reason of a `Discard` as a text, whatever it is.

    An order is never refused: then the job would be tried again, against the order.
    """
    return str.__str__(found) if isinstance(found, str) else ascii(found)


def as_snooze_delay(found: float | timedelta) -> timedelta:
    """Return the delay of a `Snooze`; `TypeError` or `ValueError` for what is none."""
    seconds = found.total_seconds() if isinstance(found, timedelta) else found
    return check_delay("Snooze", seconds)
