"""JSON in columns: errors, metadata and occurrences. Any program may have written it."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast, get_args

from attrs import evolve

from bgjobs._core.history import EndOfReservation, HistoryEntry, PastEnd, PastReservation
from bgjobs._core.ids import parsed_id
from bgjobs._core.jobs import AttemptError
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.progress import LARGEST_AMOUNT, Progress
from bgjobs._core.text import is_utf8
from bgjobs._core.timestamps import (
    FIRST_MICROSECOND,
    LAST_MICROSECOND,
    LONGEST_DELAY,
    MICROSECOND,
    as_instant,
    from_microseconds,
    to_microseconds,
)

T = TypeVar("T")
_OBJECT: type[dict[str, Any]] = dict
_ARRAY: type[list[Any]] = list


def parsed(text: str) -> Any:
    """Return the value of a JSON text, of any type; `ValueError` for other texts."""
    try:
        found: Any = json.loads(text)
    except RecursionError:
        raise ValueError("expected JSON, found too many levels") from None
    return found


def as_text(found: object) -> str:
    """Return a text that can be stored again; `ValueError` for anything else."""
    if not isinstance(found, str) or not (found.isascii() or is_utf8(found)):
        raise ValueError("expected a text")
    return found


def as_count(found: object, *, least: int = 0, most: int = 2**63 - 1) -> int:
    """Return a whole number between two bounds; `ValueError` for anything else."""
    if type(found) is not int or not least <= found <= most:
        raise ValueError(f"expected a whole number from {least} to {most}")
    return found


def as_object(found: object) -> dict[str, Any]:
    """Return a JSON object; `ValueError` for anything else."""
    return _of_type(found, _OBJECT)


def as_array(found: object) -> list[Any]:
    """Return a JSON array; `ValueError` for anything else."""
    return _of_type(found, _ARRAY)


def as_flag(found: object) -> bool:
    """Return true or false; `ValueError` for anything else."""
    return _of_type(found, bool)


def _of_type(found: object, kind: type[T]) -> T:
    if not isinstance(found, kind):
        # All problems of a text in a row are reported by the same error, wrong types included.
        raise ValueError(f"expected {kind.__name__}")  # noqa: TRY004 - see above
    return found


NONE = "[]"


def dump_errors(errors: tuple[AttemptError, ...]) -> str:
    """Return errors as a JSON array of ``[attempt, failed at, text, reserved at]``."""
    if not errors:
        return NONE
    rows = [
        [one.attempt, one.failed_at.isoformat(), one.error, _text(one.reserved_at)]
        for one in errors
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def load_errors(text: str) -> tuple[AttemptError, ...]:
    """Read what `dump_errors` wrote; `ValueError` for anything else."""
    if text == NONE:
        return ()
    return tuple(_load_error(as_array(row)) for row in as_array(parsed(text)))


def _load_error(row: Sequence[Any]) -> AttemptError:
    attempt, at, error, *others = row  # older versions wrote only these three
    [reserved] = others or [None]
    reserved_at = None if reserved is None else _iso_instant(reserved)
    return AttemptError(as_count(attempt), _iso_instant(at), as_text(error), reserved_at)


def _iso_instant(text: object) -> datetime:
    return as_instant("failed_at", datetime.fromisoformat(as_text(text)))


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


RESERVATION, END = "reservation", "end"
"""The first value of each entry of a history. SQL writes the entries of ends: see `retry`."""
_RESERVATION_ENDS = get_args(EndOfReservation)


def dump_history(history: tuple[HistoryEntry, ...]) -> str | None:
    """Return a history as a JSON array of arrays; None if it is empty."""
    if not history:
        return None
    rows = [_history_row(one) for one in history]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def _history_row(one: HistoryEntry) -> list[Any]:
    if isinstance(one, PastEnd):
        times = to_microseconds(one.at), to_microseconds(one.retried_at)
        return [END, one.state, times[0], one.text, one.by, times[1], one.retried_by]
    return [
        RESERVATION,
        one.number,
        str(one.owner),
        one.queue,
        one.node,
        one.attempt,
        to_microseconds(one.reserved_at),
        to_microseconds(one.ended_at),
        one.ended,
    ]


def load_history(text: str | None) -> tuple[HistoryEntry, ...]:
    """Read what `dump_history` wrote; `ValueError` for anything else."""
    return (
        ()
        if text is None
        else tuple(_load_entry(as_array(row)) for row in as_array(parsed(text)))
    )


def _load_entry(row: Sequence[Any]) -> HistoryEntry:
    kind, *values = row
    if kind == RESERVATION:
        number, owner, queue, node, attempt, reserved_at, ended_at, ended = values
        return PastReservation(
            number=as_count(number),
            owner=parsed_id(as_text(owner)),
            queue=as_text(queue),
            node=as_text(node),
            attempt=as_count(attempt),
            reserved_at=_instant(reserved_at),
            ended_at=_instant(ended_at),
            ended=_one_of(ended, _RESERVATION_ENDS),
        )
    state, at, text, by, retried_at, retried_by = values
    if kind != END:
        raise ValueError("expected an entry of a history")
    return PastEnd(
        state=_one_of(state, ("failed", "cancelled")),
        at=_instant(at),
        text=readable(text),  # SQL copied it, and SQLite accepts what is not UTF-8
        by=None if by is None else readable(by),
        retried_at=_instant(retried_at),
        retried_by=None if retried_by is None else as_text(retried_by),
    )


def readable(found: object) -> str:
    """Return a text in which what is not UTF-8 is replaced; `ValueError` for anything else."""
    return _of_type(found, str).encode(errors="replace").decode()


def _one_of(found: object, words: Sequence[str]) -> Any:
    if found not in words:
        raise ValueError(f"expected one of {words}")
    return found


def dump_progress(progress: Progress | None) -> str | None:
    """Return a progress as a JSON array of ``[done, total, note, reported at]``."""
    if progress is None:
        return None
    row = [progress.done, progress.total, progress.note, to_microseconds(progress.reported_at)]
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def load_progress(text: str) -> Progress:
    """Read what `dump_progress` wrote; `ValueError` for anything else."""
    done, total, note, reported_at = as_array(parsed(text))
    return Progress(
        done=_amount(done),
        total=None if total is None else _amount(total),
        note=None if note is None else as_text(note),
        reported_at=_instant(reported_at),
    )


def _amount(found: object) -> float:
    if type(found) not in (int, float) or not 0 <= cast("float", found) <= LARGEST_AMOUNT:
        raise ValueError(f"expected a number from 0 to {LARGEST_AMOUNT}")
    return cast("float", found)


def as_nonempty(found: object) -> str:
    """Return a text that is not empty; `ValueError` for anything else.

    Statements return an empty one instead of a result that is too long.
    """
    if not found:
        raise ValueError("expected a text")
    return as_text(found)


def dump_metadata(metadata: tuple[tuple[str, str], ...]) -> str | None:
    """Return metadata as a JSON object; None if there is none."""
    if not metadata:
        return None
    return json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":"))


def load_metadata(text: str | None) -> Mapping[str, str]:
    """Read what `dump_metadata` wrote; `ValueError` for anything else."""
    if text is None:
        return {}
    values = as_object(parsed(text))
    return {as_text(key): as_text(value) for key, value in values.items()}


def dump_occurrence(occurrence: Occurrence | None) -> str | None:
    """Return an occurrence as a JSON object; times and durations are whole microseconds."""
    if occurrence is None:
        return None
    recurrence = occurrence.recurrence
    values = {
        "name": recurrence.name,
        "schedule": recurrence.schedule,
        "catch_up": recurrence.catch_up,
        "misfire_grace": _length(recurrence.misfire_grace),
        "jitter": _length(recurrence.jitter),
        "at": _count("at", occurrence.at),
        "previous": _count("previous", occurrence.previous),
        "made_up": occurrence.made_up,
        "paused": occurrence.paused,
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def load_occurrence(text: str | None) -> Occurrence | None:
    """Read what `dump_occurrence` wrote; `ValueError` for anything else.

    Keys that a newer version added are ignored.
    """
    return None if text is None else _load_occurrence(as_object(parsed(text)))


def _load_occurrence(values: Mapping[str, Any]) -> Occurrence:
    grace, previous = values.get("misfire_grace"), values.get("previous")
    recurrence = Recurrence(
        name=as_text(values.get("name")),
        schedule=as_text(values.get("schedule")),
        catch_up=as_count(values.get("catch_up", 0)),
        misfire_grace=None if grace is None else _duration(grace),
        jitter=_duration(values.get("jitter", 0)),
    )
    return Occurrence(
        recurrence=recurrence,
        at=_instant(values.get("at")),
        previous=None if previous is None else _instant(previous),
        made_up=as_count(values.get("made_up", 0)),
        paused=as_flag(values.get("paused", False)),
    )


def _duration(found: object) -> timedelta:
    return timedelta(microseconds=as_count(found, most=2 * (LONGEST_DELAY // MICROSECOND)))


def _instant(found: object) -> datetime:
    return from_microseconds(as_count(found, least=FIRST_MICROSECOND, most=LAST_MICROSECOND))


def in_utc(occurrence: Occurrence) -> Occurrence:
    """Return an occurrence with its times in UTC, as `load_occurrence` returns it."""
    previous = occurrence.previous
    return evolve(
        occurrence,
        at=as_instant("at", occurrence.at),
        previous=None if previous is None else as_instant("previous", previous),
    )


def _length(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // MICROSECOND


def _count(what: str, moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(as_instant(what, moment))


STORED: Mapping[str, Callable[[Any], str | None]] = {
    "errors": dump_errors,
    "occurrence": dump_occurrence,
    "metadata": lambda metadata: dump_metadata(tuple(metadata.items())),
    "history": dump_history,
    "progress": dump_progress,
}
"""How the attributes of a job are stored that are no values of their column."""
