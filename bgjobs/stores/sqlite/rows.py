"""Rows of the tables as values, and values as the JSON that goes into statements.

Every statement that gives jobs names the columns in the same order: `COLUMNS`, then those of
the ended jobs.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from attrs import asdict

from bgjobs.ids import parsed_id
from bgjobs.instants import MICROSECOND, from_microseconds, to_microseconds
from bgjobs.jobs import FailedJob, Job, SucceededJob
from bgjobs.settlements import Fail, Requeue, Settlement
from bgjobs.stores.abc import NewJob
from bgjobs.stores.attempt_errors import dump_errors, load_errors
from bgjobs.stores.metadata import dump_metadata, load_metadata
from bgjobs.stores.occurrences import dump_occurrence, load_occurrence
from bgjobs.stores.sqlite.connection import Row
from bgjobs.stores.values import as_asked

COLUMNS = (
    "id",
    "name",
    "payload",
    "priority",
    "attempts",
    "crashes",
    "interruptions",
    "reservations",
    "created_at",
    "available_at",
    "reserved_at",
    "reserved_by",
    "unique_key",
    "errors",
    "occurrence",
    "metadata",
)
_SHARED = len(COLUMNS)


def as_job(row: Sequence[Any]) -> Job:
    """Make a live job of a row of `jobs`."""
    reserved_at, reserved_by = row[10], row[11]
    # Written out: of a dict of keyword arguments it takes a third longer, for each job.
    return Job(
        id=parsed_id(row[0]),
        name=row[1],
        payload=row[2],
        priority=row[3],
        attempts=row[4],
        crashes=row[5],
        interruptions=row[6],
        reservations=row[7],
        created_at=from_microseconds(row[8]),
        available_at=from_microseconds(row[9]),
        reserved_at=None if reserved_at is None else from_microseconds(reserved_at),
        reserved_by=None if reserved_by is None else _owner(reserved_by),
        unique_key=row[12],
        errors=load_errors(row[13]),
        occurrence=load_occurrence(row[14]),
        metadata=load_metadata(row[15]),
    )


_owner = lru_cache(maxsize=16)(parsed_id)
"""One owner holds a whole batch."""


def as_succeeded(row: Row) -> SucceededJob:
    """Make a value of a row of `jobs_succeeded`."""
    return SucceededJob(**_shared(row), succeeded_at=from_microseconds(row[_SHARED]))


def as_failed(row: Row) -> FailedJob:
    """Make a value of a row of `jobs_failed`."""
    error, failed_at = row[_SHARED:]
    return FailedJob(**_shared(row), error=error, failed_at=from_microseconds(failed_at))


def _shared(row: Row) -> dict[str, Any]:
    return asdict(as_job(row), recurse=False)


def stored_now(new: NewJob, now: int) -> Job:
    """Give the job that `new` becomes when it is stored at this microsecond."""
    return as_asked(new, from_microseconds(now))


def enqueued_json(jobs: Iterable[Job]) -> str:
    """Write the parameter of enqueue.sql."""
    return to_json(
        [
            str(job.id),
            job.name,
            job.payload,
            job.priority,
            to_microseconds(job.available_at),
            job.unique_key,
            dump_occurrence(job.occurrence),
            dump_metadata(tuple(job.metadata.items())),
        ]
        for job in jobs
    )


def failed_json(jobs: Iterable[FailedJob]) -> str:
    """Write the parameter of restore.sql."""
    return to_json(
        [
            str(job.id),
            job.name,
            job.payload,
            job.priority,
            job.attempts,
            job.crashes,
            job.interruptions,
            job.reservations,
            to_microseconds(job.created_at),
            to_microseconds(job.available_at),
            None if job.reserved_at is None else to_microseconds(job.reserved_at),
            None if job.reserved_by is None else str(job.reserved_by),
            job.unique_key,
            dump_errors(job.errors),
            dump_occurrence(job.occurrence),
            dump_metadata(tuple(job.metadata.items())),
            job.error,
            to_microseconds(job.failed_at),
        ]
        for job in jobs
    )


def fence(settlement: Settlement) -> list[Any]:
    """Give the three values that every settlement begins with."""
    held = settlement.reservation
    return [str(held.job_id), str(held.owner), held.number]


def counters(settlement: Fail | Requeue) -> list[Any]:
    """Give the fence and the new values that both unhappy ends carry."""
    return [
        *fence(settlement),
        settlement.attempts,
        settlement.crashes,
        settlement.interruptions,
        dump_errors(settlement.errors),
    ]


def microseconds(duration: timedelta) -> int:
    """Count the whole microseconds of a duration."""
    return duration // MICROSECOND


def to_json(values: Iterable[object]) -> str:
    """Write a list for `json_each`."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))


def uuids_json(ids: Iterable[UUID]) -> str:
    """Write a list of ids for `json_each`, each once."""
    return to_json(dict.fromkeys(map(str, ids)))


def names_json(names: Iterable[str]) -> str:
    """Write worker names for `json_each`, each once."""
    return to_json(sorted(set(names)))
