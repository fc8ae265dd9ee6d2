"""`JobTree`: a job with its descendants."""

from collections.abc import Iterator
from typing import final
from uuid import UUID

from attrs import frozen

from bgjobs._core.jobs import AnyJob


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
