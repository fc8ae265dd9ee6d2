"""The shapes of arrays and of objects whose keys are data."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bgjobs.payloads.mismatch import SHOWN, Mismatch, key_step, refused, shown, unfit
from bgjobs.payloads.shapes import ARRAY, OBJECT, Code, Shape


def array_shape(name: str, kind: type, make: Callable[[list[Any]], Any], item: Shape) -> Shape:
    """Write a collection of any length; `make` builds it again."""
    accepts = _collection_of(kind)

    def encode(value: Any) -> list[Any]:
        if accepts(value):
            return _each(value, item.encode)
        raise unfit(name, value)

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise unfit(name, value)
        items = _each(value, item.decode)  # pyright: ignore[reportUnknownArgumentType] - a row
        try:
            return make(items)
        except TypeError:
            raise refused(f"expected {name} of items that can be hashed") from None

    return Shape(name, ARRAY, accepts, encode, decode)


def tuple_shape(items: tuple[Shape, ...]) -> Shape:
    """Write a tuple of fixed length."""
    name = f"tuple of {len(items)}"
    encoders = tuple(item.encode for item in items)
    decoders = tuple(item.decode for item in items)

    def encode(value: Any) -> list[Any]:
        if isinstance(value, tuple):
            return _row(name, value, encoders)  # pyright: ignore[reportUnknownArgumentType] - a user's value
        raise unfit(name, value)

    def decode(value: Any) -> tuple[Any, ...]:
        if type(value) is list:
            return tuple(_row(name, value, decoders))  # pyright: ignore[reportUnknownArgumentType] - a row
        raise unfit(name, value)

    return Shape(name, ARRAY, lambda value: isinstance(value, tuple), encode, decode)


def mapping_shape(name: str, kind: type, key: Shape, item: Shape) -> Shape:
    """Write a mapping as an object; its keys travel as text."""

    def accepts(value: Any) -> bool:
        return isinstance(value, kind)

    def encode(value: Any) -> dict[Any, Any]:
        if accepts(value):
            return _entries(value, key.encode, item.encode)
        raise unfit(name, value)

    def decode(value: Any) -> dict[Any, Any]:
        if type(value) is dict:
            return _entries(value, key.decode, item.decode)  # pyright: ignore[reportUnknownArgumentType] - a row
        raise unfit(name, value)

    return Shape(name, OBJECT, accepts, encode, decode)


def _collection_of(kind: type) -> Callable[[Any], bool]:
    # Text is a Sequence to Python, and a Sequence[str] that takes "abc" is a known trap.
    return lambda value: (
        isinstance(value, kind) and not isinstance(value, str | bytes | bytearray)
    )


def _each(values: Iterable[Any], code: Code) -> list[Any]:
    result: list[Any] = []
    problems: list[tuple[str, str]] = []
    for value in values:
        try:
            result.append(code(value))
        except Mismatch as mismatch:
            problems += mismatch.under(f"[{len(result)}]")
            result.append(None)
            if len(problems) >= SHOWN:
                break
    if problems:
        raise Mismatch(problems)
    return result


def _row(name: str, values: Iterable[Any], codes: tuple[Code, ...]) -> list[Any]:
    items = list(values)
    if len(items) != len(codes):
        raise refused(f"expected {name}, found {len(items)} items")
    return _each(zip(codes, items, strict=True), _apply)


def _apply(pair: tuple[Code, Any]) -> Any:
    code, value = pair
    return code(value)


def _entries(values: Mapping[Any, Any], key_code: Code, code: Code) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    problems: list[tuple[str, str]] = []
    for key, value in values.items():
        try:
            name = key_code(key)
        except Mismatch as mismatch:
            problems += (
                (path, f"key {shown(key)}: {text}") for path, text in mismatch.problems
            )
            continue
        try:
            result[name] = code(value)
        except Mismatch as mismatch:
            problems += mismatch.under(key_step(name))
        if len(problems) >= SHOWN:
            break
    if problems:
        raise Mismatch(problems)
    return result
