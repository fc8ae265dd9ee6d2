"""What is counted and measured of each event."""

from datetime import datetime
from typing import final

from opentelemetry.metrics import Meter

from bgjobs import Job
from bgjobs.errors import LeaseLostError
from bgjobs.events import (
    ChildCrashed,
    JobEnqueued,
    JobStarted,
    ListenerFailed,
    LoopLag,
    MonitorFailed,
    MonitorReleased,
    OccurrencesMissed,
    StoreFailed,
    StoreResponded,
)
from bgjobs.telemetry import instruments
from bgjobs.telemetry.endings import Ending
from bgjobs.telemetry.names import (
    BGJOBS,
    ERROR_TYPE,
    OPERATION,
    PROCESS,
    SEND,
    SYSTEM,
    messaging,
)


@final
class Metrics:
    """The instruments of one application, except for those that have to be asked for."""

    def __init__(self, meter: Meter) -> None:
        self._sent = instruments.SENT.counter(meter)
        self._consumed = instruments.CONSUMED.counter(meter)
        self._operations = instruments.OPERATIONS.histogram(meter)
        self._processed = instruments.PROCESSED.histogram(meter)
        self._jobs = instruments.JOBS.counter(meter)
        self._duration = instruments.DURATION.histogram(meter)
        self._wait = instruments.WAIT.histogram(meter)
        self._lease_lost = instruments.LEASE_LOST.counter(meter)
        self._released = instruments.RELEASED.counter(meter)
        self._missed = instruments.MISSED.counter(meter)
        self._schedule_lag = instruments.SCHEDULE_LAG.histogram(meter)
        self._loop_lag = instruments.LOOP_LAG.histogram(meter)
        self._listener_errors = instruments.LISTENER_ERRORS.counter(meter)
        self._db_errors = instruments.DB_ERRORS.counter(meter)

    def enqueued(self, event: JobEnqueued) -> None:
        """Count a job that was stored."""
        self._sent.add(1, messaging(SEND, event.job.name))

    def started(self, event: JobStarted) -> None:
        """Count an attempt, and measure how late it is.

        Both instants are the database's, so that the clock of this machine does not matter.
        """
        job = event.job
        self._consumed.add(1, messaging(PROCESS, job.name))
        if job.reserved_at is None:
            return
        late = _seconds(job.available_at, job.reserved_at)
        self._wait.record(late, {"queue": event.queue, "kind": job.name})
        if job.occurrence is not None and not job.attempts:
            late = _seconds(job.occurrence.at, job.reserved_at)
            self._schedule_lag.record(late, {"schedule": job.occurrence.recurrence.name})

    def took(self, queue: str, job: Job, ending: Ending, seconds: float) -> None:
        """Measure how long an attempt took."""
        processed = messaging(PROCESS, job.name)
        if ending.error_type is not None:
            processed[ERROR_TYPE] = ending.error_type
        self._processed.record(seconds, processed)
        self._duration.record(seconds, _ended(queue, job, ending.outcome))

    def ended(self, queue: str, job: Job, ending: Ending) -> None:
        """Count how an attempt ended."""
        self._jobs.add(1, _ended(queue, job, ending.outcome))

    def monitor_failed(self, event: MonitorFailed) -> None:
        """Count a job that failed without an attempt; its queue is not told."""
        self._jobs.add(1, {"kind": event.job.name, "outcome": "failed"})

    def monitor_released(self, event: MonitorReleased) -> None:
        """Count a job that a dead owner had."""
        self._released.add(1, {"kind": event.job.name})

    def missed(self, event: OccurrencesMissed) -> None:
        """Count occurrences without a run."""
        self._missed.add(event.count, {"schedule": event.scheduled_job})

    def crashed(self, event: ChildCrashed) -> None:
        """Count a lost lease."""
        if isinstance(event.error, LeaseLostError):
            self._lease_lost.add(1, {"queue": event.error.queue})

    def lagged(self, event: LoopLag) -> None:
        """Measure how late the event loop was."""
        kind = {} if event.worker is None else {"kind": event.worker}
        self._loop_lag.record(event.seconds, kind)

    def listener_failed(self, event: ListenerFailed) -> None:
        """Count a listener's error."""
        self._listener_errors.add(1, {"listener": event.listener})

    def store_responded(self, event: StoreResponded) -> None:
        """Measure a call of the store."""
        self._operations.record(event.seconds, {SYSTEM: BGJOBS, OPERATION: event.verb})

    def store_failed(self, event: StoreFailed) -> None:
        """Count a call of the store that raised."""
        self._db_errors.add(1, {"class": type(event.error).__name__})


def _ended(queue: str, job: Job, outcome: str) -> dict[str, str]:
    return {"queue": queue, "kind": job.name, "outcome": outcome}


def _seconds(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())
