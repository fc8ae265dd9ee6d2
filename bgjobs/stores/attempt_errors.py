"""The errors of a job's attempts as the JSON text that both databases keep in one column."""

import json
from datetime import datetime

from bgjobs.jobs import AttemptError

NONE = "[]"


def dump_errors(errors: tuple[AttemptError, ...]) -> str:
    """Write them as a JSON array of ``[attempt, instant, text]``."""
    if not errors:
        return NONE
    rows = [[one.attempt, one.failed_at.isoformat(), one.error] for one in errors]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def load_errors(text: str) -> tuple[AttemptError, ...]:
    """Read what `dump_errors` wrote."""
    if text == NONE:
        return ()
    return tuple(
        AttemptError(attempt, datetime.fromisoformat(failed_at), error)
        for attempt, failed_at, error in json.loads(text)
    )
