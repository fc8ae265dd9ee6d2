"""The metrics: instruments, what each event records, and the sampled queue depth."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Literal, final

from anyio import move_on_after
from attrs import frozen
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from bgjobs import BgJobs, Counts, Job
from bgjobs.errors import LeaseLostError, NotRunningError, StoreError
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
from bgjobs.telemetry.attributes import (
    BGJOBS,
    DESTINATION,
    ERROR_TYPE,
    OPERATION,
    PROCESS,
    SEND,
    SYSTEM,
    Ending,
    messaging,
)


@final
class Metrics:
    """The instruments of one application, except for those that have to be asked for."""

    def __init__(self, meter: Meter) -> None:
        self._sent = SENT.counter(meter)
        self._consumed = CONSUMED.counter(meter)
        self._operations = OPERATIONS.histogram(meter)
        self._processed = PROCESSED.histogram(meter)
        self._jobs = JOBS.counter(meter)
        self._duration = DURATION.histogram(meter)
        self._wait = WAIT.histogram(meter)
        self._lease_lost = LEASE_LOST.counter(meter)
        self._released = RELEASED.counter(meter)
        self._missed = MISSED.counter(meter)
        self._schedule_lag = SCHEDULE_LAG.histogram(meter)
        self._loop_lag = LOOP_LAG.histogram(meter)
        self._listener_errors = LISTENER_ERRORS.counter(meter)
        self._db_errors = DB_ERRORS.counter(meter)

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
            self._schedule_lag.record(late, {"schedule": job.occurrence.plan.name})

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


SHORT: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""Seconds; what the conventions advise."""
LONG: Final = (*SHORT, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Jobs may take, and wait, for longer than messages do."""


@final
@frozen
class Instrument:
    """One metric."""

    kind: Literal["counter", "histogram", "gauge"]
    name: str
    unit: str
    attributes: tuple[str, ...]
    text: str
    buckets: tuple[float, ...] = ()

    def counter(self, meter: Meter) -> Counter:
        """Make it."""
        return meter.create_counter(self.name, self.unit, self.text)

    def histogram(self, meter: Meter) -> Histogram:
        """Make it."""
        return meter.create_histogram(
            self.name, self.unit, self.text, explicit_bucket_boundaries_advisory=self.buckets
        )

    def gauge(self, meter: Meter, observe: Callable[[], Iterable[Observation]]) -> None:
        """Make it; it asks `observe` whenever somebody collects."""

        def asked(_: CallbackOptions) -> Iterable[Observation]:
            return observe()

        meter.create_observable_gauge(self.name, [asked], self.unit, self.text)


_MESSAGE = (SYSTEM, OPERATION, DESTINATION)

SENT = Instrument(
    "counter", "messaging.client.sent.messages", "{message}", _MESSAGE,
    "Jobs that were enqueued in this process.",
)  # fmt: skip
CONSUMED = Instrument(
    "counter", "messaging.client.consumed.messages", "{message}", _MESSAGE,
    "Attempts whose handler was called.",
)  # fmt: skip
OPERATIONS = Instrument(
    "histogram", "messaging.client.operation.duration", "s", (SYSTEM, OPERATION),
    "How long a call of the store took that succeeded; its verb is the operation.", SHORT,
)  # fmt: skip
PROCESSED = Instrument(
    "histogram", "messaging.process.duration", "s", (*_MESSAGE, ERROR_TYPE),
    "How long an attempt took.", SHORT,
)  # fmt: skip
JOBS = Instrument(
    "counter", "bgjobs.jobs", "{job}", ("queue", "kind", "outcome"),
    "Attempts and jobs that ended, by what became of them.",
)  # fmt: skip
DURATION = Instrument(
    "histogram", "bgjobs.job.duration", "s", ("queue", "kind", "outcome"),
    "How long an attempt took.", LONG,
)  # fmt: skip
WAIT = Instrument(
    "histogram", "bgjobs.queue.wait", "s", ("queue", "kind"),
    "How long a job was due before it was reserved, for each attempt.", LONG,
)  # fmt: skip
DEPTH = Instrument(
    "gauge", "bgjobs.queue.depth", "{job}", ("state",),
    "Jobs in the database, of all processes; only with `observe`.",
)  # fmt: skip
OLDEST = Instrument(
    "gauge", "bgjobs.oldest_ready_age", "s", (),
    "How long the job has been due that has waited longest for the queues of this process; "
    "only with `observe`.",
)  # fmt: skip
LEASE_LOST = Instrument(
    "counter", "bgjobs.lease.lost", "{lease}", ("queue",),
    "Queues that could not renew their lease and started anew.",
)  # fmt: skip
RELEASED = Instrument(
    "counter", "bgjobs.released_by_monitor", "{job}", ("kind",),
    "Jobs of dead owners that were put back.",
)  # fmt: skip
MISSED = Instrument(
    "counter", "bgjobs.schedule.missed", "{occurrence}", ("schedule",),
    "Occurrences of a scheduled job that passed without a run of their own.",
)  # fmt: skip
SCHEDULE_LAG = Instrument(
    "histogram", "bgjobs.schedule.lag", "s", ("schedule",),
    "How long after its occurrence a run was reserved; not for its retries.", LONG,
)  # fmt: skip
LOOP_LAG = Instrument(
    "histogram", "bgjobs.loop.lag", "s", ("kind",),
    "How late the event loop was, each time by more than a second; `kind` is the worker whose "
    "handler was seen to block it.", LONG,
)  # fmt: skip
LISTENER_ERRORS = Instrument(
    "counter", "bgjobs.listener.errors", "{error}", ("listener",),
    "Errors that listeners raised.",
)  # fmt: skip
DB_ERRORS = Instrument(
    "counter", "bgjobs.db.errors", "{error}", ("class",),
    "Calls of the store that raised, by the class of the error.",
)  # fmt: skip

INSTRUMENTS: Final = (
    SENT, CONSUMED, OPERATIONS, PROCESSED, JOBS, DURATION, WAIT, DEPTH, OLDEST, LEASE_LOST,
    RELEASED, MISSED, SCHEDULE_LAG, LOOP_LAG, LISTENER_ERRORS, DB_ERRORS,
)  # fmt: skip


@final
@frozen
class Answer:
    """What the database said."""

    counts: Counts
    due_in: timedelta | None


@final
class Depth:
    """Keeps the last answer for whoever collects; none when nobody asks, or none comes."""

    def __init__(self, meter: Meter) -> None:
        self._answer: Answer | None = None
        DEPTH.gauge(meter, self._depth)
        OLDEST.gauge(meter, self._oldest)

    async def observe(self, bg: BgJobs, every: float) -> None:
        """Ask now, and again every so many seconds, until the application stops."""
        try:
            with suppress(NotRunningError):
                while True:
                    await self._ask(bg)
                    with move_on_after(every):
                        await bg.wait_stopping()
                        return
        finally:
            self._answer = None

    async def _ask(self, bg: BgJobs) -> None:
        try:
            self._answer = Answer(await bg.admin.count(), await bg.next_due())
        except StoreError:  # told as StoreFailed, and counted
            self._answer = None

    def _depth(self) -> Iterable[Observation]:
        if self._answer is None:
            return
        counts = self._answer.counts
        yield Observation(counts.due, {"state": "waiting"})
        yield Observation(counts.delayed, {"state": "delayed"})
        yield Observation(counts.reserved, {"state": "running"})
        yield Observation(counts.succeeded, {"state": "succeeded"})
        yield Observation(counts.failed, {"state": "failed"})

    def _oldest(self) -> Iterable[Observation]:
        if self._answer is not None:
            due_in = self._answer.due_in or timedelta(0)
            yield Observation(max(0.0, -due_in.total_seconds()))
