"""Decodes rows of tables to jobs. Decoding never raises.

A row may have been written by another program, by another version of bgjobs or by an operator.
A row that cannot be read becomes an `UnreadableJob`, which says why, and affects no other job.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, TypeVar, final
from uuid import UUID, uuid5

from attrs import asdict, evolve, frozen

from bgjobs._core.jobs import (
    LARGEST_COUNT,
    AnyJob,
    CancelledJob,
    FailedJob,
    Job,
    SucceededJob,
    UnreadableJob,
)
from bgjobs._core.requests import LOWEST_PRIORITY
from bgjobs._core.text import is_utf8, value_text
from bgjobs.errors import UnreadableJobError
from bgjobs.stores import columns
from bgjobs.stores.json_columns import (
    NONE,
    as_count,
    as_nonempty,
    as_text,
    load_errors,
    load_history,
    load_metadata,
    load_occurrence,
    load_progress,
)

Row = Sequence[Any]
"""A row as the driver returns it: values of any type, in the order of `columns`."""
Table = Literal["jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled"]
TABLES: tuple[Table, ...] = ("jobs", "jobs_succeeded", "jobs_failed", "jobs_cancelled")
"""All tables of jobs, in the order in which statements use them."""

E = TypeVar("E", SucceededJob, FailedJob, CancelledJob)
J = TypeVar("J", Job, AnyJob)

LONGEST_SHOWN = 1_000
"""Characters of one column of an `UnreadableJob`. Longer texts are cut."""
_LISTS: Mapping[Table, Sequence[str]] = {
    "jobs": columns.JOB,
    "jobs_succeeded": columns.SUCCEEDED,
    "jobs_failed": columns.FAILED,
    "jobs_cancelled": columns.CANCELLED,
}
_SHARED = len(columns.JOB)
_APART = ("id", *columns.UNREADABLE)
_ROWS_WITHOUT_ID = UUID("6b0f6a52-5d0c-4c0e-9a52-0f5a1f0d7d3e")
"""The namespace of ids for rows without a valid id: each row has the same id at each read."""


@final
@frozen
class Decoder:
    """Decodes the rows of one database.

    Its functions may raise any exception for a value that they cannot read.
    """

    as_id: Callable[[Any], UUID]
    as_owner: Callable[[Any], UUID]
    as_time: Callable[[Any], datetime]

    def job(self, row: Row) -> Job | UnreadableJob:
        """Return a live job.

        Called for every job that is reserved, so it is written for speed: it tests inline for
        texts that are usually empty, and does not check types that both databases enforce.
        """
        try:
            name, payload, key = row[1], row[2], row[12]
            reserved_at, reserved_by, occurrence, metadata = row[10], row[11], row[14], row[15]
            history, progress, parent_id = row[16], row[17], row[18]
            # The bitwise or of the counters is below a power of two only if each counter is.
            if not (
                0 <= row[4] | row[5] | row[6] | row[7] <= LARGEST_COUNT
                and -LOWEST_PRIORITY <= row[3] <= LOWEST_PRIORITY
                and (name.isascii() or is_utf8(name))
                and (payload.isascii() or is_utf8(payload))
                and (key is None or (key and (key.isascii() or is_utf8(key))))
            ):
                return self.unreadable("jobs", row)
            # Passing a dict of keyword arguments would take a third longer.
            return Job(
                id=self.as_id(row[0]),
                name=name,
                payload=payload,
                priority=row[3],
                attempts=row[4],
                crashes=row[5],
                interruptions=row[6],
                reservations=row[7],
                created_at=self.as_time(row[8]),
                available_at=self.as_time(row[9]),
                reserved_at=None if reserved_at is None else self.as_time(reserved_at),
                reserved_by=None if reserved_by is None else self.as_owner(reserved_by),
                unique_key=key,
                errors=() if row[13] == NONE else load_errors(row[13]),
                occurrence=None if occurrence is None else load_occurrence(occurrence),
                metadata={} if metadata is None else load_metadata(metadata),
                history=() if history is None else load_history(history),
                progress=None if progress is None else load_progress(progress),
                parent_id=None if parent_id is None else self.as_owner(parent_id),
                state="waiting" if reserved_by is None else "running",
            )
        except Exception:  # noqa: BLE001 - a row may have any values, and other jobs must go on
            return self.unreadable("jobs", row)

    def succeeded(self, row: Row) -> SucceededJob | UnreadableJob:
        """Return a succeeded job."""
        at, result = row[_SHARED:]
        return self._ended(
            "jobs_succeeded",
            row,
            SucceededJob,
            lambda: {
                "succeeded_at": self.as_time(at),
                "result_json": None if result is None else as_nonempty(result),
            },
        )

    def failed(self, row: Row) -> FailedJob | UnreadableJob:
        """Return a failed job."""
        error, at = row[_SHARED:]
        return self._ended(
            "jobs_failed",
            row,
            FailedJob,
            lambda: {"error": as_text(error), "failed_at": self.as_time(at)},
        )

    def cancelled(self, row: Row) -> CancelledJob | UnreadableJob:
        """Return a cancelled job."""
        reason, by, at = row[_SHARED:]
        return self._ended(
            "jobs_cancelled",
            row,
            CancelledJob,
            lambda: {
                "reason": as_text(reason),
                "cancelled_by": None if by is None else as_text(by),
                "cancelled_at": self.as_time(at),
            },
        )

    def _ended(
        self, table: Table, row: Row, kind: type[E], end: Callable[[], Mapping[str, Any]]
    ) -> E | UnreadableJob:
        """Return an ended job, made of the columns of a job and those of its end."""
        job = self.job(row[:_SHARED])
        with suppress(Exception):  # the row may have any values
            if isinstance(job, Job):
                values = asdict(job, recurse=False)
                del values["state"]
                return kind(**values, **end())
        return self.unreadable(table, row)

    def of(self, table: Table) -> Callable[[Row], AnyJob | UnreadableJob]:
        """Return the function that decodes the rows of this table."""
        decoders: dict[Table, Callable[[Row], AnyJob | UnreadableJob]] = {
            "jobs": self.job,
            "jobs_succeeded": self.succeeded,
            "jobs_failed": self.failed,
            "jobs_cancelled": self.cancelled,
        }
        return decoders[table]

    def single(self, table: Table, row: Row) -> AnyJob:
        """Return the job of a row of this table; `UnreadableJobError` if it cannot be read."""
        found = self.of(table)(row)
        if isinstance(found, UnreadableJob):
            raise UnreadableJobError(found)
        return found

    def set_apart(self, row: Row, longest: int = LONGEST_SHOWN) -> UnreadableJob:
        """Return a row of `jobs_unreadable`, which has the columns of all tables.

        Texts are cut after `longest` characters.
        """
        key, origin, reason, found_at, *raw = row
        columns_of = _LISTS.get(origin, columns.JOB)
        found = zip(_APART, raw, strict=True)
        return UnreadableJob(
            id=self.id_of(key),
            table=origin,
            reason=reason if isinstance(reason, str) else "",
            columns={
                name: self._shown(name, value, longest)
                for name, value in found
                if name in columns_of
            },
            found_at=self._time_or_none(found_at),
        )

    def may_be_put_back(self, row: Row) -> bool:
        """Whether a row that was set apart can be read now."""
        _, origin, *raw = row
        found: dict[str, Any] = dict(zip(_APART, raw, strict=True))
        again = [found[name] for name in _LISTS.get(origin, columns.JOB)]
        return origin in _LISTS and not isinstance(self.of(origin)(again), UnreadableJob)

    def unreadable(self, table: Table, row: Row) -> UnreadableJob:
        """Return a row that cannot be read, or that the database refuses to change."""
        found = dict(zip(_LISTS[table], row, strict=True))
        return UnreadableJob(
            id=self.id_of(found["id"]),
            table=table,
            reason=self._reason(found),
            columns={name: self._shown(name, value) for name, value in found.items()},
            key=(found["id"], found["reserved_by"], found["reservations"]),
        )

    def _time_or_none(self, found: Any) -> datetime | None:
        try:
            return self.as_time(found)
        except Exception:  # noqa: BLE001 - the column may have any value
            return None

    def id_of(self, found: Any) -> UUID:
        """Return the id of a row, or an id derived from the value if it is not a UUID."""
        try:
            return self.as_id(found)
        except Exception:  # noqa: BLE001 - the column may have any value
            return uuid5(_ROWS_WITHOUT_ID, ascii(found))

    def _shown(self, column: str, found: Any, longest: int = LONGEST_SHOWN) -> str | int | None:
        """Return the value of a column in a form for people."""
        if column.endswith("_at"):
            with suppress(Exception):
                return self.as_time(found).isoformat()
        if found is None or type(found) is int:
            return found
        text = found if isinstance(found, str) else _decoded(found)
        return text if len(text) <= longest else f"{text[:longest]}..."

    def _reason(self, found: Mapping[str, Any]) -> str:
        fields = self._fields
        for column, value in found.items():
            read, expected = fields[column]
            try:
                if value is not None or column not in columns.MAY_BE_NULL:
                    read(value)
            except Exception:  # noqa: BLE001 - the column may have any value
                return f"{column}: expected {expected}"
        return "a column: expected a value that the database accepts"

    @property
    def _fields(self) -> Mapping[str, tuple[Callable[[Any], object], str]]:
        """For each column the function that reads it, and the expected value in words."""
        id_, time = (self.as_id, "a UUID"), (self.as_time, "a time from the year 1 to 9999")
        count = (_as_counter, f"a whole number from 0 to {LARGEST_COUNT:,}")
        return {
            "id": id_,
            "name": (as_nonempty, _at_most("name")),
            "payload": (as_text, _at_most("payload")),
            "priority": (_as_priority, f"-{LOWEST_PRIORITY:,} to {LOWEST_PRIORITY:,}"),
            "attempts": count,
            "crashes": count,
            "interruptions": count,
            "reservations": count,
            "created_at": time,
            "available_at": time,
            "reserved_at": time,
            "reserved_by": id_,
            "unique_key": (as_nonempty, _at_most("unique_key")),
            "errors": (load_errors, f"the errors of attempts as JSON, {_at_most('errors')}"),
            "occurrence": (load_occurrence, f"a run of a schedule, {_at_most('occurrence')}"),
            "metadata": (load_metadata, f"texts by name as JSON, {_at_most('metadata')}"),
            "history": (load_history, f"a history as JSON, {_at_most('history')}"),
            "progress": (load_progress, f"a progress as JSON, {_at_most('progress')}"),
            "parent_id": id_,
            "succeeded_at": time,
            "result": (as_nonempty, _at_most("result")),
            "error": (as_text, _at_most("error")),
            "failed_at": time,
            "cancel_reason": (as_text, _at_most("cancel_reason")),
            "cancelled_by": (as_text, _at_most("cancelled_by")),
            "cancelled_at": time,
        }


def as_of(job: J, now: datetime) -> J:
    """Return a job that was read at this time of the store, with its state at the time."""
    if isinstance(job, Job) and job.reserved_by is None and job.available_at > now:
        return evolve(job, state="delayed")
    return job


def first_of_each_job(found: Iterable[Row]) -> list[Any]:
    """Return the keys of rows that were set apart, one for each job id."""
    keys: dict[Any, Any] = {}
    for key, _, job_id, *_ in found:
        keys.setdefault(job_id, key)
    return [*keys.values()]


def _at_most(column: str) -> str:
    return f"at most {columns.BYTES[column]:,} bytes of UTF-8"


def _as_counter(found: object) -> int:
    return as_count(found, most=LARGEST_COUNT)


def _as_priority(found: object) -> int:
    return as_count(found, least=-LOWEST_PRIORITY, most=LOWEST_PRIORITY)


def _decoded(found: object) -> str:
    if isinstance(found, bytes):
        return found.decode(errors="backslashreplace")
    return str(found) if isinstance(found, UUID) else value_text(found, LONGEST_SHOWN)
