"""Values as JSON: times as ISO 8601 in UTC, ids as text, durations in seconds."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeAlias

import bgjobs
from bgjobs._core.history import HistoryEntry, PastEnd
from bgjobs._core.timeline import WAITS
from bgjobs.cli.output.formats import iso_time
from bgjobs.cli.snapshot import QueueRow
from bgjobs.cli.states import PRIVATE, Row, headline, last_error, state_time
from bgjobs.schedules import Preview

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def row(found: Row, waits_since: datetime | None = None) -> dict[str, Json]:
    """Return a job or an unreadable row as lists show it."""
    if isinstance(found, bgjobs.UnreadableJob):
        return unreadable(found)
    return job(found, waits_since)


def job(found: bgjobs.AnyJob, waits_since: datetime | None = None) -> dict[str, Json]:
    """Return one job as lists show it; `waits_since` is when it began to wait for children."""
    return {
        "id": str(found.id),
        "worker": found.name,
        "state": found.state,
        "priority": found.priority,
        "attempts": found.attempts,
        "crashes": found.crashes,
        "interruptions": found.interruptions,
        "created_at": iso_time(found.created_at),
        "available_at": iso_time(found.available_at),
        "reserved_at": iso_time(found.reserved_at),
        "reserved_by": None if found.reserved_by is None else str(found.reserved_by),
        "ended_at": None if isinstance(found, bgjobs.Job) else iso_time(state_time(found)),
        "unique_key": found.unique_key,
        "parent_id": None if found.parent_id is None else str(found.parent_id),
        "waits_for_children_since": iso_time(waits_since),
        "schedule": None if found.occurrence is None else found.occurrence.recurrence.name,
        "metadata": dict(found.metadata),
        "progress": None if found.progress is None else progress(found.progress),
        "error": headline(last_error(found)) or None,
        "reason": found.reason if isinstance(found, bgjobs.CancelledJob) else None,
        "cancelled_by": found.cancelled_by if isinstance(found, bgjobs.CancelledJob) else None,
    }


def progress(found: bgjobs.Progress) -> dict[str, Json]:
    """Return how far the handler of a job has come."""
    return {
        "done": found.done,
        "total": found.total,
        "fraction": found.fraction,
        "note": found.note,
        "reported_at": iso_time(found.reported_at),
    }


def whole_job(
    found: bgjobs.AnyJob, entries: Sequence[bgjobs.TimelineEntry], *, with_payload: bool
) -> dict[str, Json]:
    """Return one job with its timeline, and with its history as it is stored."""
    waits = next((one.at for one in entries if one.what == WAITS), None)
    shown = job(found, waits)
    shown["error"] = last_error(found)
    shown["timeline"] = [
        {
            "at": iso_time(entry.at),
            "what": entry.what,
            "error": entry.error,
            "queue": entry.queue,
            "node": entry.node,
            "by": entry.by,
            "child": None if entry.child is None else str(entry.child),
        }
        for entry in entries
    ]
    shown["history"] = [_past(entry) for entry in found.history]
    if with_payload:
        shown["payload"] = value(found.payload)
        if isinstance(found, bgjobs.SucceededJob) and found.result_json is not None:
            shown["result"] = value(found.result_json)
    return shown


def _past(found: HistoryEntry) -> dict[str, Json]:
    if isinstance(found, PastEnd):
        return {
            "kind": "end",
            "state": found.state,
            "at": iso_time(found.at),
            "text": found.text,
            "by": found.by,
            "retried_at": iso_time(found.retried_at),
            "retried_by": found.retried_by,
        }
    return {
        "kind": "reservation",
        "number": found.number,
        "owner": str(found.owner),
        "queue": found.queue,
        "node": found.node,
        "attempt": found.attempt,
        "reserved_at": iso_time(found.reserved_at),
        "ended_at": iso_time(found.ended_at),
        "ended": found.ended,
    }


def unreadable(found: bgjobs.UnreadableJob, *, with_payload: bool = False) -> dict[str, Json]:
    """Return a row that is no job, with its columns as they are stored."""
    columns: dict[str, Json] = {
        name: stored
        for name, stored in found.columns.items()
        if with_payload or name not in PRIVATE
    }
    return {
        "id": str(found.id),
        "state": found.state,
        "table": found.table,
        "reason": found.reason,
        "found_at": iso_time(found.found_at),
        "columns": columns,
    }


def value(text: str) -> Json:
    """Decode the arguments or the result of a job; return text that is not JSON unchanged."""
    try:
        read: Json = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return read


def counts(found: bgjobs.Counts) -> dict[str, Json]:
    """Return the number of jobs in each state."""
    return {
        "waiting": found.waiting,
        "delayed": found.delayed,
        "running": found.running,
        "succeeded": found.succeeded,
        "failed": found.failed,
        "cancelled": found.cancelled,
    }


def all_counts(found: bgjobs.Counts, waits: int) -> dict[str, Json]:
    """Return the number of jobs in each state, of unreadable rows, and of waiting handlers."""
    return {
        **counts(found),
        "unreadable": found.unreadable,
        "waiting_for_children": waits,
    }


def queue(row: QueueRow) -> dict[str, Json]:
    """Return one queue with its counts."""
    return {
        "name": row.name,
        "paused": row.paused,
        "owners": row.owners,
        **counts(row.counts),
        "waiting_for_children": row.waits,
    }


def preview(found: Preview) -> list[Json]:
    """Return the next occurrences of a schedule."""
    return [
        {
            "at": iso_time(line.utc),
            "local": line.local.isoformat(),
            "remark": line.remark or None,
        }
        for line in found
    ]


def schedule(state: bgjobs.ScheduleState) -> dict[str, Json]:
    """Return one scheduled job."""
    occurrence = state.occurrence
    return {
        "name": state.name,
        "worker": state.worker,
        "schedule": None if state.schedule is None else state.schedule.describe(),
        "configured": state.is_configured,
        "next": None if occurrence is None or state.paused else iso_time(occurrence.at),
        "previous": None if occurrence is None else iso_time(occurrence.previous),
        "paused": state.paused,
        "running": state.running,
    }


def owner(found: bgjobs.LiveOwner) -> dict[str, Json]:
    """Return one owner, which is one start of a queue."""
    return {
        "id": str(found.id),
        "queue": found.name,
        "node": found.node,
        "opened_at": iso_time(found.opened_at),
        "lease_left": found.lease_left.total_seconds(),
        "running": found.running,
        "waiting_for_children": found.waiting,
    }


def audit_entry(found: bgjobs.AuditEntry) -> dict[str, Json]:
    """Return what an operator did."""
    return {
        "id": str(found.id),
        "at": iso_time(found.at),
        "by": found.author,
        "action": found.action,
        "subject": found.subject,
        "changed": found.changed,
    }


def unhandled(found: bgjobs.UnhandledJobs) -> dict[str, Json]:
    """Return the jobs of one worker that no process runs."""
    return {
        "worker": found.worker,
        "waiting": found.waiting,
        "since": iso_time(found.since),
        "queues": [*found.runners],
    }


def activity(found: bgjobs.Activity) -> dict[str, Json]:
    """Return what the queues did for one worker; durations are in seconds."""
    return {
        "worker": found.worker,
        "succeeded": found.succeeded,
        "failed": found.failed,
        "retried": found.retried,
        "cancelled": found.cancelled,
        **{f"p{percent}": found.quantile(percent / 100) for percent in (50, 95, 99)},
    }


def findings(found: Iterable[bgjobs.Finding]) -> list[Json]:
    """Return what `doctor` found."""
    return [{"check": one.check, "level": one.level, "text": one.text} for one in found]


def migrations(found: Iterable[bgjobs.Migration]) -> list[Json]:
    """Return migrations with their SQL."""
    return [{"name": one.name, "sql": one.sql} for one in found]
