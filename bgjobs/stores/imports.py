"""Failed jobs as lines of JSON: written, and read back with every value checked.

Values of a line are checked as strictly as those of a request. An error names the line, the
field and the reason, never the value, which may be a payload.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast, get_args
from uuid import UUID

from bgjobs._core.history import (
    KEPT_HISTORY,
    EndOfReservation,
    HistoryEntry,
    PastEnd,
    PastReservation,
)
from bgjobs._core.jobs import LARGEST_COUNT, AttemptError, FailedJob
from bgjobs._core.occurrences import KEY_PREFIX, Occurrence, Recurrence
from bgjobs._core.outcomes import KEPT_ERRORS
from bgjobs._core.payloads import json_text
from bgjobs._core.payloads.shapes import Mismatch
from bgjobs._core.progress import LARGEST_AMOUNT, LONGEST_NOTE, Progress
from bgjobs._core.requests import (
    LARGEST_PAYLOAD,
    LONGEST_KEY,
    LONGEST_NAME,
    LOWEST_PRIORITY,
    JobOptions,
    JobRequest,
)
from bgjobs._core.text import LONGEST_ERROR, is_visible
from bgjobs.errors import ExportedLineError
from bgjobs.stores.columns import BYTES, COUNTS, FAILED, TIMES
from bgjobs.stores.json_columns import END, RESERVATION, STORED, dump_occurrence
from bgjobs.stores.strict import (
    Fields,
    Refused,
    amount,
    as_duration,
    as_flag,
    as_id,
    as_list,
    as_moment,
    as_text,
    as_time,
    kind_of,
    loaded,
    made,
    one_of,
    optional,
    refuse,
    several,
    text_of,
    whole,
)

FORMAT = 1
"""The version of the format; it grows when older versions cannot read new lines."""


def to_line(job: FailedJob) -> str:
    """Return a failed job as one line of JSON, with its arguments, errors and history."""
    values = {name: _written(name, getattr(job, name)) for name in FAILED}
    return json.dumps({"format": FORMAT, **values}, ensure_ascii=False, separators=(",", ":"))


def _written(column: str, found: Any) -> object:
    """Return the value of a column as JSON has it."""
    if column == "occurrence":
        return dump_occurrence(found)
    if column in STORED:
        text = STORED[column](found)
        return _EMPTY.get(column) if text is None else json.loads(text)
    if isinstance(found, datetime):
        return found.isoformat()
    return str(found) if isinstance(found, UUID) else found


_EMPTY: Mapping[str, Any] = {"history": [], "metadata": {}}
"""The values of columns that are null; the others are null in JSON, too."""
LONGEST_LINE = 4 * LARGEST_PAYLOAD
"""Characters of one line: enough for a payload in which every character is escaped."""

_OLDER_ERROR, _ERROR = 3, 4
"""Values of one error; earlier versions did not write the time of its reservation."""
_LONGEST_NODE = 1_000
_LONGEST_END = 200
"""Characters of the text of an end before a retry, which is cut."""
_BEHIND = " after the first"
_COUNTER = whole(0, LARGEST_COUNT)
_ERROR_TEXT = text_of(LONGEST_ERROR, least=0)


def from_line(line: str, number: int) -> FailedJob:
    """Return the job of a line that `to_line` wrote; `ExportedLineError` names `number`."""
    try:
        return _job(Fields({**_ADDED, **_object_of(line)}))
    except Refused as refused:
        reason = str(refused)
    # Raised here, the error has no context: its causes quote values.
    raise ExportedLineError(number, reason)


def _object_of(line: str) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        refuse(f"at most {LONGEST_LINE:,} characters", "more")
    values = loaded(line, "a JSON object")
    found = values.get("format")
    if type(found) is not int or found != FORMAT:
        raise Refused(f"format: expected {FORMAT}, found another one")
    return values


def _job(fields: Fields) -> FailedJob:
    occurrence = fields.take("occurrence", optional(_occurrence))
    readers = {**_READERS, "unique_key": optional(_key_for(occurrence))}
    values: dict[str, Any] = {name: fields.take(name, readers[name]) for name in FAILED}
    job = FailedJob(**values)
    if (job.reserved_at is None) != (job.reserved_by is None):
        raise Refused("expected both of reserved_at and reserved_by or neither, found one")
    return job


def _name(found: Any) -> str:
    return made(lambda: JobRequest(found, "")).name


def _payload(found: object) -> str:
    text = as_text(found)
    try:
        json_text.load(text)
    except Mismatch as mismatch:
        raise Refused("; ".join(mismatch.messages())) from None
    return text


def _key_for(occurrence: Occurrence | None) -> Callable[[object], str]:
    def read(found: object) -> str:
        text = as_text(found)
        if occurrence is not None and text == occurrence.recurrence.unique_key:
            return text
        text = text_of(LONGEST_KEY)(text)
        if not is_visible(text):
            refuse("printable characters", "others")
        if text.startswith(KEY_PREFIX):
            refuse("a key that is not a scheduled job's", f"one that begins {KEY_PREFIX!r}")
        return text

    return read


def _errors(found: object) -> tuple[AttemptError, ...]:
    return several(found, KEPT_ERRORS, _attempt_error)


def _attempt_error(found: object) -> AttemptError:
    row = as_list(found)
    if len(row) not in (_OLDER_ERROR, _ERROR):
        refuse(f"{_OLDER_ERROR} or {_ERROR} values", f"{len(row):,}")
    attempt, failed_at, error, reserved_at = (*row, None)[:_ERROR]
    return AttemptError(
        _COUNTER(attempt),
        as_time(failed_at),
        _ERROR_TEXT(error),
        optional(as_time)(reserved_at),
    )


def _history(found: object) -> tuple[HistoryEntry, ...]:
    return several(found, KEPT_HISTORY, _entry)


def _entry(found: object) -> HistoryEntry:
    kind, *values = as_list(found) or [None]
    if kind not in (RESERVATION, END):
        refuse(f"{RESERVATION!r} or {END!r} first", "something else")
    if kind == END:
        return PastEnd(**_named(_PAST_END, values, _BEHIND))
    return PastReservation(**_named(_PAST_RESERVATION, values, _BEHIND))


def _named(
    readers: Mapping[str, Callable[[Any], object]], values: list[Any], where: str = ""
) -> dict[str, Any]:
    """Return the values of a row by their names."""
    if len(values) != len(readers):
        refuse(f"{len(readers)} values{where}", f"{len(values):,}")
    found = Fields(dict(zip(readers, values, strict=True)))
    return {name: found.take(name, read) for name, read in readers.items()}


def _progress(found: object) -> Progress:
    return Progress(**_named(_PROGRESS, as_list(found)))


def _metadata(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        refuse("an object", kind_of(found))
    values = cast("dict[str, str]", found)
    if not all(map(is_visible, values)):
        refuse("keys of printable characters", "others")
    made(lambda: JobOptions(metadata=tuple(sorted(values.items()))))
    return values


def _occurrence(found: object) -> Occurrence:
    text = as_text(found)
    if len(text.encode()) > BYTES["occurrence"]:
        refuse(f"at most {BYTES['occurrence']:,} bytes", "more")
    fields = Fields(loaded(text, "the text of a JSON object"))
    return Occurrence(
        recurrence=Recurrence(
            name=fields.take("name", _printable),
            schedule=fields.take("schedule", text_of(BYTES["occurrence"])),
            catch_up=fields.take("catch_up", _COUNTER),
            misfire_grace=fields.take("misfire_grace", optional(as_duration)),
            jitter=fields.take("jitter", as_duration),
        ),
        at=fields.take("at", as_moment),
        previous=fields.take("previous", optional(as_moment)),
        made_up=fields.take("made_up", _COUNTER),
        paused=fields.take("paused", as_flag),
    )


def _printable(found: object) -> str:
    text = text_of(LONGEST_KEY)(found)
    if not text.isprintable():
        refuse("printable characters", "others")
    return text


_READERS: Mapping[str, Callable[[Any], object]] = {
    "id": as_id,
    "name": _name,
    "payload": _payload,
    "priority": whole(-LOWEST_PRIORITY, LOWEST_PRIORITY),
    **dict.fromkeys(COUNTS, _COUNTER),
    **dict.fromkeys(TIMES, as_time),
    "reserved_at": optional(as_time),
    "reserved_by": optional(as_id),
    "errors": _errors,
    "occurrence": optional(_occurrence),
    "metadata": _metadata,
    "history": _history,
    "progress": optional(_progress),
    "parent_id": optional(as_id),
    "error": _ERROR_TEXT,
}
"""Reads the value of each column but the unique key, which depends on the occurrence."""
_ADDED: Mapping[str, Any] = {"history": [], "progress": None, "parent_id": None}
"""The columns that lines of earlier versions do not have."""
_PROGRESS: Mapping[str, Callable[[Any], object]] = {
    "done": amount(LARGEST_AMOUNT),
    "total": optional(amount(LARGEST_AMOUNT)),
    "note": optional(text_of(LONGEST_NOTE, least=0)),
    "reported_at": as_moment,
}
_PAST_RESERVATION: Mapping[str, Callable[[Any], object]] = {
    "number": _COUNTER,
    "owner": as_id,
    "queue": text_of(LONGEST_NAME, least=0),
    "node": text_of(_LONGEST_NODE, least=0),
    "attempt": _COUNTER,
    "reserved_at": as_moment,
    "ended_at": as_moment,
    "ended": one_of(get_args(EndOfReservation)),
}
_PAST_END: Mapping[str, Callable[[Any], object]] = {
    "state": one_of(("failed", "cancelled")),
    "at": as_moment,
    "text": text_of(_LONGEST_END, least=0),
    "by": optional(text_of(LONGEST_NAME, least=0)),
    "retried_at": as_moment,
    "retried_by": optional(text_of(LONGEST_NAME, least=0)),
}
