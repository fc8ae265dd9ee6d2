"""`Telemetry`: the listener that traces and measures, and the hook that stamps requests."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any, final

from attrs import evolve
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import TracerProvider, get_tracer

from bgjobs import BgJobs, Config, JobRequest
from bgjobs._core.arguments import (
    LONGEST_WAIT,
    check_flag,
    check_request,
    check_seconds,
    check_type,
)
from bgjobs.events import (
    ChildCrashed,
    Event,
    JobEnqueued,
    JobProgressed,
    JobStarted,
    JobSucceeded,
    ListenerFailed,
    LoopLag,
    MonitorFailed,
    MonitorReleased,
    OccurrencesMissed,
    QueueStopped,
    StoreFailed,
    StoreResponded,
)
from bgjobs.telemetry.attributes import BGJOBS, CUT_OFF, OUTCOMES, EndEvent, attempt_end
from bgjobs.telemetry.metrics import Metrics, QueueDepth
from bgjobs.telemetry.spans import Spans


@final
class Telemetry:
    """Traces and metrics for OpenTelemetry: ``bgjobs.run(telemetry.instrument(config))``.

    Each attempt has a span, which links to the span in which its job was enqueued, in the same
    or another process. The span is current while the handler runs, async or in a thread. Events
    feed the metrics, which docs/operate/telemetry.md lists. The names follow the OpenTelemetry
    conventions for messaging (https://opentelemetry.io/docs/specs/semconv/messaging/).

    Spans and metrics contain no payloads.

    Args:
        tracer_provider: The provider of the spans; without one, the global provider, also if
            the application sets it later.
        meter_provider: The provider of the metrics; without one, the global provider, likewise.
        error_texts: Add the text and the traceback of an exception to the span of its attempt.
            They may quote arguments.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        error_texts: bool = False,
    ) -> None:
        if tracer_provider is not None:
            check_type("tracer_provider", tracer_provider, TracerProvider)
        if meter_provider is not None:
            check_type("meter_provider", meter_provider, MeterProvider)
        check_flag("error_texts", error_texts)
        tracer = get_tracer(BGJOBS, version(BGJOBS), tracer_provider)
        meter = get_meter(BGJOBS, version(BGJOBS), meter_provider)
        self._spans = Spans(tracer, error_texts=error_texts)
        self._metrics = Metrics(meter)
        self._depth = QueueDepth(meter)
        self._actions = self._by_event()

    def __call__(self, event: Event) -> None:
        """Record an event; a `Telemetry` is a listener."""
        action = self._actions.get(type(event))
        if action is not None:
            action(event)

    def stamp(self, request: JobRequest) -> JobRequest:
        """Return the request with the trace context in its metadata, for `before_enqueue`.

        The context of a new `create` span is stored as the headers `traceparent` and
        `tracestate` of https://www.w3.org/TR/trace-context/. Call `stamp` yourself for requests
        that you pass to the `enqueue_in` of a store. A request whose metadata has no room for
        the headers is returned as it is, and a warning is logged.
        """
        check_request(request, "stamp: ")
        return self._spans.stamp(request)

    def instrument(self, config: Config) -> Config:
        """Return the configuration with this `Telemetry` as a listener and `stamp` as a hook.

        It becomes the first listener, so the other listeners receive `JobStarted` inside the
        span. A `before_enqueue` of the configuration is called before `stamp`.
        """
        check_type("instrument", config, Config, "a Config")
        before = config.before_enqueue
        stamp = self.stamp if before is None else _in_turn(before, self.stamp)
        return evolve(config, listeners=(self, *config.listeners), before_enqueue=stamp)

    async def observe(self, bg: BgJobs, *, every: float = 15.0) -> None:
        """Sample the depth of the queues until the application stops.

        Run it as a task inside the block of `run`. It counts rows, so one process is enough. If
        it is cancelled, the gauges have no value from then on.

        Args:
            bg: The running application.
            every: Seconds between two samples.
        """
        check_seconds("observe: every", every, above_0=True, most=LONGEST_WAIT)
        check_type("observe", bg, BgJobs, "a running BgJobs")
        await self._depth.observe(bg, every)

    def _by_event(self) -> dict[type, Callable[[Any], None]]:
        # Any: each function is called with the events of its own class only.
        metrics = self._metrics
        return {
            **dict.fromkeys(OUTCOMES, self._ended),
            JobEnqueued: metrics.enqueued,
            JobStarted: self._started,
            JobProgressed: self._spans.progressed,
            QueueStopped: self._queue_stopped,
            MonitorFailed: metrics.monitor_failed,
            MonitorReleased: metrics.monitor_released,
            OccurrencesMissed: metrics.missed,
            ChildCrashed: metrics.crashed,
            LoopLag: metrics.lagged,
            ListenerFailed: metrics.listener_failed,
            StoreResponded: metrics.store_responded,
            StoreFailed: metrics.store_failed,
        }

    def _started(self, event: JobStarted) -> None:
        self._spans.start(event)
        self._metrics.started(event)

    def _ended(self, event: EndEvent) -> None:
        end = attempt_end(event)
        ran = event.seconds if isinstance(event, JobSucceeded) else None
        seconds = self._spans.end(event.job, end, ran)
        if seconds is not None:
            self._metrics.attempt_duration(event.queue, event.job, end, seconds)
        self._metrics.attempt_ended(event.queue, event.job, end)

    def _queue_stopped(self, event: QueueStopped) -> None:
        for begun in self._spans.open_of(event.owner):
            seconds = self._spans.end(begun.job, CUT_OFF)
            if seconds is not None:
                self._metrics.attempt_duration(begun.queue, begun.job, CUT_OFF, seconds)


def _in_turn(
    first: Callable[[JobRequest], JobRequest], then: Callable[[JobRequest], JobRequest]
) -> Callable[[JobRequest], JobRequest]:
    return lambda request: then(first(request))
