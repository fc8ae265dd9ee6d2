"""The shapes of arrays and of objects whose keys are data."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, final

from attrs import frozen

from bgjobs.payloads.json_text import text_of
from bgjobs.payloads.shapes import (
    ARRAY,
    OBJECT,
    SHOWN,
    Code,
    Mismatch,
    Shape,
    as_mismatch,
    key_step,
    refused,
    shown,
    unfit,
)

_PLAIN = (list, tuple, set, frozenset, zip)


@final
@frozen
class Kind:
    """Which collections one annotation takes: those that come back as they were."""

    name: str
    base: type
    """The class of the annotation, which may be an abstract one."""
    is_exact: bool
    """Take no subclass, which would come back as its base; of others the contents count."""

    def accepts(self, value: Any) -> bool:
        """Whether `value` is one."""
        if self.is_exact:
            return type(value) is self.base
        # Text is a Sequence to Python, and a Sequence[str] that takes "abc" is a known trap.
        return isinstance(value, self.base) and not isinstance(value, str | bytes | bytearray)


def exactly(kind: type) -> Kind:
    """Accept one class."""
    return Kind(kind.__name__, kind, is_exact=True)


def like(name: str, kind: type) -> Kind:
    """Accept all that counts as an instance of an abstract class."""
    return Kind(name, kind, is_exact=False)


def array_shape(kind: Kind, make: Callable[[list[Any]], Any], item: Shape) -> Shape:
    """Write a collection of any length and of its own order; `make` builds it again."""

    def encode(value: Any) -> list[Any]:
        if kind.accepts(value):
            return _each(value, item.encode)
        raise unfit(kind.name, value)

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise unfit(kind.name, value)
        return make(_each(value, item.decode))  # pyright: ignore[reportUnknownArgumentType] - a row

    keeps = kind.is_exact and item.keeps_equality
    return Shape(kind.name, ARRAY, kind.accepts, encode, decode, keeps_equality=keeps)


def set_shape(kind: Kind, make: Callable[[list[Any]], Any], item: Shape) -> Shape:
    """Write a set in the order of the JSON texts of its items.

    Python's own order differs between processes, and between sets that are equal.
    """

    def encode(value: Any) -> list[Any]:
        if not kind.accepts(value):
            raise unfit(kind.name, value)
        items = _each(value, item.encode)
        return _in_order(items, None if item.keeps_equality else decode)

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise unfit(kind.name, value)
        items = _each(value, item.decode)  # pyright: ignore[reportUnknownArgumentType] - a row
        try:
            return make(items)
        except Exception:  # noqa: BLE001 - a `__hash__` of the user's may raise anything
            raise refused(f"expected {kind.name} of items that can be hashed") from None

    keeps = item.keeps_equality
    return Shape(kind.name, ARRAY, kind.accepts, encode, decode, keeps_equality=keeps)


def tuple_shape(items: tuple[Shape, ...]) -> Shape:
    """Write a tuple of fixed length."""
    name = f"tuple of {len(items)}"
    encoders = tuple(item.encode for item in items)
    decoders = tuple(item.decode for item in items)

    def encode(value: Any) -> list[Any]:
        if type(value) is tuple:
            return _row(name, value, encoders)  # pyright: ignore[reportUnknownArgumentType] - a user's value
        raise unfit(name, value)

    def decode(value: Any) -> tuple[Any, ...]:
        if type(value) is list:
            return tuple(_row(name, value, decoders))  # pyright: ignore[reportUnknownArgumentType] - a row
        raise unfit(name, value)

    keeps = all(item.keeps_equality for item in items)
    return Shape(
        name, ARRAY, lambda value: type(value) is tuple, encode, decode, keeps_equality=keeps
    )


def mapping_shape(kind: Kind, key: Shape, item: Shape) -> Shape:
    """Write a mapping as an object; its keys travel as text."""

    def encode(value: Any) -> dict[Any, Any]:
        if kind.accepts(value):
            found = _entries(value, key.encode, item.encode, _by_name)
            if not key.keeps_equality:
                _check_keys(found, key.decode)
            return found
        raise unfit(kind.name, value)

    def decode(value: Any) -> dict[Any, Any]:
        if type(value) is dict:
            return _entries(value, key.decode, item.decode, _by_place)  # pyright: ignore[reportUnknownArgumentType] - a row
        raise unfit(kind.name, value)

    keeps = kind.is_exact and key.keeps_equality and item.keeps_equality
    return Shape(kind.name, OBJECT, kind.accepts, encode, decode, keeps_equality=keeps)


def _in_order(items: list[Any], decode: Code | None) -> list[Any]:
    """Sort what was written of a set; `decode` reads it where some of it may become equal."""
    if decode is not None and items:
        _check_apart(items, _read_back(items, decode))
    return sorted(items, key=text_of) if len(items) > 1 else items


def _check_apart(items: list[Any], read: Collection[Any]) -> None:
    if len(read) == len(items):
        return
    if len({text_of(one) for one in items}) < len(items):
        raise refused("expected items that differ in JSON, found two written the same")
    raise refused(
        "expected items that differ when they are read back, found two that would be equal"
    )


def _read_back(json: Any, decode: Code) -> Any:
    try:
        return decode(json)
    except Mismatch as mismatch:
        raise Mismatch(
            (path, f"could not be read back: {problem}") for path, problem in mismatch.problems
        ) from None


def _check_keys(entries: dict[Any, Any], decode: Code) -> None:
    """Refuse keys that differ as text, and would be one key when they are read back."""
    if len(entries) < 2:  # noqa: PLR2004 - one differs from all others
        return
    read: set[Any] = set()
    for name in entries:
        key = _read_back(name, decode)
        if key in read:
            raise refused(f"key {shown(name)}: found two keys that are equal when read back")
        read.add(key)


def _each(values: Iterable[Any], code: Code) -> list[Any]:
    result: list[Any] = []
    problems: list[tuple[str, str]] = []
    for value in _items_of(values):
        try:
            result.append(code(value))
        except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
            problems += as_mismatch(error).under(f"[{len(result)}]")
            result.append(None)
            if len(problems) >= SHOWN:
                break
    if problems:
        raise Mismatch(problems)
    return result


def _items_of(values: Iterable[Any]) -> Iterable[Any]:
    if type(values) in _PLAIN:
        return values
    try:
        return list(values)
    except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
        raise as_mismatch(error) from None


def _pairs_of(values: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    if type(values) is dict:
        return values.items()  # pyright: ignore[reportUnknownVariableType] - a user's value
    result: list[tuple[Any, Any]] = []
    problems: list[tuple[str, str]] = []
    for key in _items_of(values):
        try:
            result.append((key, values[key]))
        except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
            problems += as_mismatch(error).under(key_step(key))
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


def _by_name(values: Mapping[Any, Any], key: Any, name: Any) -> str:  # noqa: ARG001 - as below
    return shown(name)


def _by_place(values: Mapping[Any, Any], key: Any, name: Any) -> str:  # noqa: ARG001 - as above
    """Return where a key stands, from 0: what is stored may be anybody's data."""
    return str(next(index for index, one in enumerate(values) if one is key))


def _entries(
    values: Mapping[Any, Any],
    key_code: Code,
    code: Code,
    told: Callable[[Mapping[Any, Any], Any, Any], str],
) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    problems: list[tuple[str, str]] = []
    for key, value in _pairs_of(values):
        try:
            name = key_code(key)
        except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
            problems += (
                (path, f"key {told(values, key, key)}: {text}")
                for path, text in as_mismatch(error).problems
            )
            continue
        if name in result:
            found = f"key {told(values, key, name)}: found two keys that are written so"
            problems.append(("", found))
        try:
            result[name] = code(value)
        except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
            problems += as_mismatch(error).under(f"[{told(values, key, name)}]")
        if len(problems) >= SHOWN:
            break
    if problems:
        raise Mismatch(problems)
    return result
