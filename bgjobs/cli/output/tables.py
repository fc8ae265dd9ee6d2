"""Values as tables for people. Nothing here reads the store or writes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from uuid import UUID

from rich.console import Group, RenderableType
from rich.text import Text

import bgjobs
from bgjobs._core.text import visible, visible_lines
from bgjobs.cli.output import progress
from bgjobs.cli.output.formats import (
    absolute_time,
    relative_time,
    short_duration,
    time_and_age,
)
from bgjobs.cli.output.layout import Column, Facts, Grid
from bgjobs.cli.snapshot import Rate
from bgjobs.cli.states import COUNT_LIMIT, PRIVATE, headline, last_error, state_time

_COLOURS = {
    "running": "cyan",
    "failed": "red",
    "cancelled": "magenta",
    "succeeded": "green",
    "delayed": "yellow",
    "paused": "yellow",
    "ok": "green",
    "warning": "yellow",
    "problem": "red",
}

FOR_CHILDREN = "for children"
"""The column of running jobs that wait for children."""
COUNTED = ("waiting", "delayed", "running", "succeeded", "failed", "cancelled")
"""The states of jobs in the order in which their numbers are shown."""
_NUMBERS = {
    *("attempt", "changed", "owners", "progress", "succeeded/s", "failed/s", FOR_CHILDREN),
    *COUNTED,
}
"""Columns that are aligned to the right."""
_MAX_LENGTH = 1_000
"""Characters of one value that are shown."""


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | int]],
    *,
    truncated: str = "",
    wrapped: str = "",
) -> Grid:
    """Draw rows; the columns named as `truncated` or `wrapped` shrink on a narrow terminal."""
    drawn = [
        Column(
            name,
            is_number=name in _NUMBERS,
            is_truncated=name == truncated,
            is_wrapped=name == wrapped,
        )
        for name in columns
    ]
    return Grid(drawn, [[*map(cell, row)] for row in rows])


def cell(value: str | int) -> Text:
    """Return a value as it is shown, coloured if it is the name of a state."""
    text = f"{value:,}" if isinstance(value, int) else shown(value)
    return Text(text, style=_COLOURS.get(text, ""))


def shown(value: str) -> str:
    """Return a value on one line, with invisible characters escaped and its length limited."""
    cut = f"{value[:_MAX_LENGTH]}..." if len(value) > _MAX_LENGTH else value
    return visible(cut)


def facts(pairs: Iterable[tuple[str, str | int]]) -> Facts:
    """Draw names and values, one pair on each line."""
    return Facts([(Text(shown(name), style="bold"), cell(value)) for name, value in pairs])


def stacked(*parts: RenderableType) -> Group:
    """Draw parts below each other, separated by empty lines."""
    spaced: list[RenderableType] = []
    for part in parts:
        spaced += ["", part] if spaced else [part]
    return Group(*spaced)


def jobs(
    found: Sequence[bgjobs.AnyJob],
    now: datetime,
    ids: Mapping[UUID, str] | None = None,
    waits_since: Mapping[UUID, datetime] | None = None,
) -> Grid:
    """Draw a list of jobs, with a column of states only if they differ.

    There are columns of progress, and of waits for children, if any job has them.

    Args:
        found: The jobs.
        now: The time from which ages are counted.
        ids: The short forms of ids; ids that are missing here are shown whole.
        waits_since: Since when jobs wait for children.
    """
    known, since = ids or {}, waits_since or {}
    several_states = len({job.state for job in found}) > 1
    has_progress = any(job.progress for job in found)
    cancelled = [isinstance(job, bgjobs.CancelledJob) for job in found]
    text = "error" if not any(cancelled) else "reason" if all(cancelled) else "error or reason"
    return table(
        (
            *("id", "worker", *(["state"] if several_states else []), "when"),
            *(["progress"] if has_progress else []),
            *(["waits for children"] if since else []),
            text,
        ),
        [
            (
                known.get(job.id, str(job.id)),
                job.name,
                *([job.state] if several_states else []),
                relative_time(state_time(job), now),
                *([progress.part(job.progress)] if has_progress else []),
                *([_waited(since.get(job.id), now)] if since else []),
                headline(_reason_or_error(job)),
            )
            for job in found
        ],
        truncated=text,
    )


def _waited(since: datetime | None, now: datetime) -> str:
    return "" if since is None else short_duration(now - since)


def _reason_or_error(job: bgjobs.AnyJob) -> str | None:
    return job.reason if isinstance(job, bgjobs.CancelledJob) else last_error(job)


def job(
    found: bgjobs.AnyJob,
    now: datetime,
    zone: tzinfo | None,
    *,
    waits: str = "",
    parent: str = "",
) -> Facts:
    """Draw one job; `waits` says for what its handler waits, `parent` to whom it belongs."""
    when = state_time(found)
    pairs: list[tuple[str, str | int]] = [
        ("id", str(found.id)),
        ("worker", found.name),
        ("state", f"{found.state}, {waits}" if waits else found.state),
        *_cancellation(found),
        ("since" if when <= now else "due", time_and_age(when, now, zone)),
        ("created", time_and_age(found.created_at, now, zone)),
        ("attempt", found.attempts + 1),
        ("priority", found.priority),
        *_progress(found, now),
    ]
    pairs += [("crashes", found.crashes)] if found.crashes else []
    pairs += [("interruptions", found.interruptions)] if found.interruptions else []
    pairs += [("parent", parent)] if parent else []
    pairs += [("unique key", found.unique_key)] if found.unique_key else []
    pairs += [("schedule", found.occurrence.recurrence.name)] if found.occurrence else []
    pairs += [("owner", str(found.reserved_by))] if found.state == "running" else []
    pairs += [(f"metadata {name}", value) for name, value in sorted(found.metadata.items())]
    return facts(pairs)


def _cancellation(found: bgjobs.AnyJob) -> list[tuple[str, str | int]]:
    if not isinstance(found, bgjobs.CancelledJob):
        return []
    by = found.cancelled_by
    return [("reason", found.reason), *([] if by is None else [("cancelled by", by)])]


def _progress(found: bgjobs.AnyJob, now: datetime) -> list[tuple[str, str | int]]:
    if found.progress is None:
        return []
    note = found.progress.note
    amounts = progress.amounts(found.progress, now)
    return [("progress", amounts), *([] if note is None else [("progress note", note)])]


def unreadable(
    found: Iterable[bgjobs.UnreadableJob], now: datetime, ids: Mapping[UUID, str] | None = None
) -> Grid:
    """Draw rows that are no jobs; `ids` is as for `jobs`."""
    known = ids or {}
    return table(
        ("id", "worker", "table", "moved aside", "reason"),
        [
            (
                known.get(one.id, str(one.id)),
                column(one.columns.get("name")),
                one.table,
                "-" if one.found_at is None else relative_time(one.found_at, now),
                one.reason,
            )
            for one in found
        ],
        wrapped="reason",
    )


def unreadable_job(found: bgjobs.UnreadableJob, now: datetime, zone: tzinfo | None) -> Facts:
    """Draw a row that is no job, without its payload and its result."""
    at = found.found_at
    return facts(
        [
            ("id", str(found.id)),
            ("state", found.state),
            ("reason", found.reason),
            ("table", found.table),
            ("moved aside", "not yet" if at is None else time_and_age(at, now, zone)),
            *(
                (f"column {name}", column(value))
                for name, value in found.columns.items()
                if name not in PRIVATE
            ),
        ]
    )


def column(value: str | int | None) -> str:
    """Return the stored value of a column as text."""
    return "null" if value is None else str(value) if isinstance(value, int) else value


def timeline(entries: Sequence[bgjobs.TimelineEntry], zone: tzinfo | None) -> Grid:
    """Draw the timeline of a job, without the columns of what is not known of any entry."""
    has_reason = any(one.what == "cancelled" and one.error for one in entries)
    text = "error or reason" if has_reason else "error"
    columns = {
        "at": [absolute_time(one.at, zone) for one in entries],
        "what": [one.what for one in entries],
        "by": [one.by or "" for one in entries],
        "queue": [one.queue or "" for one in entries],
        "node": [one.node or "" for one in entries],
        "child": ["" if one.child is None else str(one.child) for one in entries],
        text: [headline(one.error) for one in entries],
    }
    shown = {name: of for name, of in columns.items() if any(of)}
    return table([*shown], zip(*shown.values(), strict=True), truncated=text)


def trace(error: str) -> Text:
    """Draw the whole text of an error on its own lines."""
    return Text(visible_lines(error))


def counts(found: bgjobs.Counts, waits: int | None = None) -> list[tuple[str, str]]:
    """Return the states and the number of jobs in each, as text.

    With `waits`, running jobs that wait for children are counted apart.
    """
    pairs = [(state, number(getattr(found, state))) for state in COUNTED]
    if waits is None:
        return pairs
    running = COUNTED.index("running")
    if found.running < COUNT_LIMIT:  # the two numbers are not of exactly the same time
        pairs[running] = ("running", number(max(0, found.running - waits)))
    return [*pairs[: running + 1], (FOR_CHILDREN, number(waits)), *pairs[running + 1 :]]


def counts_text(found: bgjobs.Counts, waits: int) -> str:
    """Return all counts on one line; unreadable rows and waits only if there are any."""
    pairs = counts(found, waits or None)
    if found.unreadable:
        pairs.append(("unreadable", number(found.unreadable)))
    words = {FOR_CHILDREN: f"waiting {FOR_CHILDREN}"}
    return ", ".join(f"{text} {words.get(name, name)}" for name, text in pairs)


def activity_text(found: Sequence[bgjobs.Activity]) -> str:
    """Return what the queues did in the last hour, all workers together."""
    first, *others = found
    total = first.plus(*others)
    ends = [f"{total.succeeded:,} succeeded", f"{total.failed:,} failed"]
    if total.retried:
        ends.append(f"{total.retried:,} retried")
    if total.cancelled:
        ends.append(f"{total.cancelled:,} cancelled")
    slow = total.quantile(0.95)
    took = "" if slow is None else f", 95 % within {short_duration(timedelta(seconds=slow))}"
    return f"last hour: {', '.join(ends)}{took}"


def number(count: int) -> str:
    """Return a count, with a plus sign if counting stopped at the limit."""
    return f"{count:,}+" if count >= COUNT_LIMIT else f"{count:,}"


def rate_text(found: Rate | None) -> str:
    """Return a rate, or a question mark if it is not known."""
    return "?" if found is None else str(found)


def schedules(
    states: Iterable[bgjobs.ScheduleState], now: datetime, zone: tzinfo | None
) -> Grid:
    """Draw the scheduled jobs of an application."""
    return table(
        ("schedule", "worker", "state", "next", "recurs"),
        [
            (
                one.name,
                one.worker,
                _state_of_schedule(one),
                _next(one, now, zone),
                "?" if one.schedule is None else one.schedule.describe(),
            )
            for one in states
        ],
        wrapped="recurs",
    )


def _state_of_schedule(state: bgjobs.ScheduleState) -> str:
    now = "paused" if state.paused else "running" if state.running else "waiting"
    return now if state.is_configured else f"{now}, not configured here"


def _next(state: bgjobs.ScheduleState, now: datetime, zone: tzinfo | None) -> str:
    if state.paused:
        return "-"
    if state.occurrence is None:
        return "not planned yet"
    return time_and_age(state.occurrence.at, now, zone)


def audit(found: Iterable[bgjobs.AuditEntry], zone: tzinfo | None) -> Grid:
    """Draw what operators did."""
    return table(
        ("at", "by", "action", "subject", "changed"),
        [
            (
                absolute_time(one.at, zone),
                "-" if one.author is None else one.author,
                one.action,
                one.subject,
                "?" if one.changed is None else one.changed,
            )
            for one in found
        ],
        wrapped="subject",
    )


def findings(found: Iterable[bgjobs.Finding]) -> Grid:
    """Draw what `doctor` found."""
    rows = [(one.check, one.level, one.text) for one in found]
    return table(("check", "level", "finding"), rows, wrapped="finding")
