"""The frames of `bgjobs watch`, from a snapshot and the one before it."""

from collections.abc import Sequence
from datetime import timedelta, tzinfo
from operator import attrgetter

import bgjobs
from bgjobs._core.text import visible
from bgjobs.cli.errors import one_line
from bgjobs.cli.output import progress, queue_tables, sparklines, tables
from bgjobs.cli.output.formats import absolute_time, clock_time, relative_time, short_duration
from bgjobs.cli.output.frames import Cell, Fact, FrameColumn, LiveFrame, Section
from bgjobs.cli.output.sparklines import Sparkline
from bgjobs.cli.snapshot import Outage, QueueRow, Snapshot, rate
from bgjobs.cli.states import headline, state_time

_WORKERS_SHOWN = 10
_NAME = range(10, 33)
_ERROR = (15, *range(30, 400, 5))
_ID = (13, 18, 23, 36)
"""Whole groups of digits."""
_PRESENT, _AWAY = (25, 23, 20, 34, 60), (55, 40, 60)
"""Widths of the facts while the store answers, and while it does not."""


def frame(
    before: Snapshot | None, now: Snapshot | None, zone: tzinfo | None, outage: Outage | None
) -> LiveFrame:
    """Draw a snapshot; in an outage, say since when it lasts, above the last snapshot."""
    sections = () if now is None else _sections(before, now, zone)
    heads = (_PRESENT, _AWAY)
    if outage is not None:
        return LiveFrame(_away(outage, now, zone), heads, sections, "bold red", is_past=True)
    return LiveFrame(() if now is None else _present(before, now, zone), heads, sections)


def _away(outage: Outage, now: Snapshot | None, zone: tzinfo | None) -> Sequence[Fact]:
    since = f"since {clock_time(outage.since, zone)}"
    age = f"{short_duration(outage.at - outage.since)} ago"
    texts = (
        f"no answer from the database {since}, {age}",
        "" if now is None else f"last snapshot: {absolute_time(now.at, zone)}",
        tables.shown(one_line(outage.reason)),
    )
    return [*map(Fact, _AWAY, texts, (f"no answer {since}, {age}", "", ""))]


def _present(before: Snapshot | None, now: Snapshot, zone: tzinfo | None) -> Sequence[Fact]:
    texts = (
        absolute_time(now.at, zone),
        f"{tables.rate_text(rate('succeeded', before, now))} succeeded/s",
        f"{tables.rate_text(rate('failed', before, now))} failed/s",
        waiting_text(now),
        tables.shown(f"unhandled: {unhandled_text(now) or 'none'}"),
    )
    return [*map(Fact, _PRESENT, texts)]


def waiting_text(now: Snapshot) -> str:
    """Return how long the first due job has waited."""
    if now.waiting_for is None:
        return "no job is due"
    return f"first due job has waited {short_duration(now.waiting_for)}"


def unhandled_text(now: Snapshot) -> str:
    """Return the jobs that no process runs, by worker."""
    return ", ".join(f"{jobs.waiting:,} of {visible(jobs.worker)}" for jobs in now.unhandled)


def _sections(before: Snapshot | None, now: Snapshot, zone: tzinfo | None) -> Sequence[Section]:
    return (
        _counts(now),
        _queues(before, now),
        _last_hour(now),
        _next_runs(now, zone),
        _failed(now),
        *([_parents(now)] if now.parents else []),
        _running(now),  # the last one, because its height changes most
    )


def _text(name: str, sizes: Sequence[int]) -> FrameColumn:
    return FrameColumn(name, sizes)


def _number(name: str, width: int) -> FrameColumn:
    return FrameColumn(name, [width], is_number=True)


def _row(*values: str | int | Sparkline) -> Sequence[Cell]:
    return [one if isinstance(one, Sparkline) else tables.cell(one) for one in values]


def _counts(now: Snapshot) -> Section:
    found = dict(tables.counts(now.counts, now.waits or None))
    found["unreadable"] = tables.number(now.counts.unreadable)
    return Section(
        [_number(name, max(8, len(name))) for name in found],
        (
            *("waiting", "running", "failed", *([tables.FOR_CHILDREN] if now.waits else [])),
            *("delayed", "succeeded", "cancelled", "unreadable"),
        ),
        [_row(*found.values())],
    )


def _queues(before: Snapshot | None, now: Snapshot) -> Section:
    has_waits = any(row.waits for row in now.queues)
    waits = [tables.FOR_CHILDREN] if has_waits else []
    return Section(
        [
            _text("queue", range(12, 33)),
            _text("state", [6]),
            _number("owners", 6),
            *(_number(name, 8) for name in ("waiting", "delayed", "running")),
            *(_number(name, len(name)) for name in waits),
            _number("succeeded/s", 11),
            _number("failed/s", 9),
        ],
        (
            *("queue", "waiting", "state", "running", *waits),
            *("failed/s", "succeeded/s", "owners", "delayed"),
        ),
        [_queue(row, before, now, has_waits=has_waits) for row in now.queues],
    )


def _queue(
    row: QueueRow, before: Snapshot | None, now: Snapshot, *, has_waits: bool
) -> Sequence[Cell]:
    found = dict(tables.counts(row.counts, row.waits if has_waits else None))
    shown = ("waiting", "delayed", "running", *([tables.FOR_CHILDREN] if has_waits else []))
    return _row(
        row.name,
        queue_tables.state_of_queue(row),
        row.owners,
        *(found[name] for name in shown),
        tables.rate_text(rate("succeeded", before, now, row.name)),
        tables.rate_text(rate("failed", before, now, row.name)),
    )


def _last_hour(now: Snapshot) -> Section:
    """Draw the runs of all workers, and of those with the most runs."""
    busiest = sorted(now.activity, key=attrgetter("ended"), reverse=True)[:_WORKERS_SHOWN]
    names = sorted(one.worker for one in busiest)  # their order does not change with the runs
    minutes = {name: [one for one in now.minutes if one.worker == name] for name in names}
    rows = [_runs("all workers", now.minutes, now)]
    return Section(
        [
            _text("runs by worker", _NAME),
            _text("last hour", sparklines.SIZES),
            _number("succeeded", 9),
            _number("failed", 8),
            _number("retried", 8),
            _number("95 %", 7),
        ],
        ("runs by worker", "last hour", "failed", "95 %", "succeeded", "retried"),
        [*rows, *(_runs(name, parts, now) for name, parts in minutes.items())],
        len(now.activity) - len(busiest),
    )


def _runs(name: str, parts: Sequence[bgjobs.Activity], now: Snapshot) -> Sequence[Cell]:
    line = Sparkline(parts, now.at)
    if not parts:
        return _row(name, line, 0, 0, 0, "")
    total = parts[0].plus(*parts[1:])
    slow = total.quantile(0.95)
    took = "" if slow is None else short_duration(timedelta(seconds=slow))
    return _row(name, line, total.succeeded, total.failed, total.retried, took)


def _next_runs(now: Snapshot, zone: tzinfo | None) -> Section:
    return Section(
        [
            _text("next run of", _NAME),
            _text("worker", _NAME),
            _text("at", [25]),
            _text("due", [11]),
        ],
        ("next run of", "at", "due", "worker"),
        [
            _row(
                one.name,
                one.worker,
                absolute_time(one.occurrence.at, zone),
                "running" if one.running else relative_time(one.occurrence.at, now.at),
            )
            for one in now.next_runs
            if one.occurrence is not None
        ],
    )


def _failed(now: Snapshot) -> Section:
    return Section(
        [
            _text("failed job", _NAME),
            _text("id", _ID),
            _text("when", [11]),
            _text("error", _ERROR),
        ],
        ("failed job", "when", "error", "id"),
        [
            _row(
                job.name,
                now.ids.get(job.id, str(job.id)),
                relative_time(state_time(job), now.at),
                headline(job.error),
            )
            for job in now.failed
        ],
    )


def _parents(now: Snapshot) -> Section:
    return Section(
        [
            _text("waits for children", _NAME),
            _text("id", _ID),
            _text("for", [7]),
            _number("attempt", 7),
        ],
        ("waits for children", "for", "id", "attempt"),
        [
            _row(
                job.name,
                now.ids.get(job.id, str(job.id)),
                short_duration(now.at - now.waits_since[job.id]),
                job.attempts + 1,
            )
            for job in now.parents
        ],
        max(0, now.waits - len(now.parents)),
    )


def _running(now: Snapshot) -> Section:
    return Section(
        [
            _text("running job", _NAME),
            _text("id", _ID),
            _text("for", [7]),
            _number("attempt", 7),
            _text("progress", [progress.WIDTH]),
        ],
        ("running job", "progress", "for", "id", "attempt"),
        [
            _row(
                job.name,
                now.ids.get(job.id, str(job.id)),
                "" if job.reserved_at is None else short_duration(now.at - job.reserved_at),
                job.attempts + 1,
                progress.bar(job.progress),
            )
            for job in now.running
        ],
        max(0, now.counts.running - now.waits - len(now.running)),
    )
