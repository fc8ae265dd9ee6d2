"""What a queue reports to listeners about the ends of runs."""

from datetime import timedelta

from bgjobs._core.jobs import Job
from bgjobs._core.outcomes import Discarded, Outcome, Snoozed
from bgjobs._core.settlements import Cancel, Drop, Fail, Requeue, Settlement, Succeed
from bgjobs._runtime.bus import Bus, callback_error
from bgjobs._runtime.queues.state import QueueState
from bgjobs._runtime.worker_services import WorkerServices
from bgjobs.events import (
    JobAttemptFailed,
    JobCancelled,
    JobDiscarded,
    JobFailed,
    JobReleased,
    JobSnoozed,
    JobSucceeded,
    QueueError,
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
        case _, Cancel(reason=reason, by=by):
            bus.emit(JobCancelled, queue, job, reason, by)
        case Snoozed(delay), _:
            bus.emit(JobSnoozed, queue, job, delay)
        case _, Fail(error=error):
            bus.emit_failure(JobFailed, queue, job, error)
        case _, Drop():
            pass  # the planner emits OccurrencesMissed
        case _, Requeue():
            _report_requeue(bus, queue, job, settlement)


def _report_requeue(bus: Bus, queue: str, job: Job, put_back: Requeue) -> None:
    if put_back.attempts == job.attempts:
        bus.emit(JobReleased, queue, job)
    else:
        delay = put_back.delay or timedelta(0)
        bus.emit(JobAttemptFailed, queue, job, put_back.errors[-1].error, delay)


def report_callback(
    queue: QueueState, services: WorkerServices, job: Job, callback: str, error: BaseException
) -> None:
    """Emit what a user's function raised that decides about a failed attempt of this job."""
    bus = services.planner.bus_for(job, queue.bus)
    bus.emit(QueueError, queue.name, callback_error(callback, error))
