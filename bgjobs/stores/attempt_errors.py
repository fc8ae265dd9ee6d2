"""The errors of a job's attempts as the JSON text that both databases keep in one column."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bgjobs._core.jobs import AttemptError
from bgjobs._core.timestamps import as_instant
from bgjobs.stores.json_columns import as_array, as_count, as_text, parsed

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
    """Read what `dump_errors` wrote; `ValueError` for anything else."""
    if text == NONE:
        return ()
    return tuple(_loaded(as_array(row)) for row in as_array(parsed(text)))


def _loaded(row: Sequence[Any]) -> AttemptError:
    attempt, at, error, *others = row  # older versions wrote these three only
    [reserved] = others or [None]
    reserved_at = None if reserved is None else _instant(reserved)
    return AttemptError(as_count(attempt), _instant(at), as_text(error), reserved_at)


def _instant(text: object) -> datetime:
    return as_instant("failed_at", datetime.fromisoformat(as_text(text)))


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
