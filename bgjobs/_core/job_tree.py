"""`JobTree`: a job with its descendants, and what is said of those that are live."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, final
from uuid import UUID

from attrs import frozen

from bgjobs._core.history import PastReservation
from bgjobs._core.jobs import AnyJob, Job, StoredJob

MOST_COUNTED: Final = 1_000
"""Where counting descendants stops: jobs of a tree, with its root."""


@final
@frozen
class JobTree:
    """A job, and the jobs that were started in its nurseries, as `Client.tree` returns it."""

    id: UUID
    """The id of the job."""
    job: AnyJob | None
    """The job; None if it was deleted, or if its row cannot be read."""
    children: "tuple[JobTree, ...]" = ()
    """Its children, the oldest first; those of a tree that is too large are left out."""
    is_cut: bool = False
    """Whether the tree is too large, so that some descendants of this job are left out."""

    def __iter__(self) -> "Iterator[JobTree]":
        """Yield this job and all descendants, each parent before its children."""
        left: list[JobTree] = [self]  # not by recursion, which a deep tree would exhaust
        while left:
            one = left.pop()
            yield one
            left.extend(reversed(one.children))


def taken_along(tree: JobTree) -> str:
    """Return what else is cancelled with a job of a tree of `MOST_COUNTED` jobs at most.

    These are words such as ``its 3 live descendants``; none if there is nothing.
    """
    if not _is_live(tree):
        return ""
    if tree.is_cut:
        return f"those of its {MOST_COUNTED:,} or more descendants that are live"
    count = live_descendants(tree)
    return f"its {count:,} live descendant{'' if count == 1 else 's'}" if count else ""


def live_descendants(tree: JobTree) -> int:
    """Return how many descendants of a live job of a tree are live; 0 if the job has ended."""
    return sum(map(_is_live, tree)) - 1 if _is_live(tree) else 0


def waits_text(tree: JobTree) -> str:
    """Return what a handler waits for, such as ``waits for 3 of 5 children``."""
    children = tree.children
    if tree.is_cut and not any(one.children for one in children):
        return "waits for its children"  # perhaps some of them are left out
    live = sum(map(_is_live, children))
    noun = "child" if len(children) == 1 else "children"
    return f"waits for {live:,} of {len(children):,} {noun}"


def first_start(job: StoredJob) -> datetime | None:
    """Return when a job was reserved first, as far as its row has that; None if never."""
    past = (one.reserved_at for one in job.history if isinstance(one, PastReservation))
    return next(past, job.reserved_at)


def _is_live(one: JobTree) -> bool:
    return isinstance(one.job, Job)
