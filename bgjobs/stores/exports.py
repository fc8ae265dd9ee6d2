"""Failed jobs as lines of JSON, to be kept or to be brought to another database."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from bgjobs.errors import ExportedLineError
from bgjobs.instants import as_instant
from bgjobs.jobs import FailedJob, JobRequest
from bgjobs.stores.attempt_errors import dump_errors, load_errors
from bgjobs.stores.metadata import load_metadata
from bgjobs.stores.occurrences import dump_occurrence, load_occurrence

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


def from_line(line: str, number: int) -> FailedJob:
    """Read what `to_line` wrote; `ExportedLineError` names the line by its number."""
    try:
        values: dict[str, Any] = dict(json.loads(line))
    except (ValueError, TypeError):
        raise ExportedLineError(
            number, "expected a JSON object, found something else"
        ) from None
    found = values.pop("format", None)
    if found != FORMAT:
        raise ExportedLineError(number, f"expected format {FORMAT}, found {found!r}")
    return _Reader(values, number).job()


class _Reader:
    """Takes the values of one line, and says which of them is wrong."""

    def __init__(self, values: dict[str, Any], number: int) -> None:
        self._values = values
        self._number = number

    def job(self) -> FailedJob:
        """Give the job."""
        asked = self._request()
        return FailedJob(
            id=self._take("id", UUID),
            name=asked.name,
            payload=asked.payload,
            priority=self._take("priority", int),
            attempts=self._take("attempts", int),
            crashes=self._take("crashes", int),
            interruptions=self._take("interruptions", int),
            reservations=self._take("reservations", int),
            created_at=self._take("created_at", _instant),
            available_at=self._take("available_at", _instant),
            reserved_at=self._take("reserved_at", _optional(_instant)),
            reserved_by=self._take("reserved_by", _optional(UUID)),
            unique_key=self._take("unique_key", _optional(str)),
            errors=self._take("errors", lambda found: load_errors(json.dumps(found))),
            occurrence=self._take("occurrence", load_occurrence),
            metadata=self._take("metadata", lambda found: load_metadata(json.dumps(found))),
            error=self._take("error", str),
            failed_at=self._take("failed_at", _instant),
        )

    def _request(self) -> JobRequest:
        """Give what was asked for, checked as strictly as when it is enqueued."""
        name, payload = self._take("name", str), self._take("payload", str)
        try:
            return JobRequest(name, payload)
        except ValueError as error:
            raise ExportedLineError(self._number, str(error)) from None

    def _take(self, name: str, read: Callable[[Any], Any]) -> Any:
        # Any: the values are of as many types as the columns.
        if name not in self._values:
            raise ExportedLineError(self._number, f"expected {name!r}, found none")
        try:
            return read(self._values[name])
        except (ValueError, TypeError, AttributeError) as error:
            problem = f"{name!r} cannot be read ({type(error).__name__})"
            raise ExportedLineError(self._number, problem) from error


def _instant(text: str) -> datetime:
    return as_instant("instant", datetime.fromisoformat(text))


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda found: None if found is None else read(found)
