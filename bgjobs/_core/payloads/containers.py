"""The shapes of arrays, and of objects whose keys are data."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, final

from attrs import frozen

from bgjobs._core.payloads.json_text import text_of
from bgjobs._core.payloads.shapes import (
    ARRAY,
    MAX_PROBLEMS,
    OBJECT,
    Code,
    Mismatch,
    Shape,
    as_mismatch,
    key_step,
    key_text,
    type_mismatch,
    value_mismatch,
)

_CONCRETE = (list, tuple, set, frozenset, zip)


@final
@frozen
class CollectionKind:
    """The collections that one annotation accepts."""

    name: str
    base: type
    """The class of the annotation; it may be abstract."""
    is_exact: bool
    """Whether subclasses are refused, because they would be read back as their base."""

    def accepts(self, value: Any) -> bool:
        """Whether `value` is such a collection."""
        if self.is_exact:
            return type(value) is self.base
        # In Python a str is a Sequence, so Sequence[str] would accept "abc" by mistake.
        return isinstance(value, self.base) and not isinstance(value, str | bytes | bytearray)


def exactly(kind: type) -> CollectionKind:
    """Return the kind that accepts one class only."""
    return CollectionKind(kind.__name__, kind, is_exact=True)


def instances_of(name: str, kind: type) -> CollectionKind:
    """Return the kind that accepts all instances of an abstract class."""
    return CollectionKind(name, kind, is_exact=False)


def array_shape(kind: CollectionKind, make: Callable[[list[Any]], Any], item: Shape) -> Shape:
    """Return the shape of an ordered collection of any length; `make` rebuilds it."""

    def encode(value: Any) -> list[Any]:
        if kind.accepts(value):
            return _convert_items(value, item.encode)
        raise type_mismatch(kind.name, value)

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise type_mismatch(kind.name, value)
        return make(_convert_items(value, item.decode))  # pyright: ignore[reportUnknownArgumentType] - a row

    keeps = kind.is_exact and item.keeps_equality
    return Shape(kind.name, ARRAY, kind.accepts, encode, decode, keeps_equality=keeps)


def set_shape(kind: CollectionKind, make: Callable[[list[Any]], Any], item: Shape) -> Shape:
    """Return the shape of a set, which is written in the order of its items' JSON texts.

    The order of a Python set differs between processes, and between equal sets.
    """

    def encode(value: Any) -> list[Any]:
        if not kind.accepts(value):
            raise type_mismatch(kind.name, value)
        items = _convert_items(value, item.encode)
        return _sorted_items(items, None if item.keeps_equality else decode)

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise type_mismatch(kind.name, value)
        items = _convert_items(value, item.decode)  # pyright: ignore[reportUnknownArgumentType] - a row
        try:
            return make(items)
        except Exception:  # noqa: BLE001 - a user's `__hash__` may raise anything
            raise value_mismatch(f"expected {kind.name} of items that can be hashed") from None

    keeps = item.keeps_equality
    return Shape(kind.name, ARRAY, kind.accepts, encode, decode, keeps_equality=keeps)


def tuple_shape(items: tuple[Shape, ...]) -> Shape:
    """Return the shape of a tuple of fixed length."""
    name = f"tuple of {len(items)}"
    encoders = tuple(item.encode for item in items)
    decoders = tuple(item.decode for item in items)

    def encode(value: Any) -> list[Any]:
        if type(value) is tuple:
            return _convert_tuple(name, value, encoders)  # pyright: ignore[reportUnknownArgumentType] - a user's value
        raise type_mismatch(name, value)

    def decode(value: Any) -> tuple[Any, ...]:
        if type(value) is list:
            return tuple(_convert_tuple(name, value, decoders))  # pyright: ignore[reportUnknownArgumentType] - a row
        raise type_mismatch(name, value)

    keeps = all(item.keeps_equality for item in items)
    return Shape(
        name, ARRAY, lambda value: type(value) is tuple, encode, decode, keeps_equality=keeps
    )


def mapping_shape(kind: CollectionKind, key: Shape, item: Shape) -> Shape:
    """Return the shape of a mapping, which is written as an object with keys of text."""

    def encode(value: Any) -> dict[Any, Any]:
        if kind.accepts(value):
            found = _convert_entries(value, key.encode, item.encode, _key_by_text)
            if not key.keeps_equality:
                _check_keys(found, key.decode)
            return found
        raise type_mismatch(kind.name, value)

    def decode(value: Any) -> dict[Any, Any]:
        if type(value) is dict:
            return _convert_entries(value, key.decode, item.decode, _key_by_position)  # pyright: ignore[reportUnknownArgumentType] - a row
        raise type_mismatch(kind.name, value)

    keeps = kind.is_exact and key.keeps_equality and item.keeps_equality
    return Shape(kind.name, OBJECT, kind.accepts, encode, decode, keeps_equality=keeps)


def _sorted_items(items: list[Any], decode: Code | None) -> list[Any]:
    """Sort the JSON of a set; `decode` is passed where items may become equal when read."""
    if decode is not None and items:
        _check_distinct(items, _read_back(items, decode))
    return sorted(items, key=text_of) if len(items) > 1 else items


def _check_distinct(items: list[Any], read: Collection[Any]) -> None:
    if len(read) == len(items):
        return
    if len({text_of(one) for one in items}) < len(items):
        raise value_mismatch("expected items that differ in JSON, found two with the same JSON")
    raise value_mismatch(
        "expected items that still differ when read back, found two that would be equal"
    )


def _read_back(json: Any, decode: Code) -> Any:
    try:
        return decode(json)
    except Mismatch as mismatch:
        raise Mismatch(
            (path, f"could not be read back: {problem}") for path, problem in mismatch.problems
        ) from None


def _check_keys(entries: dict[Any, Any], decode: Code) -> None:
    """Raise `Mismatch` for keys that differ as text but are equal when they are read back."""
    if len(entries) < 2:  # noqa: PLR2004 - one key equals no other
        return
    read: set[Any] = set()
    for name in entries:
        key = _read_back(name, decode)
        if key in read:
            raise value_mismatch(
                f"key {key_text(name)}: found two keys that are equal when read back"
            )
        read.add(key)


def _convert_items(values: Iterable[Any], code: Code) -> list[Any]:
    result: list[Any] = []
    problems: list[tuple[str, str]] = []
    for value in _items_of(values):
        try:
            result.append(code(value))
        except Exception as error:  # noqa: BLE001 - user code may raise anything
            problems += as_mismatch(error).under(f"[{len(result)}]")
            result.append(None)
            if len(problems) >= MAX_PROBLEMS:
                break
    if problems:
        raise Mismatch(problems)
    return result


def _items_of(values: Iterable[Any]) -> Iterable[Any]:
    if type(values) in _CONCRETE:
        return values
    try:
        return list(values)
    except Exception as error:  # noqa: BLE001 - user code may raise anything
        raise as_mismatch(error) from None


def _pairs_of(values: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    if type(values) is dict:
        return values.items()  # pyright: ignore[reportUnknownVariableType] - a user's value
    result: list[tuple[Any, Any]] = []
    problems: list[tuple[str, str]] = []
    for key in _items_of(values):
        try:
            result.append((key, values[key]))
        except Exception as error:  # noqa: BLE001 - user code may raise anything
            problems += as_mismatch(error).under(key_step(key))
    if problems:
        raise Mismatch(problems)
    return result


def _convert_tuple(name: str, values: Iterable[Any], codes: tuple[Code, ...]) -> list[Any]:
    items = list(values)
    if len(items) != len(codes):
        raise value_mismatch(f"expected {name}, found {len(items)} items")
    return _convert_items(zip(codes, items, strict=True), _call_code)


def _call_code(pair: tuple[Code, Any]) -> Any:
    code, value = pair
    return code(value)


def _key_by_text(values: Mapping[Any, Any], key: Any, name: Any) -> str:  # noqa: ARG001 - see _key_by_position
    return key_text(name)


def _key_by_position(values: Mapping[Any, Any], key: Any, name: Any) -> str:  # noqa: ARG001 - see _key_by_text
    """Return the position of a key, from 0, because stored keys may be secret."""
    return str(next(index for index, one in enumerate(values) if one is key))


def _convert_entries(
    values: Mapping[Any, Any],
    key_code: Code,
    code: Code,
    describe_key: Callable[[Mapping[Any, Any], Any, Any], str],
) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    problems: list[tuple[str, str]] = []
    for key, value in _pairs_of(values):
        try:
            name = key_code(key)
        except Exception as error:  # noqa: BLE001 - user code may raise anything
            problems += (
                (path, f"key {describe_key(values, key, key)}: {text}")
                for path, text in as_mismatch(error).problems
            )
            continue
        if name in result:
            found = f"key {describe_key(values, key, name)}: found two keys with this text"
            problems.append(("", found))
        try:
            result[name] = code(value)
        except Exception as error:  # noqa: BLE001 - user code may raise anything
            problems += as_mismatch(error).under(f"[{describe_key(values, key, name)}]")
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise Mismatch(problems)
    return result
