"""Shapes, which convert the values of one annotation to JSON and back, and their errors."""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from types import NoneType
from typing import Any, final

from attrs import define, evolve, frozen

# Any, here and below: what comes in is a caller's value or a database row, and finding out
# its type is the work of this package.
Code = Callable[[Any], Any]
"""Converts a value into its other form, or raises `Mismatch`."""

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

MAX_PROBLEMS = 10
"""Problems that one error lists, so that a hostile payload cannot fill the logs."""
MAX_KEY_LENGTH = 40


@final
@frozen(eq=False)
class Shape:
    """How the values of one annotation are written as JSON."""

    expected: str
    """The name of the expected value in errors."""
    kinds: frozenset[type]
    """The types that `json.loads` may return for it."""
    accepts: Callable[[Any], bool]
    """Whether a union passes a Python value to this member; parts of the value may not fit."""
    encode: Code
    decode: Code
    classes: tuple[type, ...] = ()
    """The attrs classes and dataclasses among its members; a union tells them apart."""
    exact: bool = False
    """It accepts one class only, so a union tries it before members that accept more."""
    keeps_equality: bool = False
    """Two values that are equal when they are read back were equal when they were passed."""


@final
@define(eq=False)
class DeferredShape:
    """The shape of a class or alias that may contain itself, while its parts are read."""

    shape: Shape | None = None

    def encode(self, value: Any) -> Any:
        """Encode with the finished shape."""
        return self._finished().encode(value)

    def decode(self, value: Any) -> Any:
        """Decode with the finished shape."""
        return self._finished().decode(value)

    def accepts(self, value: Any) -> bool:
        """Whether the finished shape accepts `value`."""
        return self._finished().accepts(value)

    def _finished(self) -> Shape:
        if self.shape is None:
            raise RuntimeError("a shape was used while it was being made")
        return self.shape


class AnnotationError(Exception):
    """An annotation whose values cannot be stored as JSON."""


class Mismatch(Exception):  # noqa: N818 - stays inside this package, users see PayloadError
    """A value that does not fit its annotation.

    It has pairs of path and problem; the path starts at the value that was converted.
    """

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems: tuple[tuple[str, str], ...] = tuple(islice(problems, MAX_PROBLEMS))
        super().__init__(self.problems)

    def under(self, step: str) -> Iterator[tuple[str, str]]:
        """Return the problems with paths that start one step above the value."""
        return ((step + path, problem) for path, problem in self.problems)

    def messages(self) -> tuple[str, ...]:
        """Return one line of text for each problem."""
        return tuple(f"{path}: {text}" if path else text for path, text in self.problems)


def type_mismatch(expected: str, found: object) -> Mismatch:
    """Return the error for a value of another type; it names the type, never the value."""
    return Mismatch([("", f"expected {expected}, found {type_name(found)}")])


def value_mismatch(problem: str) -> Mismatch:
    """Return the error for a value of the right type that does not fit for another reason."""
    return Mismatch([("", problem)])


def unexpected(kind: str, count: int, known: Collection[str]) -> str:
    """Return how many names are unknown, without the names: stored ones may be data."""
    names = ", ".join(repr(name) for name in islice(known, MAX_PROBLEMS)) or "none"
    more = ", ..." if len(known) > MAX_PROBLEMS else ""
    return f"found {count} unexpected {kind}{'s' * (count > 1)}, expected only {names}{more}"


def as_mismatch(error: Exception) -> Mismatch:
    """Return `error`, or for an error of user code, a mismatch that names only its type."""
    if isinstance(error, Mismatch):
        return error
    if isinstance(error, RecursionError | MemoryError):
        raise error
    return value_mismatch(f"expected a readable value, reading it raised {type_name(error)}")


def type_name(value: object) -> str:
    """Return the name of the type of `value`, as it is written in an annotation."""
    return "None" if value is None else type(value).__qualname__


def key_step(key: object) -> str:
    """Return the step of a path from a mapping to the value of `key`."""
    return f"[{key_text(key)}]"


def key_text(key: Any) -> str:
    """Return a key of any type and length as text for an error."""
    if isinstance(key, str):
        return repr(str(key) if len(key) <= MAX_KEY_LENGTH else key[:MAX_KEY_LENGTH] + "...")
    return type_name(key)


@final
class RedactedDict(dict[str, Any]):
    """A JSON object from a field with `repr=False`; errors name no part of it."""


@final
class RedactedList(list[Any]):
    """A JSON array from a field with `repr=False`; errors name no part of it."""


def redacted(shape: Shape) -> Shape:
    """Return `shape` with errors that name the type of the value and nothing inside it."""
    write = _without_details(shape.encode, shape.expected)
    read = _without_details(shape.decode, shape.expected)

    def encode(value: Any) -> Any:
        return _mark(write(value))

    def decode(value: Any) -> Any:
        return read(_unmark(value))

    return evolve(shape, encode=encode, decode=decode)


def _mark(json: Any) -> Any:
    if isinstance(json, dict):
        return RedactedDict(json)  # pyright: ignore[reportUnknownArgumentType] - any JSON
    if isinstance(json, list):
        return RedactedList(json)  # pyright: ignore[reportUnknownArgumentType] - any JSON
    return json


def _unmark(json: Any) -> Any:
    # A set decodes its items before they are written as text, while they are still marked.
    if isinstance(json, RedactedDict):
        return dict(json)
    return list(json) if isinstance(json, RedactedList) else json


def _without_details(code: Code, expected: str) -> Code:
    def call(value: Any) -> Any:
        try:
            return code(value)
        except Mismatch:
            found = f"{type_name(value)} whose parts are not shown (repr=False)"
            raise value_mismatch(f"expected {expected}, found {found}") from None

    return call
