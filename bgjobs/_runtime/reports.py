"""Which event tells of which end of a run."""

from datetime import timedelta

from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import Cancelled, Discarded, Outcome, Snoozed
from bgjobs._core.settlements import Drop, Fail, Requeue, Settlement, Succeed
from bgjobs._runtime.bus import Bus
from bgjobs.events import (
    JobAttemptFailed,
    JobCancelled,
    JobDiscarded,
    JobFailed,
    JobReleased,
    JobSnoozed,
    JobSucceeded,
)


def report_end(
    bus: Bus, queue: str, job: Job, outcome: Outcome, settlement: Settlement, seconds: float
) -> None:
    """Emit how a run ended, after it is committed."""
    match outcome, settlement:
        case _, Succeed():
            bus.emit(JobSucceeded, queue, job, seconds)
        case Discarded(reason), _:
            bus.emit(JobDiscarded, queue, job, reason)
        case Cancelled(reason), _:
            bus.emit(JobCancelled, queue, job, reason)
        case Snoozed(delay), _:
            bus.emit(JobSnoozed, queue, job, delay)
        case _, Fail(error=error):
            bus.emit_failure(JobFailed, queue, job, error)
        case _, Drop():
            pass  # told as missed, by the planner
        case _, Requeue():
            _report_requeue(bus, queue, job, settlement)


def _report_requeue(bus: Bus, queue: str, job: Job, put_back: Requeue) -> None:
    if put_back.attempts == job.attempts:
        bus.emit(JobReleased, queue, job)
    else:
        delay = put_back.delay or timedelta(0)
        bus.emit(JobAttemptFailed, queue, job, put_back.errors[-1].error, delay)
