"""The metrics: instruments, what each event records, and the sampled queue depth.

docs/operate/telemetry.md shows the same table to users. ``messaging.*`` are names of the
OpenTelemetry conventions (https://opentelemetry.io/docs/specs/semconv/messaging/). A Prometheus
exporter shows the others as ``bgjobs_jobs_total``, ``bgjobs_job_duration_seconds`` and so on.
"""

from collections import Counter as Totals
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Literal, final, get_args

from anyio import move_on_after
from attrs import frozen
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from bgjobs import BgJobs, Counts, Job
from bgjobs._core.jobs import EndState, LiveState
from bgjobs.errors import (
    LeaseLostError,
    NotRunningError,
    StoreError,
    StoreUnavailableError,
)
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
    AttemptEnd,
    messaging,
)

SHORT: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""Bucket boundaries in seconds, as the conventions recommend."""
LONG: Final = (*SHORT, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Bucket boundaries in seconds for jobs, which may run and wait longer than messages."""


@final
@frozen
class Instrument:
    """The definition of one metric."""

    kind: Literal["counter", "histogram", "gauge"]
    name: str
    unit: str
    attributes: tuple[str, ...]
    text: str
    buckets: tuple[float, ...] = ()

    def counter(self, meter: Meter) -> Counter:
        """Create the counter."""
        return meter.create_counter(self.name, self.unit, self.text)

    def histogram(self, meter: Meter) -> Histogram:
        """Create the histogram."""
        return meter.create_histogram(
            self.name, self.unit, self.text, explicit_bucket_boundaries_advisory=self.buckets
        )

    def gauge(self, meter: Meter, observe: Callable[[], Iterable[Observation]]) -> None:
        """Create the gauge, which calls `observe` at each collection."""

        def collect(_: CallbackOptions) -> Iterable[Observation]:
            return observe()

        meter.create_observable_gauge(self.name, [collect], self.unit, self.text)


_MESSAGE = (SYSTEM, OPERATION, DESTINATION)

SENT = Instrument(
    "counter", "messaging.client.sent.messages", "{message}", _MESSAGE,
    "Jobs enqueued by this process.",
)  # fmt: skip
CONSUMED = Instrument(
    "counter", "messaging.client.consumed.messages", "{message}", _MESSAGE,
    "Attempts whose handler was called.",
)  # fmt: skip
OPERATIONS = Instrument(
    "histogram", "messaging.client.operation.duration", "s", (SYSTEM, OPERATION),
    "Duration of successful calls of the store; the operation is the method called.", SHORT,
)  # fmt: skip
PROCESSED = Instrument(
    "histogram", "messaging.process.duration", "s", (*_MESSAGE, ERROR_TYPE),
    "Duration of attempts.", SHORT,
)  # fmt: skip
JOBS = Instrument(
    "counter", "bgjobs.jobs", "{job}", ("queue", "worker", "outcome"),
    "Attempts and jobs that ended, by outcome.",
)  # fmt: skip
DURATION = Instrument(
    "histogram", "bgjobs.job.duration", "s", ("queue", "worker", "outcome"),
    "Duration of attempts.", LONG,
)  # fmt: skip
WAIT = Instrument(
    "histogram", "bgjobs.queue.wait", "s", ("queue", "worker"),
    "Time from when a job was due until it was reserved, for each attempt.", LONG,
)  # fmt: skip
DEPTH = Instrument(
    "gauge", "bgjobs.queue.depth", "{job}", ("state",),
    "Jobs in the database, of all processes; needs `observe`.",
)  # fmt: skip
WAITS = Instrument(
    "gauge", "bgjobs.queue.waiting_for_children", "{job}", ("queue",),
    "Running jobs that wait for children and hold no slot, of all processes; needs `observe`.",
)  # fmt: skip
OLDEST = Instrument(
    "gauge", "bgjobs.oldest_ready_age", "s", (),
    "Time since the oldest waiting job of the queues of this process was due; needs `observe`.",
)  # fmt: skip
LEASE_LOST = Instrument(
    "counter", "bgjobs.lease.lost", "{lease}", ("queue",),
    "Queues that restarted because their lease had ended.",
)  # fmt: skip
RELEASED = Instrument(
    "counter", "bgjobs.released_by_monitor", "{job}", ("worker",),
    "Jobs of dead processes that were put back.",
)  # fmt: skip
MISSED = Instrument(
    "counter", "bgjobs.schedule.missed", "{occurrence}", ("schedule",),
    "Occurrences of a scheduled job that passed without a run of their own.",
)  # fmt: skip
SCHEDULE_LAG = Instrument(
    "histogram", "bgjobs.schedule.lag", "s", ("schedule",),
    "Time from an occurrence until its run was reserved, without retries.", LONG,
)  # fmt: skip
LOOP_LAG = Instrument(
    "histogram", "bgjobs.loop.lag", "s", ("worker",),
    "Delays of the event loop of more than a second; `worker` is the one whose handler "
    "blocked it, if known.", LONG,
)  # fmt: skip
LISTENER_ERRORS = Instrument(
    "counter", "bgjobs.listener.errors", "{error}", ("listener",),
    "Exceptions raised by listeners.",
)  # fmt: skip
DB_ERRORS = Instrument(
    "counter", "bgjobs.db.errors", "{error}", ("class",),
    "Calls of the store that raised, by the class of the exception.",
)  # fmt: skip

INSTRUMENTS: Final = (
    SENT, CONSUMED, OPERATIONS, PROCESSED, JOBS, DURATION, WAIT, DEPTH, WAITS, OLDEST,
    LEASE_LOST, RELEASED, MISSED, SCHEDULE_LAG, LOOP_LAG, LISTENER_ERRORS, DB_ERRORS,
)  # fmt: skip


@final
class Metrics:
    """The instruments of one application that events record into."""

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
        """Count a stored job."""
        self._sent.add(1, messaging(SEND, event.job.name))

    def started(self, event: JobStarted) -> None:
        """Count an attempt and record how long its job waited.

        Both timestamps come from the clock of the database, so the clock of this machine does
        not matter.
        """
        job = event.job
        self._consumed.add(1, messaging(PROCESS, job.name))
        if job.reserved_at is None:
            return
        waited = _seconds(job.available_at, job.reserved_at)
        self._wait.record(waited, {"queue": event.queue, "worker": job.name})
        if job.occurrence is not None and not job.attempts:
            late = _seconds(job.occurrence.at, job.reserved_at)
            self._schedule_lag.record(late, {"schedule": job.occurrence.recurrence.name})

    def attempt_duration(self, queue: str, job: Job, end: AttemptEnd, seconds: float) -> None:
        """Record how long an attempt took."""
        processed = messaging(PROCESS, job.name)
        if end.error_type is not None:
            processed[ERROR_TYPE] = end.error_type
        self._processed.record(seconds, processed)
        self._duration.record(seconds, _labels(queue, job, end))

    def attempt_ended(self, queue: str, job: Job, end: AttemptEnd) -> None:
        """Count an outcome."""
        self._jobs.add(1, _labels(queue, job, end))

    def monitor_failed(self, event: MonitorFailed) -> None:
        """Count a job that failed without an attempt; the event does not name its queue."""
        self._jobs.add(1, {"worker": event.job.name, "outcome": "failed"})

    def monitor_released(self, event: MonitorReleased) -> None:
        """Count a job that was put back after its process had died."""
        self._released.add(1, {"worker": event.job.name})

    def missed(self, event: OccurrencesMissed) -> None:
        """Count missed occurrences."""
        self._missed.add(event.count, {"schedule": event.scheduled_job})

    def crashed(self, event: ChildCrashed) -> None:
        """Count a lost lease; ignore other crashes."""
        if isinstance(event.error, LeaseLostError):
            self._lease_lost.add(1, {"queue": event.error.queue})

    def lagged(self, event: LoopLag) -> None:
        """Record a delay of the event loop."""
        labels = {} if event.worker is None else {"worker": event.worker}
        self._loop_lag.record(event.seconds, labels)

    def listener_failed(self, event: ListenerFailed) -> None:
        """Count an exception of a listener."""
        self._listener_errors.add(1, {"listener": event.listener})

    def store_responded(self, event: StoreResponded) -> None:
        """Record the duration of a call of the store."""
        self._operations.record(event.seconds, {SYSTEM: BGJOBS, OPERATION: event.verb})

    def store_failed(self, event: StoreFailed) -> None:
        """Count a call of the store that raised."""
        self._db_errors.add(1, {"class": type(event.error).__name__})


def _labels(queue: str, job: Job, end: AttemptEnd) -> dict[str, str]:
    labels = {"worker": job.name, "outcome": end.outcome}
    return {"queue": queue, **labels} if queue else labels  # that of a dead process


def _seconds(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())


@final
@frozen
class DepthSample:
    """What the database answered."""

    counts: Counts
    due_in: timedelta | None
    waits: Mapping[str, int]
    """How many jobs of each queue wait for children."""


@final
class QueueDepth:
    """The gauges that no event can feed: they are sampled from the database.

    They have no value while nothing samples or the database does not answer.
    """

    def __init__(self, meter: Meter) -> None:
        self._sample: DepthSample | None = None
        DEPTH.gauge(meter, self._depth)
        WAITS.gauge(meter, self._waits)
        OLDEST.gauge(meter, self._oldest)

    async def observe(self, bg: BgJobs, every: float) -> None:
        """Sample now and every so many seconds, until the application stops."""
        try:
            with suppress(NotRunningError):
                while True:
                    await self._take_sample(bg)
                    with move_on_after(every):
                        await bg.wait_stopping()
                        return
        finally:
            self._sample = None

    async def _take_sample(self, bg: BgJobs) -> None:
        try:
            counts, due_in = await bg.count(), await bg.next_due()
            self._sample = DepthSample(counts, due_in, await _read_waits(bg))
        except StoreError:  # the event StoreFailed has counted it
            self._sample = None

    def _depth(self) -> Iterable[Observation]:
        if self._sample is None:
            return
        for state in (*get_args(LiveState), *get_args(EndState)):
            yield Observation(getattr(self._sample.counts, state), {"state": state})

    def _waits(self) -> Iterable[Observation]:
        if self._sample is not None:
            for queue, count in self._sample.waits.items():
                yield Observation(count, {"queue": queue})

    def _oldest(self) -> Iterable[Observation]:
        if self._sample is not None:
            due_in = self._sample.due_in or timedelta(0)
            yield Observation(max(0.0, -due_in.total_seconds()))


async def _read_waits(bg: BgJobs) -> Mapping[str, int]:
    """Return how many jobs of each queue wait; none if the store has no operations."""
    try:
        owners = await bg.admin.owners()
    except StoreUnavailableError:
        raise
    except StoreError:
        return {}
    waits = Totals[str]()
    for one in owners:
        waits[one.name] += one.waiting
    return waits
