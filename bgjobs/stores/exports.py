"""Failed jobs as lines of JSON, to be kept or to be brought to another database."""

import json

from bgjobs._core.jobs import FailedJob
from bgjobs.stores.attempt_errors import dump_errors
from bgjobs.stores.occurrences import dump_occurrence

FORMAT = 1
"""Raised when lines that are written now could not be read before."""


def to_line(job: FailedJob) -> str:
    """Write a failed job as one line, its arguments and errors included."""
    values = {
        "format": FORMAT,
        "id": str(job.id),
        "name": job.name,
        "payload": job.payload,
        "priority": job.priority,
        "attempts": job.attempts,
        "crashes": job.crashes,
        "interruptions": job.interruptions,
        "reservations": job.reservations,
        "created_at": job.created_at.isoformat(),
        "available_at": job.available_at.isoformat(),
        "reserved_at": None if job.reserved_at is None else job.reserved_at.isoformat(),
        "reserved_by": None if job.reserved_by is None else str(job.reserved_by),
        "unique_key": job.unique_key,
        "errors": json.loads(dump_errors(job.errors)),
        "occurrence": dump_occurrence(job.occurrence),
        "metadata": dict(job.metadata),
        "error": job.error,
        "failed_at": job.failed_at.isoformat(),
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
