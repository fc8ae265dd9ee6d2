"""A shape carries the values of one annotation to JSON and back, strictly."""

from collections.abc import Callable
from types import NoneType
from typing import Any, final

from attrs import define, frozen

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
