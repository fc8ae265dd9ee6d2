"""Pages of listings, cursors, and the words of searches."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar, final
from uuid import UUID

from attrs import evolve, field, frozen

from bgjobs._core.arguments import (
    check_id,
    check_instant,
    check_text,
    check_type,
    check_whole,
    id_of,
)
from bgjobs._core.jobs import StoredJob, UnreadableJob
from bgjobs.errors import SearchError

T = TypeVar("T")

EXAMINED = 10_000
"""How many rows a listing reads for one page, where no index finds the jobs of a filter."""
_DIGITS = len(str(2**63))
"""Row numbers have fewer digits."""


@final
@frozen
class Cursor:
    """The end of a page of a search: the values by which its last row is sorted.

    The row may have been deleted or moved before the next page is read.
    """

    id: UUID
    at: datetime | None = None
    """When the job failed, for a store that sorts by that."""
    number: int | None = None
    """The number of the row, for a store that sorts by that."""

    def __str__(self) -> str:
        if self.at is not None:
            return f"{self.id}@{self.at.isoformat()}"
        return f"{self.id}" if self.number is None else f"{self.id}@{self.number}"

    @staticmethod
    def of(text: str) -> "Cursor":
        """Parse the text of a cursor; `ValueError` for any other text."""
        check_text("text", text)
        job_id, _, key = text.partition("@")
        try:
            if not key:
                return Cursor(UUID(job_id))
            if key.isascii() and key.isdecimal() and len(key) < _DIGITS:
                return Cursor(UUID(job_id), number=int(key))
            at = datetime.fromisoformat(key)
            check_instant("text", at)
            return Cursor(UUID(job_id), at=at)
        except ValueError:
            raise ValueError("text: expected that of a cursor, found another one") from None


class Listing(list[T]):
    """Jobs or ids, with the rows that could not be read and the end of the page."""

    def __init__(
        self,
        found: Iterable[T],
        unreadable: Sequence[UnreadableJob] = (),
        after: Cursor | None = None,
    ) -> None:
        super().__init__(found)
        self.unreadable = unreadable
        """Rows of the page that cannot be read. They are not among the jobs."""
        self.after = after
        """Where the next page begins; None if no row follows, or if it is not known."""


def unreadable_in(found: Sequence[object]) -> Sequence[UnreadableJob]:
    """Return the rows that a method left out because they cannot be read."""
    return found.unreadable if isinstance(found, Listing) else ()


@final
@frozen
class Page:
    """A part of a listing: up to `limit` rows after the position `after`.

    Most listings are sorted by id, so an id is a position, whether its job still exists or not.
    Searches are not sorted by id: `behind` returns the page that follows.
    """

    limit: int = 100
    after: UUID | Cursor | None = None
    examined: int = field(default=EXAMINED, kw_only=True)
    """How many rows may be read for it at most, to find jobs by their metadata."""

    def __attrs_post_init__(self) -> None:
        check_whole("Page: limit", self.limit, least=0)
        check_whole("Page: examined", self.examined, least=1)
        if self.after is not None and not isinstance(self.after, Cursor):
            check_id("Page: after", self.after)

    @property
    def after_id(self) -> UUID | None:
        """The id after which the page begins, for listings that are sorted by id."""
        return self.after.id if isinstance(self.after, Cursor) else self.after

    def behind(self, found: Sequence[StoredJob | UnreadableJob | UUID]) -> "Page":
        """Return the page that follows the one with these rows; this page if there are none.

        Raises:
            TypeError: `found` is not a sequence of jobs or of ids.
        """
        check_type("behind", found, Sequence, "a list of jobs")
        if isinstance(found, Listing) and found.after is not None:
            return evolve(self, after=found.after)
        if not found:
            return self
        last = found[-1]
        if isinstance(last, UnreadableJob):
            return evolve(self, after=last.id)
        return evolve(self, after=id_of("behind: the last", last))


FIRST_PAGE = Page()


FEW = 5_000
"""How many failed jobs of one worker are searched without an index, which is quick."""

LONGEST = 500
"""Characters of a search. PostgreSQL indexes no word of more than 2,046 bytes."""

_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")
_WILD = re.compile(rf"{_WORD.pattern}\*?")


def words_of(text: str) -> Sequence[str]:
    """Return the words of a search: sequences of letters, with accents, and digits.

    A star after the last word makes it match the beginning of a word.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise TypeError(f"search: expected str, found {type(text).__name__}")
    if len(text) > LONGEST:
        raise SearchError(f"at most {LONGEST} characters", f"{len(text):,}")
    words = _WILD.findall(text)
    if not words:
        raise SearchError("a word of letters or digits", repr(text))
    return tuple(words)


def are_in(words: Sequence[str], text: str, *, is_beginning: bool = True) -> bool:
    """Whether a text has all of these words; the last may be the beginning of a word."""
    *whole, last = (word.casefold() for word in words)
    found = {word.casefold() for word in _WORD.findall(text)}
    has_last = last in found or (is_beginning and any(word.startswith(last) for word in found))
    return has_last and found.issuperset(whole)


def checked(words: Sequence[str]) -> tuple[Sequence[str], bool]:
    """Return the words without other characters, and whether the last is a prefix.

    So callers cannot use the query language of a database.
    """
    alone = [one for word in words for one in _WORD.findall(word)]
    return alone, bool(words) and words[-1].endswith("*")
