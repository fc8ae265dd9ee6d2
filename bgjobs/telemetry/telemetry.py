"""`Telemetry`: a listener that traces and measures, and what stamps requests for it."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any, final

from attrs import evolve
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import TracerProvider, get_tracer

from bgjobs import BgJobs, Config, JobRequest
from bgjobs.events import (
    ChildCrashed,
    Event,
    JobEnqueued,
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
from bgjobs.expecting import (
    LONGEST_WAIT,
    check_flag,
    check_request,
    check_seconds,
    check_type,
)
from bgjobs.telemetry.attributes import BGJOBS, CUT_OFF, OUTCOMES, JobEnded, ending_of
from bgjobs.telemetry.metrics import Depth, Metrics
from bgjobs.telemetry.spans import Spans


@final
class Telemetry:
    """Traces and metrics for OpenTelemetry: ``bgjobs.run(telemetry.instrument(config))``.

    An attempt has a span that links to the span in which its job was enqueued, in whatever
    process. It is current while the handler runs, async or in a thread. Metrics are counted
    from events; `docs/operate/telemetry.md` lists them. Neither shows a payload, nor the text
    of an error unless `error_texts` asks for it, in the spans: such a text may quote arguments.

    Without providers it uses those that the application has set, whenever it does.
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
        self._depth = Depth(meter)
        self._heard = self._by_event()

    def __call__(self, event: Event) -> None:
        """Hear an event. A listener, therefore."""
        hear = self._heard.get(type(event))
        if hear is not None:
            hear(event)

    def stamp(self, request: JobRequest) -> JobRequest:
        """Let a request carry the trace context in its metadata; for `before_enqueue`.

        Call it yourself for a request that you give to a store's `enqueue_in`.
        """
        check_request(request, "stamp: ")
        return self._spans.stamp(request)

    def instrument(self, config: Config) -> Config:
        """Give the configuration with this as its first listener, and with `stamp`.

        First, so that the other listeners hear of a start inside the span. What is in
        `before_enqueue` already goes before `stamp`.
        """
        check_type("instrument", config, Config, "a Config")
        before = config.before_enqueue
        stamp = self.stamp if before is None else _in_turn(before, self.stamp)
        return evolve(config, listeners=(self, *config.listeners), before_enqueue=stamp)

    async def observe(self, bg: BgJobs, *, every: float = 15.0) -> None:
        """Measure what no event tells, how much waits, until the application stops.

        Run it as a task inside the block of `run`. It counts rows every so many seconds, so
        let one process do it.
        """
        check_seconds("observe: every", every, above_0=True, most=LONGEST_WAIT)
        check_type("observe", bg, BgJobs, "a running BgJobs")
        await self._depth.observe(bg, every)

    def _by_event(self) -> dict[type, Callable[[Any], None]]:
        # Any: each is called with the events of its own kind only.
        metrics = self._metrics
        return {
            **dict.fromkeys(OUTCOMES, self._ended),
            JobEnqueued: metrics.enqueued,
            JobStarted: self._started,
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
        self._spans.begin(event)
        self._metrics.started(event)

    def _ended(self, event: JobEnded) -> None:
        ending = ending_of(event)
        ran = event.seconds if isinstance(event, JobSucceeded) else None
        seconds = self._spans.end(event.job, ending, ran)
        if seconds is not None:
            self._metrics.took(event.queue, event.job, ending, seconds)
        self._metrics.ended(event.queue, event.job, ending)

    def _queue_stopped(self, event: QueueStopped) -> None:
        for begun in self._spans.unended(event.owner):
            seconds = self._spans.end(begun.job, CUT_OFF)
            if seconds is not None:
                self._metrics.took(begun.queue, begun.job, CUT_OFF, seconds)


def _in_turn(
    first: Callable[[JobRequest], JobRequest], then: Callable[[JobRequest], JobRequest]
) -> Callable[[JobRequest], JobRequest]:
    return lambda request: then(first(request))
