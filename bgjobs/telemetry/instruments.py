"""All metrics, as one table: docs/operate/telemetry.md has the same one for people.

Those of the first kind have the names of OpenTelemetry's conventions; the others come out of a
Prometheus exporter as ``bgjobs_jobs_total``, ``bgjobs_job_duration_seconds`` and so on.
"""

from collections.abc import Callable, Iterable
from typing import Final, Literal, final

from attrs import frozen
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from bgjobs.telemetry.names import DESTINATION, ERROR_TYPE, OPERATION, SYSTEM

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
