"""An application whose spans and metrics are exported to memory."""

from collections.abc import Iterator, Mapping, Sequence
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import bgjobs
from bgjobs.events import Event
from bgjobs.telemetry import Telemetry
from tests.fixtures.databases import Database, SQLiteFile
from tests.runtime.conftest import Harness


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class Exports:
    """What a `Telemetry` exports, kept in memory."""

    def __init__(self, **options: Any) -> None:
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self.traces = TracerProvider(shutdown_on_exit=False)
        self.traces.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._metrics], shutdown_on_exit=False)
        self.telemetry = Telemetry(self.traces, self.meters, **options)
        self.tracer = self.traces.get_tracer("the test")

    def close(self) -> None:
        self.traces.shutdown()
        self.meters.shutdown()

    def send(self, *events: Event) -> None:
        """Pass events to the listener, each in a context of its own like that of a slot."""
        for event in events:
            copy_context().run(self.telemetry, event)

    def spans(self, name: str | None = None) -> Sequence[ReadableSpan]:
        """Return the ended spans, of this name or all."""
        ended = self._spans.get_finished_spans()
        return [span for span in ended if name is None or span.name == name]

    def span(self, name: str) -> ReadableSpan:
        [span] = self.spans(name)
        return span

    def points(self, metric: str) -> Mapping[frozenset[tuple[str, Any]], Any]:
        """Return the values of a metric by their attributes; for a histogram, the points."""
        return {
            frozenset((point.attributes or {}).items()): (
                point if isinstance(point, HistogramDataPoint) else point.value
            )
            for found in self.metrics()
            if found.name == metric
            for point in found.data.data_points
        }

    def value(self, metric: str, **attributes: Any) -> Any:
        """Return a number, or the count of a histogram; 0 if there is none."""
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        point = self.points(metric).get(frozenset(named.items()), 0)
        return point.count if isinstance(point, HistogramDataPoint) else point

    def metrics(self) -> Sequence[Any]:
        data = self._metrics.get_metrics_data()
        scopes = [] if data is None else data.resource_metrics[0].scope_metrics
        return [metric for scope in scopes for metric in scope.metrics]


class Traced(Harness):
    """Creates instrumented configurations."""

    def __init__(self, database: Database, exports: Exports) -> None:
        super().__init__(database)
        self.exports = exports

    def config(self, *workers: Any, **more: Any) -> bgjobs.Config:
        return self.exports.telemetry.instrument(super().config(*workers, **more))


@pytest.fixture
def exports() -> Iterator[Exports]:
    exports = Exports()
    yield exports
    exports.close()


@pytest.fixture
def app(database: Database, exports: Exports) -> Traced:
    """Both stores."""
    return Traced(database, exports)


@pytest.fixture
def sqlite_app(sqlite_file: SQLiteFile, exports: Exports) -> Traced:
    """SQLite only, for what does not depend on the store."""
    return Traced(sqlite_file, exports)
