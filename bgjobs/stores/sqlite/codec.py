"""How rows of the tables are read, and values as the JSON that goes into statements."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from bgjobs._core.ids import parsed_id
from bgjobs._core.jobs import FailedJob, Job
from bgjobs._core.settlements import Fail, Requeue, Settlement
from bgjobs._core.timestamps import (
    FIRST_MICROSECOND,
    LAST_MICROSECOND,
    MICROSECOND,
    from_microseconds,
    to_microseconds,
)
from bgjobs.stores.columns import ColumnLists
from bgjobs.stores.decoder import Decoder
from bgjobs.stores.json_columns import dump_errors, dump_metadata, dump_occurrence
from bgjobs.stores.port import NewJob
from bgjobs.stores.sql import Statements
from bgjobs.stores.values import as_asked

_owner = lru_cache(maxsize=16)(parsed_id)
"""One owner holds a whole batch."""
DECODER = Decoder(as_id=parsed_id, as_owner=_owner, as_time=from_microseconds)


def size_of(version: tuple[int, ...]) -> str:
    """Return the expression for the bytes of a column, for a version of the library."""
    # The first finds them in the header of the row. The other reads the whole value, but does
    # not look at each of its characters.
    return "octet_length({})" if version >= (3, 43) else "length(cast({} as blob))"


_COLUMNS = ColumnLists(
    length=size_of(sqlite3.sqlite_version_info).format,
    in_calendar=f"{{}} between {FIRST_MICROSECOND} and {LAST_MICROSECOND}".format,
    beginning="substr({}, 1, :longest + 1)".format,
)


def statements(prefix: str) -> Statements:
    """Return the statements of the tables whose names begin so."""
    return Statements("bgjobs.stores.sqlite", lambda name: f'"{prefix}{name}"', _COLUMNS)


def id_or_none(text: str) -> UUID | None:
    """Return an id, or None for text that is none."""
    try:
        return parsed_id(text)
    except ValueError:
        return None


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
