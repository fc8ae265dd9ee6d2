"""Conversion between rows and values: what rows mean, and parameters as JSON."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from bgjobs._core.ids import parsed_id
from bgjobs._core.jobs import FailedJob, Job, Reservation
from bgjobs._core.limits import Cap
from bgjobs._core.settlements import (
    Cancel,
    Counted,
    Fail,
    Report,
    Requeue,
    Settlement,
    Succeed,
)
from bgjobs._core.timestamps import (
    FIRST_MICROSECOND,
    LAST_MICROSECOND,
    MICROSECOND,
    as_duration,
    from_microseconds,
    to_microseconds,
)
from bgjobs.stores import columns
from bgjobs.stores.columns import ColumnLists
from bgjobs.stores.decoder import Decoder
from bgjobs.stores.json_columns import (
    STORED,
    dump_errors,
    dump_history,
    dump_metadata,
    dump_occurrence,
    dump_progress,
)
from bgjobs.stores.sql import Statements
from bgjobs.stores.sqlite.connection import Parameters

_owner = lru_cache(maxsize=16)(parsed_id)
"""Cached, because one owner holds a whole batch."""
DECODER = Decoder(as_id=parsed_id, as_owner=_owner, as_time=from_microseconds)


def size_of(version: tuple[int, ...]) -> str:
    """Return the expression for the bytes of a column, for a version of the library."""
    # octet_length reads the size from the header of the row. The other expression reads the
    # whole value, but does not decode its characters.
    return "octet_length({})" if version >= (3, 43) else "length(cast({} as blob))"


_COLUMNS = ColumnLists(
    length=size_of(sqlite3.sqlite_version_info).format,
    in_calendar=f"{{}} between {FIRST_MICROSECOND} and {LAST_MICROSECOND}".format,
    beginning="substr({}, 1, :longest + 1)".format,
    total="cast(total({}) as integer)".format,
    value=lambda _, place: f"json_extract(value, '$[{place}]')",
)


def statements(prefix: str) -> Statements:
    """Return the statements for the tables whose names begin with `prefix`."""
    return Statements("bgjobs.stores.sqlite", lambda name: f'"{prefix}{name}"', _COLUMNS)


def id_or_none(text: str) -> UUID | None:
    """Return the id that a text is, or None."""
    try:
        return parsed_id(text)
    except ValueError:
        return None


def as_stored(text: str) -> bytes:
    """Return a text that was read as the parameter of `cast(:name as text)`.

    Text that is not UTF-8 was read with surrogates in place of its bytes; see `read_text`.
    """
    return text.encode("utf-8", "surrogateescape")


def valid_ids(texts: Iterable[str]) -> list[UUID]:
    """Return the ids among texts; a row that another program has written may have another."""
    return [one for text in texts if (one := id_or_none(text)) is not None]


def enqueued_json(jobs: Iterable[Job]) -> str:
    """Return the parameter `jobs` of the statement `enqueue`."""
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
    """Return the parameter `jobs` of the statement `restore`."""
    return to_json([_stored(job, column) for column in columns.FAILED] for job in jobs)


def _stored(job: FailedJob, column: str) -> str | int | None:
    """Return the value of a column as it is stored."""
    if column in STORED:
        return STORED[column](getattr(job, column))
    found: str | int | datetime | UUID | None = getattr(job, column)
    if isinstance(found, datetime):
        return to_microseconds(found)
    return str(found) if isinstance(found, UUID) else found


def settled(settlements: Iterable[Settlement | Report], now: int) -> Parameters:
    """Return the parameters of the statements that settle jobs."""
    return {"settled": to_json(_settled(one, now) for one in settlements), "now": now}


def _settled(settlement: Settlement | Report, now: int) -> list[Any]:
    held = fence(settlement)
    if isinstance(settlement, Succeed):
        return held if settlement.result is None else [*held, settlement.result]
    if isinstance(settlement, Fail):
        return [*held, settlement.error, *counted(settlement)]
    if isinstance(settlement, Cancel):
        return [*held, settlement.reason, settlement.by, *counted(settlement)]
    if isinstance(settlement, Requeue):
        delay = settlement.delay
        available_at = None if delay is None else now + microseconds(delay)
        return [*held, available_at, *counted(settlement)]
    if isinstance(settlement, Report):
        return [*held, dump_progress(settlement.progress)]
    return held


def marked(settlement: Fail | Cancel) -> str:
    """Return the parameter `settled` of the statements that mark an end."""
    return to_json([[*fence(settlement), *counted(settlement)]])


def fence(settlement: Settlement | Report) -> list[Any]:
    """Return the values that identify a reservation: job id, owner and number."""
    return _held(settlement.reservation)


def held_json(reservations: Iterable[Reservation]) -> str:
    """Return reservations for `json_each`, each as id, owner and number."""
    return to_json(map(_held, reservations))


def _held(reservation: Reservation) -> list[Any]:
    return [str(reservation.job_id), str(reservation.owner), reservation.number]


def counted(settlement: Counted) -> list[Any]:
    """Return the values of `columns.SETTLED`."""
    return [
        settlement.attempts,
        settlement.crashes,
        settlement.interruptions,
        dump_errors(settlement.errors),
        dump_history(settlement.history),
    ]


def caps_json(caps: Iterable[Cap]) -> str:
    """Return pairs of a worker's name and the period of its rate limit, 0 without one."""
    return to_json([cap.name, _period(cap)] for cap in caps)


def _period(cap: Cap) -> int:
    return 0 if cap.rate is None else microseconds(as_duration(cap.rate.period))


def microseconds(duration: timedelta) -> int:
    """Return the whole microseconds of a duration."""
    return duration // MICROSECOND


def to_json(values: Iterable[object]) -> str:
    """Return a list for `json_each`."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))


def uuids_json(ids: Iterable[UUID]) -> str:
    """Return a list of ids for `json_each`, each once."""
    return to_json(dict.fromkeys(map(str, ids)))


def names_json(names: Iterable[str]) -> str:
    """Return a sorted list of worker names for `json_each`, each once."""
    return to_json(sorted(set(names)))
