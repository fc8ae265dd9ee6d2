"""The cost of traces and metrics for a job: ``python -m benchmarks.measures.telemetry``.

The same number of empty jobs is drained from a SQLite file, with and without telemetry in turn.
The best round counts, because disturbances only make a run longer.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import anyio
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import NoOpTracerProvider

import bgjobs
from bgjobs.telemetry import Telemetry

JOBS, ROUNDS, BATCH = 10_000, 5, 500


@bgjobs.worker
async def nothing() -> None:
    """Do nothing."""


class NullExporter(SpanExporter):
    """Discards spans, which leaves out the cost of the network."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - the port's
        return SpanExportResult.SUCCESS


def tracer_provider(sampler: Sampler) -> TracerProvider:
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(BatchSpanProcessor(NullExporter()))
    return provider


def meter_provider() -> MeterProvider:
    return MeterProvider([InMemoryMetricReader()])


def cases() -> Mapping[str, Telemetry | None]:
    return {
        "without telemetry": None,
        "metrics only": Telemetry(NoOpTracerProvider(), meter_provider()),
        "metrics, spans not sampled": Telemetry(tracer_provider(ALWAYS_OFF), meter_provider()),
        "metrics and spans": Telemetry(tracer_provider(ALWAYS_ON), meter_provider()),
    }


async def cost(telemetry: Telemetry | None, path: Path) -> float:
    """Return the seconds of processor time of all jobs, from the request to the end."""
    queue = bgjobs.Queue("q", workers=[nothing], concurrency=50)
    config = bgjobs.Config(store=bgjobs.SQLiteStore(path), queues=[queue])
    if telemetry is not None:
        config = telemetry.instrument(config)
    async with bgjobs.run(config) as bg:
        started = process_time()
        for _ in range(JOBS // BATCH):
            await bg.enqueue_many(nothing.request() for _ in range(BATCH))
        await bg.drain()
        return process_time() - started


def main() -> None:
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    best: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            for name, telemetry in cases().items():
                path = Path(folder) / f"{number} {name}.db"
                seconds = anyio.run(cost, telemetry, path, backend="trio")
                best[name] = min(best.get(name, seconds), seconds)
    bare = best["without telemetry"]
    for name, seconds in best.items():
        each, more = (1e6 * value / JOBS for value in (seconds, seconds - bare))
        print(f"{name:28}{each:6.0f} us of processor time for each job, {more:+4.0f}")


if __name__ == "__main__":
    main()
