"""The comparison as Markdown: one table for each database."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.processes import parameters as names
from benchmarks.report.figures import Figure, table
from benchmarks.systems.registry import POSTGRES, SQLITE, SYSTEMS

TITLES: Mapping[str, str] = {
    names.ENQUEUE_ONE: "enqueue one by one, jobs/s",
    names.ENQUEUE_TASKS: "by 100 tasks, jobs/s",
    names.ENQUEUE_MANY: "1000 a call, jobs/s",
    names.DRAIN: "drain, jobs/s",
    names.DRAIN_CPU: "drain, CPU us/job",
    names.PICKUP_P50: "pickup p50, ms",
    names.PICKUP_P95: "p95, ms",
    names.PICKUP_P99: "p99, ms",
}
DATABASES = {POSTGRES: "PostgreSQL", SQLITE: "SQLite"}


def comparison(figures: Sequence[Figure], configs: Mapping[str, Any]) -> str:
    """Lay out all systems that were measured, by database."""
    found = {(one.system, one.measure): one for one in figures}
    tables = []
    for store, title in DATABASES.items():
        measured = {one.system for one in figures}
        systems = [one.name for one in SYSTEMS if one.store == store and one.name in measured]
        measures = [one for one in TITLES if any((name, one) in found for name in systems)]
        header = [title, "version", *(TITLES[one] for one in measures)]
        rows = [
            [name, _version(configs, name), *(_text(found, name, one) for one in measures)]
            for name in systems
        ]
        if rows:
            tables.append(table(header, rows))
    return "\n\n".join(tables)


def _version(configs: Mapping[str, Any], name: str) -> str:
    return str(configs.get(name, {}).get("version", ""))


def _text(found: Mapping[tuple[str, str], Figure], system: str, measure: str) -> str:
    figure = found.get((system, measure))
    return "-" if figure is None else figure.text
