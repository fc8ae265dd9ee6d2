"""Fields with `repr=False`: what they hold is in no message, not even a key of it."""

from typing import Any, final

from attrs import evolve

from bgjobs.payloads.mismatch import Mismatch, refused, type_name
from bgjobs.payloads.shapes import Code, Shape


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
