"""The errors of a job's attempts as the JSON text that both databases keep in one column."""

import json
from datetime import datetime

from bgjobs.instants import EPOCH, as_instant
from bgjobs.jobs import AttemptError

NONE = "[]"


def dump_errors(errors: tuple[AttemptError, ...]) -> str:
    """Write them as a JSON array of ``[attempt, failed at, text, reserved at]``."""
    if not errors:
        return NONE
    rows = [
        [one.attempt, one.failed_at.isoformat(), one.error, _text(one.reserved_at)]
        for one in errors
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def load_errors(text: str) -> tuple[AttemptError, ...]:
    """Read what `dump_errors` wrote; what cannot be read is kept as the text of one error.

    So no job is lost for it, and writing the job back loses nothing either.
    """
    if text == NONE:
        return ()
    try:
        return tuple(_loaded(*row) for row in json.loads(text))
    except (ValueError, TypeError):
        return (AttemptError(0, EPOCH, text),)


def _loaded(attempt: int, at: str, error: str, reserved: str | None = None) -> AttemptError:
    reserved_at = None if reserved is None else _instant(reserved)
    return AttemptError(attempt, _instant(at), error, reserved_at)


def _instant(text: str) -> datetime:
    return as_instant("failed_at", datetime.fromisoformat(text))


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
