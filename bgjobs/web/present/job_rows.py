"""Lists of jobs: what a row shows of a job, or of a stored row that is none."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import final
from uuid import UUID

from attrs import frozen

import bgjobs
from bgjobs.web.present.errors_view import headline

_SHORTEST, _WHOLE = 8, 32
"""Digits of an id in a list."""


@final
@frozen
class JobRow:
    """A row of a list of jobs."""

    id: UUID
    short_id: str
    """The beginning of the id, which no other row of the list has."""
    name: str
    """The name of the worker; of an unreadable row, what is stored as such."""
    state: bgjobs.State
    at: datetime | None
    """See `state_time`; of an unreadable row, when it was moved."""
    attempt: int | None
    """The number of the last or the next attempt; None for an unreadable row."""
    text: str
    """One line: why it failed or was cancelled, its progress, or why it cannot be read."""


def job_rows(
    found: Sequence[bgjobs.AnyJob | bgjobs.UnreadableJob], waits: Collection[UUID] = ()
) -> Sequence[JobRow]:
    """Return the rows of a list, in its order; `waits` has jobs that wait for children."""
    digits = distinct_digits({one.id for one in found})
    return [_row(one, one.id.hex[:digits], is_waiting=one.id in waits) for one in found]


def state_time(job: bgjobs.AnyJob) -> datetime:
    """Return when a job ended, or else when it was reserved, or else when it is due."""
    match job:
        case bgjobs.SucceededJob():
            return job.succeeded_at
        case bgjobs.FailedJob():
            return job.failed_at
        case bgjobs.CancelledJob():
            return job.cancelled_at
        case bgjobs.Job():
            return job.reserved_at or job.available_at


def progress_text(progress: bgjobs.Progress) -> str:
    """Return how much is done, of how much, and the note."""
    text = f"{progress.done:,.16g}"
    if progress.total is not None and progress.fraction is not None:
        text += f" of {progress.total:,.16g}, {int(100 * progress.fraction)} %"
    return text if progress.note is None else f"{text}: {progress.note}"


def _row(
    one: bgjobs.AnyJob | bgjobs.UnreadableJob, short_id: str, *, is_waiting: bool
) -> JobRow:
    if isinstance(one, bgjobs.UnreadableJob):
        name = str(one.columns.get("name"))
        return JobRow(one.id, short_id, name, one.state, one.found_at, None, one.reason)
    attempt, text = one.attempts + 1, _text(one)
    if is_waiting:
        text = f"waits for children; {text}" if text else "waits for children"
    return JobRow(one.id, short_id, one.name, one.state, state_time(one), attempt, text)


def _text(job: bgjobs.AnyJob) -> str:
    match job:
        case bgjobs.FailedJob():
            return headline(job.error)
        case bgjobs.CancelledJob():
            return headline(job.reason)
        case bgjobs.Job(state="running", progress=bgjobs.Progress() as progress):
            return progress_text(progress)
        case bgjobs.Job() if job.errors:
            return headline(job.errors[-1].error)
        case _:
            return "" if job.progress is None else progress_text(job.progress)


def distinct_digits(ids: Collection[UUID]) -> int:
    """Return how many digits distinguish these ids from each other."""
    lengths = range(_SHORTEST, _WHOLE)
    distinct = (one for one in lengths if len({id_.hex[:one] for id_ in ids}) == len(ids))
    return next(distinct, _WHOLE)
