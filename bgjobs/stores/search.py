"""What is searched for, as words: the same for both databases, and safe in their languages."""

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> Sequence[str]:
    """Take a search apart, as errors are: letters and digits make words, the rest divides."""
    words = _WORD.findall(text)
    if not words:
        raise ValueError(f"search: expected a word of letters or digits, found {text!r}")
    return tuple(words)


def words_alone(words: Sequence[str]) -> Sequence[str]:
    """Give them apart once more: an adapter trusts no caller with the language of a search."""
    return [one for word in words for one in _WORD.findall(word)]
