"""A look at a running system as a picture, a line or JSON; pure."""

from rich.console import RenderableType
from rich.text import Text

from bgjobs.cli import as_json as shown
from bgjobs.cli import tables
from bgjobs.cli.ages import exact, iso, short
from bgjobs.cli.counting import AT_MOST
from bgjobs.cli.looks import Look, Rates, all_rates, queue_rates


def drawn(before: Look | None, now: Look) -> RenderableType:
    """Draw queues, what runs, and what failed last."""
    parts: list[RenderableType] = [
        Text(as_line(before, now), style="bold"),
        _queues(before, now),
    ]
    if now.running:
        parts.append(_running(now))
    if now.failed:
        parts.append(tables.jobs([("failed", job) for job in now.failed], now.at))
    return tables.several(*parts)


def _queues(before: Look | None, now: Look) -> RenderableType:
    rates = queue_rates(before, now)
    return tables.table(
        "queue",
        "state",
        "owners",
        "waiting",
        "delayed",
        "running",
        "succeeded/s",
        "failed/s",
        rows=[
            (
                row.name,
                tables.state_of_queue(row),
                row.owners,
                tables.number(row.counts.due, AT_MOST),
                tables.number(row.counts.delayed, AT_MOST),
                tables.number(row.counts.reserved, AT_MOST),
                _rate(rates[row.name].succeeded),
                _rate(rates[row.name].failed),
            )
            for row in now.queues
        ],
    )


def _running(now: Look) -> RenderableType:
    return tables.table(
        "running job",
        "worker",
        "for",
        "attempts",
        rows=[
            (
                str(job.id),
                job.name,
                "" if job.reserved_at is None else short(now.at - job.reserved_at),
                job.attempts,
            )
            for job in now.running
        ],
    )


def as_line(before: Look | None, now: Look) -> str:
    """Say all that fits into a line."""
    counts = ", ".join(f"{text} {name}" for name, text in tables.counts(now.counts, AT_MOST))
    rates = all_rates(before, now)
    return (
        f"{exact(now.at)}: {counts}; "
        f"{_rate(rates.succeeded)} succeeded/s, {_rate(rates.failed)} failed/s"
    )


def _rate(rate: float | None) -> str:
    return "?" if rate is None else f"{rate:,.1f}"


def as_json(before: Look | None, now: Look) -> dict[str, shown.Json]:
    """Give one look as JSON."""
    by_queue = queue_rates(before, now)
    return {
        "at": iso(now.at),
        "jobs": {**shown.counts(now.counts), **_rates(all_rates(before, now))},
        "queues": [{**shown.queue(row), **_rates(by_queue[row.name])} for row in now.queues],
        "running": [shown.job(job, "running") for job in now.running],
        "failed": [shown.job(job, "failed") for job in now.failed],
    }


def _rates(rates: Rates) -> dict[str, shown.Json]:
    return {"succeeded_per_second": rates.succeeded, "failed_per_second": rates.failed}
