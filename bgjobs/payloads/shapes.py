"""A shape carries the values of one annotation to JSON and back, strictly."""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from types import NoneType
from typing import Any, final

from attrs import define, evolve, frozen

# Any, here and below: what comes in is a caller's value or a database row, and finding out
# its type is the work of this package.
Code = Callable[[Any], Any]
"""Turns a value into its other form, or raises `Mismatch`."""

NULL = frozenset[type]({NoneType})
BOOL = frozenset[type]({bool})
INT = frozenset[type]({int})
FLOAT = frozenset[type]({float})
NUMBER = INT | FLOAT
TEXT = frozenset[type]({str})
ARRAY = frozenset[type]({list})
OBJECT = frozenset[type]({dict})

KIND_NAMES: dict[type, str] = {
    NoneType: "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    list: "array",
    dict: "object",
}


@final
@frozen(eq=False)
class Shape:
    """How one annotation is written as JSON."""

    expected: str
    """What an error calls a value that fits."""
    kinds: frozenset[type]
    """The types that `json.loads` may give for it."""
    accepts: Callable[[Any], bool]
    """Whether a Python value is meant for this member of a union; its parts may be wrong."""
    encode: Code
    decode: Code
    classes: tuple[type, ...] = ()
    """The attrs classes and dataclasses among it; a union can tell several of them apart."""
    exact: bool = False
    """It takes one class only, so a union asks it before its wider neighbours."""
    keeps_equality: bool = False
    """Two values are equal when they are read back only if they were equal when given."""


@final
@define(eq=False)
class LateShape:
    """Stands for a class while its own fields are looked at, for it may hold itself."""

    shape: Shape | None = None

    def encode(self, value: Any) -> Any:
        """Encode through the finished shape."""
        return self._finished().encode(value)

    def decode(self, value: Any) -> Any:
        """Decode through the finished shape."""
        return self._finished().decode(value)

    def accepts(self, value: Any) -> bool:
        """Ask the finished shape."""
        return self._finished().accepts(value)

    def _finished(self) -> Shape:
        if self.shape is None:
            raise RuntimeError("a shape was used while it was being made")
        return self.shape


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


@final
class HiddenDict(dict[str, Any]):
    """An object whose parts are not named; `json` writes it like any other."""


@final
class HiddenList(list[Any]):
    """An array whose parts are not named."""


def hidden(shape: Shape) -> Shape:
    """Say of a value that does not fit which type it is of, and nothing else."""
    write = _discreet(shape.encode, shape.expected)
    read = _discreet(shape.decode, shape.expected)

    def encode(value: Any) -> Any:
        return _marked(write(value))

    def decode(value: Any) -> Any:
        return read(_unmarked(value))

    return evolve(shape, encode=encode, decode=decode)


def _marked(json: Any) -> Any:
    if isinstance(json, dict):
        return HiddenDict(json)  # pyright: ignore[reportUnknownArgumentType] - any JSON
    if isinstance(json, list):
        return HiddenList(json)  # pyright: ignore[reportUnknownArgumentType] - any JSON
    return json


def _unmarked(json: Any) -> Any:
    """Return what a set reads back of its items, before they are written as text."""
    if isinstance(json, HiddenDict):
        return dict(json)
    return list(json) if isinstance(json, HiddenList) else json


def _discreet(code: Code, expected: str) -> Code:
    def call(value: Any) -> Any:
        try:
            return code(value)
        except Mismatch:
            found = f"{type_name(value)} whose parts are not shown (repr=False)"
            raise refused(f"expected {expected}, found {found}") from None

    return call
