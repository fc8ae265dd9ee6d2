"""Failed jobs as lines of JSON: written, and read back with every value checked.

Values of a line are checked as strictly as those of a request. An error names the line, the
field and the reason, never the value, which may be a payload.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar, cast, final
from uuid import UUID

from bgjobs._core.jobs import LARGEST_COUNT, AttemptError, FailedJob
from bgjobs._core.occurrences import KEY_PREFIX, Occurrence, Recurrence
from bgjobs._core.outcomes import KEPT_ERRORS
from bgjobs._core.payloads import json_text
from bgjobs._core.payloads.shapes import Mismatch
from bgjobs._core.requests import (
    LARGEST_PAYLOAD,
    LONGEST_KEY,
    LOWEST_PRIORITY,
    JobOptions,
    JobRequest,
)
from bgjobs._core.text import LONGEST_ERROR, check_storable, is_visible
from bgjobs._core.timestamps import LONGEST_DELAY, as_instant, from_microseconds
from bgjobs.errors import ExportedLineError
from bgjobs.stores.columns import BYTES
from bgjobs.stores.json_columns import dump_errors, dump_occurrence

FORMAT = 1
"""The version of the format; it grows when older versions cannot read new lines."""


def to_line(job: FailedJob) -> str:
    """Return a failed job as one line of JSON, with its arguments and errors."""
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


LONGEST_LINE = 4 * LARGEST_PAYLOAD
"""Characters of one line: enough for a payload in which every character is escaped."""

_LONGEST_NUMBER = 40
"""Characters of the longest number; no field accepts a longer one."""
_OLDER_ERROR, _ERROR = 3, 4
"""Values of one error; earlier versions did not write the time of its reservation."""
_INSTANT = "an instant with a time zone, from the year 1 to 9999"
_MICROSECOND = timedelta(microseconds=1)

T = TypeVar("T")


@final
class _Refused(Exception):  # noqa: N818 - travels inside this module
    """Why a value is refused."""


def from_line(line: str, number: int) -> FailedJob:
    """Return the job of a line that `to_line` wrote; `ExportedLineError` names `number`."""
    try:
        return _job(_Fields(_object_of(line)))
    except _Refused as refused:
        reason = str(refused)
    # Raised here, the error has no context: its causes quote values.
    raise ExportedLineError(number, reason)


def _object_of(line: str) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        _refuse(f"at most {LONGEST_LINE:,} characters", "more")
    values = _loaded(line, "a JSON object")
    found = values.get("format")
    if type(found) is not int or found != FORMAT:
        raise _Refused(f"format: expected {FORMAT}, found another one")
    return values


def _loaded(text: str, wanted: str) -> dict[str, Any]:
    try:
        found = _DECODER.decode(text)
    except RecursionError:
        _refuse(wanted, "one nested too deeply")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        _refuse(wanted, "something else")
    return cast("dict[str, Any]", found)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        _refuse("each name once in an object", "one twice")
    return values


def _no_constant(name: str) -> NoReturn:
    _refuse("JSON", name)


def _number(text: str) -> float:
    return int(text) if len(text) <= _LONGEST_NUMBER else float(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_constant=_no_constant, parse_int=_number
)


@final
class _Fields:
    """The values of one line, read by name."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def take(self, name: str, read: Callable[[Any], T]) -> T:
        """Return what `read` returns for a value; `_Refused` names the field."""
        if name not in self._values:
            raise _Refused(f"{name}: expected a value, found none")
        try:
            return read(self._values[name])
        except _Refused as refused:
            raise _Refused(f"{name}: {refused}") from None


def _job(fields: _Fields) -> FailedJob:
    take = fields.take
    occurrence = take("occurrence", _optional(_occurrence))
    job = FailedJob(
        id=take("id", _id),
        name=take("name", lambda found: _made(lambda: JobRequest(found, "")).name),
        payload=take("payload", _payload),
        priority=take("priority", _whole(-LOWEST_PRIORITY, LOWEST_PRIORITY)),
        attempts=take("attempts", _COUNTER),
        crashes=take("crashes", _COUNTER),
        interruptions=take("interruptions", _COUNTER),
        reservations=take("reservations", _COUNTER),
        created_at=take("created_at", _instant),
        available_at=take("available_at", _instant),
        reserved_at=take("reserved_at", _optional(_instant)),
        reserved_by=take("reserved_by", _optional(_id)),
        unique_key=take("unique_key", _optional(_key_for(occurrence))),
        errors=take("errors", _errors),
        occurrence=occurrence,
        metadata=take("metadata", _metadata),
        error=take("error", _error),
        failed_at=take("failed_at", _instant),
    )
    if (job.reserved_at is None) != (job.reserved_by is None):
        raise _Refused("expected both of reserved_at and reserved_by or neither, found one")
    return job


def _payload(found: object) -> str:
    text = _text(found)
    try:
        json_text.load(text)
    except Mismatch as mismatch:
        raise _Refused("; ".join(mismatch.messages())) from None
    return text


def _error(found: object) -> str:
    text = _text(found)
    if len(text) > LONGEST_ERROR:
        _refuse(f"at most {LONGEST_ERROR:,} characters", f"{len(text):,}")
    return text


def _key_for(occurrence: Occurrence | None) -> Callable[[object], str]:
    def read(found: object) -> str:
        text = _text(found)
        if occurrence is not None and text == occurrence.recurrence.unique_key:
            return text
        text = _text_of(LONGEST_KEY)(text)
        if not is_visible(text):
            _refuse("printable characters", "others")
        if text.startswith(KEY_PREFIX):
            _refuse("a key that is not a scheduled job's", f"one that begins {KEY_PREFIX!r}")
        return text

    return read


def _errors(found: object) -> tuple[AttemptError, ...]:
    if not isinstance(found, list):
        _refuse("a list", _kind(found))
    rows = cast("list[object]", found)
    if len(rows) > KEPT_ERRORS:
        _refuse(f"at most {KEPT_ERRORS}", f"{len(rows):,}")
    return tuple(_at(f"[{index}]", _attempt_error, row) for index, row in enumerate(rows))


def _attempt_error(found: object) -> AttemptError:
    if not isinstance(found, list):
        _refuse("a list", _kind(found))
    row = cast("list[object]", found)
    if len(row) not in (_OLDER_ERROR, _ERROR):
        _refuse(f"{_OLDER_ERROR} or {_ERROR} values", f"{len(row):,}")
    attempt, failed_at, error, reserved_at = (*row, None)[:_ERROR]
    return AttemptError(
        _COUNTER(attempt), _instant(failed_at), _error(error), _optional(_instant)(reserved_at)
    )


def _metadata(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        _refuse("an object", _kind(found))
    values = cast("dict[str, str]", found)
    if not all(map(is_visible, values)):
        _refuse("keys of printable characters", "others")
    _made(lambda: JobOptions(metadata=tuple(sorted(values.items()))))
    return values


def _occurrence(found: object) -> Occurrence:
    text = _text(found)
    if len(text.encode()) > BYTES["occurrence"]:
        _refuse(f"at most {BYTES['occurrence']:,} bytes", "more")
    fields = _Fields(_loaded(text, "the text of a JSON object"))
    return Occurrence(
        recurrence=Recurrence(
            name=fields.take("name", _printable),
            schedule=fields.take("schedule", _text_of(BYTES["occurrence"])),
            catch_up=fields.take("catch_up", _COUNTER),
            misfire_grace=fields.take("misfire_grace", _optional(_duration)),
            jitter=fields.take("jitter", _duration),
        ),
        at=fields.take("at", _moment),
        previous=fields.take("previous", _optional(_moment)),
        made_up=fields.take("made_up", _COUNTER),
        paused=fields.take("paused", _flag),
    )


def _id(found: object) -> UUID:
    try:
        return UUID(_text(found))
    except ValueError:
        _refuse("a UUID", "other text")


def _instant(found: object) -> datetime:
    try:
        return as_instant("instant", datetime.fromisoformat(_text(found)))
    except ValueError:
        _refuse(_INSTANT, "other text")


def _moment(found: object) -> datetime:
    count = _whole(-(2**62), 2**62)(found)
    try:
        return from_microseconds(count)
    except OverflowError:
        _refuse(_INSTANT, "one beyond")


def _duration(found: object) -> timedelta:
    return timedelta(microseconds=_whole(0, LONGEST_DELAY // _MICROSECOND)(found))


def _flag(found: object) -> bool:
    if not isinstance(found, bool):
        _refuse("true or false", _kind(found))
    return found


def _whole(least: int, most: int) -> Callable[[object], int]:
    def read(found: object) -> int:
        if isinstance(found, bool) or not isinstance(found, int | float):
            _refuse(wanted, _kind(found))
        if not isinstance(found, int) or not least <= found <= most:
            _refuse(wanted, "another number")
        return found

    wanted = f"a whole number from {least:,} to {most:,}"
    return read


_COUNTER = _whole(0, LARGEST_COUNT)


def _text_of(longest: int) -> Callable[[object], str]:
    def read(found: object) -> str:
        text = _text(found)
        if not 1 <= len(text) <= longest:
            _refuse(f"1 to {longest:,} characters", f"{len(text):,}")
        return text

    return read


def _printable(found: object) -> str:
    text = _text_of(LONGEST_KEY)(found)
    if not text.isprintable():
        _refuse("printable characters", "others")
    return text


def _text(found: object) -> str:
    return _made(lambda: check_storable("", found))


def _optional(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda found: None if found is None else read(found)


def _at(where: str, read: Callable[[object], T], found: object) -> T:
    try:
        return read(found)
    except _Refused as refused:
        raise _Refused(f"{where}: {refused}") from None


def _made(make: Callable[[], T]) -> T:
    """Return what `make` returns; `_Refused` has the reason without the name before it."""
    try:
        return make()
    except (ValueError, TypeError) as error:
        raise _Refused(str(error).rpartition(": ")[2]) from None


def _kind(found: object) -> str:
    return "none" if found is None else type(found).__name__


def _refuse(wanted: str, found: str) -> NoReturn:
    raise _Refused(f"expected {wanted}, found {found}")
