"""A look at a running system as a picture, a line or JSON; pure."""

from datetime import tzinfo

from rich.console import RenderableType
from rich.text import Text

from bgjobs.cli.counting import AT_MOST
from bgjobs.cli.errors import one_line
from bgjobs.cli.output import as_json as shown
from bgjobs.cli.output import tables
from bgjobs.cli.output.formats import exact, iso, short
from bgjobs.cli.rates import Ended, Rate, rate
from bgjobs.cli.snapshot import Away, Look
from bgjobs.cli.states import AnyJob, State
from bgjobs.visible import visible

_ENDED: tuple[Ended, ...] = ("succeeded", "failed")


def drawn(
    before: Look | None, now: Look | None, zone: tzinfo | None, away: Away | None = None
) -> RenderableType:
    """Draw queues, what runs, and what failed last; and since when the store is away."""
    parts: list[RenderableType] = [] if away is None else [_away(now, away, zone)]
    if now is not None:
        parts += _seen(before, now, zone)
    return tables.several(*parts)


def _seen(before: Look | None, now: Look, zone: tzinfo | None) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text("\n".join(_told(before, now, zone)), style="bold"),
        _queues(before, now),
    ]
    if now.running:
        parts.append(_running(now))
    if now.failed:
        failed: list[tuple[State, AnyJob]] = [("failed", job) for job in now.failed]
        parts.append(tables.jobs(failed, now.at, now.ids))
    return parts


def _away(now: Look | None, away: Away, zone: tzinfo | None) -> RenderableType:
    lines = [away_line(away, zone)]
    if now is not None:
        lines.append(f"What follows is of {exact(now.at, zone)}.")
    return Text("\n".join(lines), style="bold red")


def away_line(away: Away, zone: tzinfo | None) -> str:
    """Return since when the store cannot be reached, and why."""
    length = short(away.at - away.since)
    return (
        f"{exact(away.at, zone)}: the store cannot be reached since "
        f"{exact(away.since, zone)} ({length}): {one_line(away.reason)}"
    )


def away_json(away: Away) -> dict[str, shown.Json]:
    """Return the same as JSON."""
    return {"at": iso(away.at), "unreachable_since": iso(away.since), "error": away.reason}


def _queues(before: Look | None, now: Look) -> RenderableType:
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
                _shown(rate("succeeded", before, now, row.name)),
                _shown(rate("failed", before, now, row.name)),
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
                now.ids.get(job.id, str(job.id)),
                job.name,
                "" if job.reserved_at is None else short(now.at - job.reserved_at),
                job.attempts,
            )
            for job in now.running
        ],
    )


def as_line(before: Look | None, now: Look, zone: tzinfo | None) -> str:
    """Return all that fits into a line."""
    return "; ".join(_told(before, now, zone))


def _told(before: Look | None, now: Look, zone: tzinfo | None) -> list[str]:
    counts = tables.counts_text(now.counts, AT_MOST)
    succeeded, failed = (_shown(rate(state, before, now)) for state in _ENDED)
    told = [
        f"{exact(now.at, zone)}: {counts}",
        f"{succeeded} succeeded/s, {failed} failed/s",
    ]
    idle = ", ".join(f"{jobs.waiting:,} of {visible(jobs.worker)}" for jobs in now.unhandled)
    return [*told, f"not run: {idle}"] if idle else told


def _shown(found: Rate | None) -> str:
    return "?" if found is None else str(found)


def as_json(before: Look | None, now: Look) -> dict[str, shown.Json]:
    """Return one look as JSON."""
    return {
        "at": iso(now.at),
        "jobs": {**shown.all_counts(now.counts), **_rates(before, now)},
        "queues": [{**shown.queue(row), **_rates(before, now, row.name)} for row in now.queues],
        "running": [shown.job(job, "running") for job in now.running],
        "failed": [shown.job(job, "failed") for job in now.failed],
        "unhandled": [shown.unhandled(jobs) for jobs in now.unhandled],
    }


def _rates(before: Look | None, now: Look, queue: str | None = None) -> dict[str, shown.Json]:
    found = {state: rate(state, before, now, queue) for state in _ENDED}
    return {
        f"{state}_per_second": None if one is None else one.per_second
        for state, one in found.items()
    }
