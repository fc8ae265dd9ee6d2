"""Pages of what verbs list, and where the next one begins."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar, final
from uuid import UUID

from attrs import evolve, frozen

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
_DIGITS = len(str(2**63))
"""Fewer have the numbers that a database can count."""


@final
@frozen
class Cursor:
    """Where a page of a search has ended: what its last row is sorted by.

    The row may be gone by the time of the next page, or be somewhere else.
    """

    id: UUID
    at: datetime | None = None
    """When its job has failed, for a store that sorts by that."""
    number: int | None = None
    """The place of the row, for a store that numbers them."""

    def __str__(self) -> str:
        if self.at is not None:
            return f"{self.id}@{self.at.isoformat()}"
        return f"{self.id}" if self.number is None else f"{self.id}@{self.number}"

    @staticmethod
    def of(text: str) -> "Cursor":
        """Read the text of a cursor; `ValueError` for any other."""
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
    """Jobs, or their ids, with more that a verb has to tell of them."""

    def __init__(
        self,
        found: Iterable[T],
        unreadable: Sequence[UnreadableJob] = (),
        after: Cursor | None = None,
    ) -> None:
        super().__init__(found)
        self.unreadable = unreadable
        """The rows among them that cannot be read, which are left out."""
        self.after = after
        """Where the next page begins, behind the last row, readable or not; None if unknown."""


def unreadable_in(found: Sequence[object]) -> Sequence[UnreadableJob]:
    """Return the rows that a verb could not read and has left out."""
    return found.unreadable if isinstance(found, Listing) else ()


@final
@frozen
class Page:
    """Which part of a listing is wanted: up to `limit` rows behind the row `after`.

    Rows of most listings are sorted by their ids, so an id tells where to go on, whether or not
    its job is still there. Those of a search are not: `behind` finds the place.
    """

    limit: int = 100
    after: UUID | Cursor | None = None

    def __attrs_post_init__(self) -> None:
        check_whole("Page: limit", self.limit, least=0)
        if self.after is not None and not isinstance(self.after, Cursor):
            check_id("Page: after", self.after)

    @property
    def after_id(self) -> UUID | None:
        """The id behind which the page begins, for listings that are sorted by it."""
        return self.after.id if isinstance(self.after, Cursor) else self.after

    def behind(self, found: Sequence[StoredJob | UnreadableJob | UUID]) -> "Page":
        """Return the page behind one that was found; this page itself if nothing was found.

        Raises:
            TypeError: It is no list of jobs, or of their ids.
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
"""Failed jobs of one worker whose words are looked at one by one: a moment for a server."""

LONGEST = 500
"""Characters of one search; a word of more bytes than four times that is none to PostgreSQL."""

_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")
_WILD = re.compile(rf"{_WORD.pattern}\*?")


def words_of(text: str) -> Sequence[str]:
    """Take a search apart as errors are: letters, with their accents, and digits make words.

    A star behind the last word lets it be the beginning of a word.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        raise TypeError(f"search: expected str, found {type(text).__name__}")
    if len(text) > LONGEST:
        raise SearchError(f"at most {LONGEST} characters", f"{len(text):,}")
    words = _WILD.findall(text)
    if not words:
        raise SearchError("a word of letters or digits", repr(text))
    return tuple(words)


def are_in(words: Sequence[str], text: str) -> bool:
    """Whether a text has all of these words, the last of them as the beginning of one."""
    *whole, beginning = (word.casefold() for word in words)
    found = {word.casefold() for word in _WORD.findall(text)}
    return found.issuperset(whole) and any(word.startswith(beginning) for word in found)


def checked(words: Sequence[str]) -> tuple[Sequence[str], bool]:
    """Give the words alone, and whether the last is the beginning of one.

    An adapter trusts no caller with the language of a search.
    """
    alone = [one for word in words for one in _WORD.findall(word)]
    return alone, bool(words) and words[-1].endswith("*")
