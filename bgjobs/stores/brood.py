"""What the stores share for `Nurseries`: the children of one call, and pages of children."""

from collections.abc import Iterable, Mapping, Sequence
from typing import final
from uuid import UUID

from attrs import evolve

from bgjobs._core.jobs import AnyJob, Job, SucceededJob, UnreadableJob
from bgjobs.errors import NestedTooDeeplyError
from bgjobs.stores.nurseries import DEEPEST, NewChild, StoredChild
from bgjobs.stores.pages import Cursor, Listing, Page
from bgjobs.stores.types import NewJob
from bgjobs.stores.values import single

LONGEST_CHILD_KEY = 200


@final
class Brood:
    """The children that one call asks for. Of those with the same key, the first counts."""

    def __init__(self, children: Sequence[NewChild]) -> None:
        self._asked = children
        self._first: dict[str, NewChild] = {}
        for one in children:
            _check(one)
            self._first.setdefault(one.key, one)

    @property
    def keys(self) -> Sequence[str]:
        """The keys, each once."""
        return [*self._first]

    @property
    def new_jobs(self) -> Sequence[NewJob]:
        """The jobs to store for them, as far as they are missing."""
        return [one.job for one in self._first.values()]

    def adopted(
        self, known: Mapping[str, UUID], jobs: Mapping[UUID, AnyJob | UnreadableJob]
    ) -> dict[str, AnyJob]:
        """Return the jobs that are children already, by their keys.

        `known` has the ids of the children that the parent has, and `jobs` those that exist.
        """
        found: dict[str, AnyJob] = {}
        for key, child in self._first.items():
            row = jobs.get(known[key]) if key in known else None
            job = None if row is None else single(row)
            if job is not None and (_counts(job) or job.id == child.job.id):
                found[key] = job
        return found

    def missing(self, found: Mapping[str, AnyJob]) -> Sequence[NewChild]:
        """Return the children whose keys have no job yet."""
        return [one for key, one in self._first.items() if key not in found]

    def in_order(self, found: Mapping[str, AnyJob], parent: UUID) -> Sequence[AnyJob]:
        """Return the job of each child that was asked for, as a job of this parent."""
        return [_of_parent(found[one.key], parent) for one in self._asked]


def check_depth(parent: UUID, ancestors: int) -> None:
    """Raise if a job with so many ancestors may have no child."""
    if ancestors >= DEEPEST:
        raise NestedTooDeeplyError(parent, DEEPEST)


def _check(child: NewChild) -> None:
    if not 1 <= len(child.key) <= LONGEST_CHILD_KEY:
        raise ValueError(
            f"key: expected 1 to {LONGEST_CHILD_KEY} characters, found {len(child.key):,}"
        )
    if child.job.request.options.unique_key is not None:
        raise ValueError("job: expected a child without a unique key, found one with a key")


def _counts(job: AnyJob) -> bool:
    return isinstance(job, Job | SucceededJob)


def _of_parent(job: AnyJob, parent: UUID) -> AnyJob:
    return job if job.parent_id == parent else evolve(job, parent_id=parent)


def readable_only(jobs: Mapping[UUID, AnyJob | UnreadableJob]) -> dict[UUID, AnyJob]:
    """Return the jobs whose rows can be read."""
    return {one: job for one, job in jobs.items() if not isinstance(job, UnreadableJob)}


def children_of(
    rows: Iterable[tuple[UUID, str, UUID]], jobs: Mapping[UUID, AnyJob], page: Page
) -> Listing[StoredChild]:
    """Return a page of children, of which one may be that of the next page."""
    found = [StoredChild(parent, key, one, jobs.get(one)) for parent, key, one in rows]
    kept = found[: page.limit]
    if len(found) == len(kept):
        return Listing(kept)
    last = kept[-1].id if kept else page.after_id
    return Listing(kept, after=None if last is None else Cursor(last))
