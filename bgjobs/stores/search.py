"""What is searched for, as words: the same for both databases, and safe in their languages."""

import re
from collections.abc import Sequence

from bgjobs.errors import SearchError

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
