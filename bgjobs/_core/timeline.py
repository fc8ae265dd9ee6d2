"""The timeline of one job, derived from its stored row."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from operator import itemgetter
from typing import Final, final
from uuid import UUID

from attrs import field, frozen

from bgjobs._core.arguments import check_instant, check_type
from bgjobs._core.history import PastEnd, PastReservation
from bgjobs._core.job_tree import JobTree, first_start
from bgjobs._core.jobs import CancelledJob, FailedJob, Job, Owner, StoredJob, SucceededJob

WAITS: Final = "waits for children"
"""What a handler does whose wait for its children is recorded."""


@final
@frozen
class TimelineEntry:
    """One entry of the timeline of a job."""

    at: datetime
    """When it happened; in the future for a delayed job that is ``due``."""
    what: str
    """What happened: ``enqueued``, ``due``, ``attempt 1 reserved``, the end of an attempt as in
    `PastReservation.ended`, such as ``attempt 1 failed``, ``succeeded``, ``failed for good``,
    ``cancelled`` or ``retried``. Of a child, ``child started`` or how it ended, such as
    ``child succeeded``; ``waits for children`` as long as the handler does."""
    error: str | None = field(default=None, repr=False)
    """The error of the attempt, or the reason why the job ended."""
    queue: str | None = None
    """The queue that had reserved the job; None if it is not known."""
    node: str | None = None
    """Host and process of that queue."""
    by: str | None = None
    """Who cancelled or retried the job; None if the caller named no one."""
    child: UUID | None = None
    """The id of the child that has started or ended; None for what happened to the job."""


def timeline(
    job: StoredJob,
    owner: Owner | None = None,
    *,
    tree: JobTree | None = None,
    waits_since: datetime | None = None,
) -> Sequence[TimelineEntry]:
    """Return what happened to a job, as far as its row has the times.

    The row has the last 100 reservations that ended without success, and the last 20 errors.
    Rows of earlier versions of bgjobs have only the errors.

    Args:
        job: A stored job, live or ended.
        owner: The owner of its last reservation, whose queue and node are shown for it;
            `Client.timeline` reads it from the store.
        tree: The job with its children, whose starts and ends are added.
        waits_since: Since when its handler waits for its children, if it does.

    Returns:
        The entries, oldest first. Attempts are counted from 1.

    Raises:
        TypeError: `job` is not a stored job, or another argument has another type.
    """
    check_type("timeline", job, StoredJob, "a job")
    if owner is not None:
        check_type("timeline: owner", owner, Owner)
    if tree is not None:
        check_type("timeline: tree", tree, JobTree)
    check_instant("timeline: waits_since", waits_since)
    enqueued, *others = entries = [
        TimelineEntry(job.created_at, "enqueued"),
        *_past(job),
        *_last_reservation(job, owner),
        *_end(job),
    ]
    # What is known to have happened in this order keeps it: the clocks of processes differ.
    first, *keys = accumulate((entry.at for entry in entries), max)
    keyed = [
        (first, enqueued),
        *((entry.at, entry) for entry in _errors_alone(job)),
        *zip(keys, others, strict=True),
        *((entry.at, entry) for entry in _due(job)),
        *((entry.at, entry) for entry in _family(tree, waits_since)),
    ]
    return [entry for _, entry in sorted(keyed, key=itemgetter(0))]


def _past(job: StoredJob) -> Iterator[TimelineEntry]:
    """Yield the entries of the history."""
    errors = {one.reserved_at: one.error for one in job.errors}
    for one in job.history:
        if isinstance(one, PastEnd):
            what = "cancelled" if one.state == "cancelled" else "failed for good"
            yield TimelineEntry(one.at, what, one.text, by=one.by)
            yield TimelineEntry(one.retried_at, "retried", by=one.retried_by)
        else:
            where = (one.queue or None, one.node or None)
            attempt, error = f"attempt {one.attempt}", errors.get(one.reserved_at)
            yield TimelineEntry(one.reserved_at, f"{attempt} reserved", None, *where)
            yield TimelineEntry(one.ended_at, f"{attempt} {one.ended}", error, *where)


def _errors_alone(job: StoredJob) -> Iterator[TimelineEntry]:
    """Yield the attempts that the history lacks, as earlier versions wrote only errors."""
    known = _reserved(job)
    for one in job.errors:
        if one.reserved_at in known:
            continue
        if one.reserved_at is not None:
            yield TimelineEntry(one.reserved_at, f"attempt {one.attempt} reserved")
        yield TimelineEntry(one.failed_at, f"attempt {one.attempt} failed", one.error)


def _last_reservation(job: StoredJob, owner: Owner | None) -> Iterator[TimelineEntry]:
    """Yield the present reservation, or the one in which the job has succeeded."""
    known = _reserved(job) | {one.reserved_at for one in job.errors}
    if job.reserved_at is not None and job.reserved_at not in known:
        where = (None, None) if owner is None else (owner.name, owner.node)
        what = f"attempt {job.attempts + 1} reserved"
        yield TimelineEntry(job.reserved_at, what, None, *where)


def _end(job: StoredJob) -> Iterator[TimelineEntry]:
    if isinstance(job, SucceededJob):
        yield TimelineEntry(job.succeeded_at, "succeeded")
    elif isinstance(job, FailedJob):
        is_listed = bool(job.errors) and job.errors[-1].error == job.error
        yield TimelineEntry(job.failed_at, "failed for good", None if is_listed else job.error)
    elif isinstance(job, CancelledJob):
        yield TimelineEntry(job.cancelled_at, "cancelled", job.reason, by=job.cancelled_by)


def _due(job: StoredJob) -> Iterator[TimelineEntry]:
    if isinstance(job, Job) and job.reserved_by is None:
        yield TimelineEntry(job.available_at, "due")


def _family(tree: JobTree | None, waits_since: datetime | None) -> Iterator[TimelineEntry]:
    """Yield what happened to the children, and since when the handler waits for them."""
    for one in () if tree is None else tree.children:
        if one.job is not None:
            yield from _child(one.job)
    if waits_since is not None:
        yield TimelineEntry(waits_since, WAITS)


def _child(child: StoredJob) -> Iterator[TimelineEntry]:
    """Yield when a child was reserved first, as far as it is known, and how it has ended."""
    started = first_start(child)
    if started is not None:
        yield TimelineEntry(started, "child started", child=child.id)
    if isinstance(child, SucceededJob):
        yield TimelineEntry(child.succeeded_at, "child succeeded", child=child.id)
    elif isinstance(child, FailedJob):
        yield TimelineEntry(child.failed_at, "child failed", child.error, child=child.id)
    elif isinstance(child, CancelledJob):
        at, reason = child.cancelled_at, child.reason
        yield TimelineEntry(
            at, "child cancelled", reason, by=child.cancelled_by, child=child.id
        )


def _reserved(job: StoredJob) -> set[datetime]:
    return {one.reserved_at for one in job.history if isinstance(one, PastReservation)}
