"""Jobs as rows of CSV, for programs that compute: https://www.rfc-editor.org/rfc/rfc4180.

Programs for tables run cells that look like formulas. Such a cell begins with an apostrophe
here: https://owasp.org/www-community/attacks/CSV_Injection.
"""

import csv
import io
import json
from collections.abc import Iterable

import bgjobs
from bgjobs._core.text import visible
from bgjobs.web.present.errors_view import headline
from bgjobs.web.present.job_rows import state_time

COLUMNS = (
    *("id", "worker", "state", "since", "created_at", "available_at", "priority", "attempts"),
    *("unique_key", "error_or_reason", "metadata"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_head() -> str:
    """Return the line with the names of the columns."""
    return _line(COLUMNS)


def csv_row(job: bgjobs.AnyJob) -> str:
    """Return the line of a job, without its arguments and its result."""
    return _line(
        [
            str(job.id),
            job.name,
            job.state,
            state_time(job).isoformat(),
            job.created_at.isoformat(),
            job.available_at.isoformat(),
            str(job.priority),
            str(job.attempts),
            job.unique_key or "",
            _error(job),
            json.dumps(dict(job.metadata), ensure_ascii=False) if job.metadata else "",
        ]
    )


def _error(job: bgjobs.AnyJob) -> str:
    match job:
        case bgjobs.FailedJob():
            return headline(job.error)
        case bgjobs.CancelledJob():
            return headline(job.reason)
        case _:
            return headline(job.errors[-1].error) if job.errors else ""


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(map(_cell, cells))
    return text.getvalue()


def _cell(text: str) -> str:
    shown = visible(text)
    is_number = shown.removeprefix("-").isdecimal()
    return f"'{shown}" if shown.startswith(_FORMULA) and not is_number else shown
