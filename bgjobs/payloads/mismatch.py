"""A value that does not fit its annotation, and where it sits."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any

SHOWN = 10
"""Problems that one error lists; a hostile payload must not write a book."""
LONGEST_KEY = 40


class Mismatch(Exception):  # noqa: N818 - travels inside this package, users see PayloadError
    """Pairs of path and problem; a path is written from the value that was looked at."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems: tuple[tuple[str, str], ...] = tuple(islice(problems, SHOWN))
        super().__init__(self.problems)

    def under(self, step: str) -> Iterator[tuple[str, str]]:
        """Give the problems as seen from the holder of the value."""
        return ((step + path, problem) for path, problem in self.problems)

    def texts(self) -> tuple[str, ...]:
        """Give one sentence for each problem."""
        return tuple(f"{path}: {text}" if path else text for path, text in self.problems)


def unfit(expected: str, found: object) -> Mismatch:
    """Name the type that was wanted and the one that came, never the value."""
    return Mismatch([("", f"expected {expected}, found {type_name(found)}")])


def refused(problem: str) -> Mismatch:
    """Refuse a value in words of its own."""
    return Mismatch([("", problem)])


def unexpected(kind: str, count: int, known: Collection[str]) -> str:
    """Write how many names are not among the known ones; stored names may be data."""
    names = ", ".join(repr(name) for name in islice(known, SHOWN)) or "none"
    more = ", ..." if len(known) > SHOWN else ""
    return f"found {count} unexpected {kind}{'s' * (count > 1)}, expected only {names}{more}"


def as_mismatch(error: Exception) -> Mismatch:
    """Return `error`, or what may be told of one that a class of the user's has raised."""
    if isinstance(error, Mismatch):
        return error
    if isinstance(error, RecursionError | MemoryError):
        raise error
    return refused(f"expected a value that can be read, reading it raised {type_name(error)}")


def type_name(value: object) -> str:
    """Name the type of `value` as one would in an annotation."""
    return "None" if value is None else type(value).__qualname__


def key_step(key: object) -> str:
    """Write the step from a mapping to the value of `key`."""
    return f"[{shown(key)}]"


def shown(key: Any) -> str:
    """Write a key or a name that may be anything, of any length."""
    if isinstance(key, str):
        return repr(str(key) if len(key) <= LONGEST_KEY else key[:LONGEST_KEY] + "...")
    return type_name(key)
