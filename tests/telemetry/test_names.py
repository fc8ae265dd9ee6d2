"""The names of metrics and attributes match docs/operate/telemetry.md and the conventions."""

from contextvars import copy_context
from datetime import timedelta

import attrs
import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.semconv._incubating.attributes import messaging_attributes as convention
from opentelemetry.semconv._incubating.metrics import messaging_metrics
from prometheus_client import CollectorRegistry

import bgjobs
from bgjobs import events
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs.errors import LeaseLostError
from bgjobs.telemetry import Telemetry, attributes
from bgjobs.telemetry.metrics import INSTRUMENTS, DepthSample, Instrument
from tests.docs.documents import ROOT
from tests.telemetry.conftest import Exports
from tests.telemetry.jobs import ERROR, NOW
from tests.telemetry.jobs import JOB as PLAIN

PAGE = (ROOT / "docs" / "operate" / "telemetry.md").read_text("utf-8")
PLANNED = Occurrence(recurrence=Recurrence(name="nightly", schedule=""), at=NOW)
JOB = attrs.evolve(PLAIN, occurrence=PLANNED)
EVERYTHING: list[events.Event] = [
    events.JobEnqueued(JOB),
    events.JobStarted("q", JOB),
    events.JobProgressed("q", JOB, bgjobs.Progress(done=1, total=2, reported_at=NOW)),
    events.JobFailed("q", JOB, "LookupError: x"),
    events.StoreResponded("write", 0.001),
    events.MonitorReleased(JOB),
    events.OccurrencesMissed("nightly", NOW, 3),
    events.ChildCrashed("queue 'q'", LeaseLostError("q")),
    events.LoopLag(1.5, "mail"),
    events.ListenerFailed("note", "JobStarted", ERROR),
    events.StoreFailed("write", ERROR),
]


def send_everything(telemetry: Telemetry) -> None:
    for event in EVERYTHING:
        copy_context().run(telemetry, event)
    counts = bgjobs.Counts(waiting=1, delayed=0, running=0, succeeded=0, failed=0, cancelled=2)
    telemetry._depth._sample = DepthSample(counts, timedelta(seconds=-1), {"mail": 1})


def in_prometheus(instrument: Instrument) -> str:
    """Return the name that the Prometheus exporter uses."""
    name = instrument.name.replace(".", "_") + ("_seconds" if instrument.unit == "s" else "")
    return f"{name}_total" if instrument.kind == "counter" else name


def rows() -> list[list[str]]:
    """Return the cells of the table of metrics on the page."""
    table = PAGE.split("\n## Metrics\n")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_page_lists_all_metrics_as_they_are() -> None:
    assert rows() == [
        [
            f"`{one.name}`",
            f"`{in_prometheus(one)}`",
            one.kind,
            f"`{one.unit}`",
            ", ".join(f"`{name}`" for name in one.attributes),
            one.text.rstrip("."),
        ]
        for one in INSTRUMENTS
    ]


def test_prometheus_exports_the_names_on_the_page() -> None:
    registry = CollectorRegistry()
    meters = MeterProvider([PrometheusMetricReader(registry=registry)], shutdown_on_exit=False)
    send_everything(Telemetry(meter_provider=meters))
    samples = [sample.name for metric in registry.collect() for sample in metric.samples]
    found = {
        name.removesuffix("_bucket") for name in samples if name.startswith(("bg", "mess"))
    }
    endings = ("_sum", "_count", "_created")
    meters.shutdown()
    assert {name for name in found if not name.endswith(endings)} == {
        cells[1].strip("`") for cells in rows()
    }


def test_exported_metrics_have_the_units_attributes_and_buckets_of_the_table(
    exports: Exports,
) -> None:
    send_everything(exports.telemetry)
    found = {metric.name: metric for metric in exports.metrics()}
    assert set(found) == {one.name for one in INSTRUMENTS}
    for one in INSTRUMENTS:
        metric = found[one.name]
        assert (metric.unit, metric.description) == (one.unit, one.text)
        [first, *_] = metric.data.data_points
        assert set(first.attributes) == set(one.attributes)
        if one.kind == "histogram":
            assert first.explicit_bounds == one.buckets


def test_the_buckets_are_those_on_the_page() -> None:
    for one in INSTRUMENTS:
        if one.kind == "histogram":
            most = 10 if one.name.startswith("messaging.") else 3600
            assert (min(one.buckets), max(one.buckets)) == (0.005, most)


@pytest.mark.parametrize(
    ("name", "conventional"),
    [
        (attributes.SYSTEM, convention.MESSAGING_SYSTEM),
        (attributes.OPERATION, convention.MESSAGING_OPERATION_NAME),
        (attributes.OPERATION_TYPE, convention.MESSAGING_OPERATION_TYPE),
        (attributes.DESTINATION, convention.MESSAGING_DESTINATION_NAME),
        (attributes.GROUP, convention.MESSAGING_CONSUMER_GROUP_NAME),
        (attributes.MESSAGE_ID, convention.MESSAGING_MESSAGE_ID),
    ],
)
def test_attributes_have_the_names_of_the_convention(name: str, conventional: str) -> None:
    assert name == conventional


def test_metrics_of_the_convention_have_its_names() -> None:
    known = {
        value for name, value in vars(messaging_metrics).items() if name.startswith("MESSAGING")
    }
    ours = {one.name for one in INSTRUMENTS if one.name.startswith("messaging.")}
    assert ours <= known


def test_events_without_a_metric_are_ignored(exports: Exports) -> None:
    exports.send(events.Pruned(9))
    exports.send(events.JobReleased("q", attrs.evolve(JOB, reservations=7)))
    assert [metric.name for metric in exports.metrics()] == ["bgjobs.jobs"]
    assert exports.spans() == []
