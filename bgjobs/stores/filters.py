"""`JobFilter`: which stored jobs a listing has; and the parts of it that no index serves."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar, final, get_args
from uuid import UUID

from attrs import evolve, field, frozen

from bgjobs._core.arguments import (
    check_instant,
    check_name,
    check_texts,
    check_type,
)
from bgjobs._core.jobs import AnyJob, FailedJob, State, UnreadableJob
from bgjobs._core.text import value_text
from bgjobs.stores.pages import EXAMINED, Cursor, Listing, Page, are_in, checked, words_of

S_co = TypeVar("S_co", bound=State, covariant=True)
J = TypeVar("J", bound=AnyJob)

_PART = 200
"""How many rows are read at once to find those with some metadata; they may be large."""
SEARCHED = 200
"""Characters of the first line of an error that a search reads."""
_NOT_RESERVED = ("waiting", "delayed", "unreadable")
"""The states whose rows have no reservation."""


@final
@frozen
class JobFilter(Generic[S_co]):
    """Jobs of one state, and of these only the ones that have all of the other properties.

    An index finds running jobs, the ended jobs of a state, those of a worker (`name`), and the
    words of a `search`. For other properties, and for all those of waiting and delayed jobs, up
    to 10,000 rows are read for each page: a page may then be shorter than its limit, or empty,
    although more jobs follow. `Listing.after` is None only at the end.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: `state` is none of the states, or the rows of the state do not have the
            property; `SearchError` if `search` has no word or is too long.
    """

    state: S_co
    """``"waiting"``, ``"delayed"``, ``"running"``, ``"succeeded"``, ``"failed"``,
    ``"cancelled"`` or ``"unreadable"``."""
    name: str | None = field(default=None, kw_only=True)
    """The name of the worker."""
    queue: str | None = field(default=None, kw_only=True)
    """The queue, or scheduled job, that reserved the job last; not for waiting, delayed and
    unreadable ones."""
    owner: UUID | None = field(default=None, kw_only=True)
    """The start of a queue that reserved the job last; as for `queue`."""
    search: str | None = field(default=None, kw_only=True)
    """Words that the first line of the error contains; for failed jobs only.

    All of them must match whole words, ignoring case; a star after the last one makes it a
    prefix, as in ``"timeout db*"``.
    """
    metadata: Mapping[str, str] = field(factory=dict[str, str], kw_only=True, hash=False)
    """Keys and values that the metadata of the job contains."""
    before: datetime | None = field(default=None, kw_only=True)
    """Jobs that were created before this time, which has a time zone."""
    after: datetime | None = field(default=None, kw_only=True)
    """Jobs that were created at this time or later."""

    def __attrs_post_init__(self) -> None:
        if self.state not in get_args(State):
            found = value_text(self.state)
            raise ValueError(f"state: expected one of {get_args(State)}, found {found}")
        check_name("name", self.name, optional=True)
        check_name("queue", self.queue, optional=True)
        if self.owner is not None:
            check_type("owner", self.owner, UUID)
        check_texts("metadata", self.metadata)
        check_instant("before", self.before)
        check_instant("after", self.after)
        self._check_state()

    def _check_state(self) -> None:
        """Raise `ValueError` for a property that rows of this state do not have."""
        absent: list[tuple[str, object]] = []
        if self.state in _NOT_RESERVED:
            absent += [("queue", self.queue), ("owner", self.owner)]
        if self.state != "failed":
            absent.append(("search", self.search))
        if self.state == "unreadable":
            absent += [
                ("name", self.name),
                ("metadata", self.metadata or None),
                ("before", self.before),
                ("after", self.after),
            ]
        for what, found in absent:
            if found is not None:
                text = value_text(found)
                raise ValueError(f"{what}: expected none for {self.state} jobs, found {text}")
        if self.search is not None:
            words_of(self.search)

    @property
    def words(self) -> Sequence[str]:
        """The words of `search`."""
        return () if self.search is None else words_of(self.search)

    def selects(self, job: AnyJob, owners: Collection[UUID] = ()) -> bool:
        """Whether a job has all properties; `owners` are the owners of `queue`."""
        return (
            job.state == self.state
            and self.name in (None, job.name)
            and self.owner in (None, job.reserved_by)
            and (self.queue is None or job.reserved_by in owners)
            and (self.before is None or job.created_at < self.before)
            and (self.after is None or job.created_at >= self.after)
            and self.has_metadata(job)
            and (self.search is None or self._has_words(job))
        )

    def _has_words(self, job: AnyJob) -> bool:
        words, is_beginning = checked(self.words)
        first_line = job.error.split("\n", 1)[0] if isinstance(job, FailedJob) else ""
        return are_in(words, first_line[:SEARCHED], is_beginning=is_beginning)

    def has_metadata(self, job: AnyJob) -> bool:
        """Whether the metadata of a job contains `metadata`."""
        return self.metadata.items() <= dict(job.metadata).items()


def with_metadata(
    read: Callable[[Page], Listing[J]], wanted: JobFilter[State], page: Page
) -> Listing[J]:
    """Return a page of the jobs with the metadata of a filter.

    `read` returns pages without regard to metadata. It is called for more rows than the space
    that is left, because few may match, and again for fewer where too many do: only the end of
    what it returns is a position in a search.
    """
    if not wanted.metadata:
        return read(page)
    found, unreadable = list[J](), list[UnreadableJob]()
    part, size, left = page, max(page.limit, _PART), min(page.examined, EXAMINED)
    while len(found) < page.limit and left > 0:
        asked = min(size, left)
        jobs = read(evolve(part, limit=asked))
        matching = [job for job in jobs if wanted.has_metadata(job)]
        if len(matching) > page.limit - len(found):
            size = max(page.limit - len(found), size // 2)
            continue
        found += matching
        unreadable += jobs.unreadable
        left -= len(jobs) + len(jobs.unreadable)
        part = evolve(part, after=jobs.after)
        is_short = len(jobs) + len(jobs.unreadable) < asked  # so enough rows were examined
        if jobs.after is None or is_short:
            return Listing(found, unreadable, jobs.after)
    return Listing(found, unreadable, part.after if isinstance(part.after, Cursor) else None)
