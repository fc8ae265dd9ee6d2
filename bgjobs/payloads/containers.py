"""The shapes of arrays and of objects whose keys are data."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

from attrs import frozen

from bgjobs.payloads.json_text import text_of
from bgjobs.payloads.mismatch import SHOWN, Mismatch, key_step, refused, shown, unfit
from bgjobs.payloads.shapes import ARRAY, OBJECT, Code, Shape


@final
@frozen
class Kind:
    """Which collections one annotation takes: those that come back as they were."""

    name: str
    classes: tuple[type, ...]
    """Not their subclasses, which would come back as their bases."""
    base: type
    """The class of the annotation, which may be an abstract one."""
    is_wide: bool = False
    """Take all that is like the base: code of a class makes it anew of what is read back."""

    def accepts(self, value: Any) -> bool:
        """Whether `value` is one."""
        return type(value) in self.classes or (self.is_wide and self._is_like(value))

    def misfit(self, value: Any) -> Mismatch:
        """Name what was expected, and what was found."""
        if self.base in self.classes or not self._is_like(value):
            return unfit(self.name, value)
        plain = " or ".join(one.__name__ for one in self.classes)
        return unfit(f"a plain {plain} as a {self.name}", value)

    def _is_like(self, value: Any) -> bool:
        # Text is a Sequence to Python, and a Sequence[str] that takes "abc" is a known trap.
        is_text = isinstance(value, str | bytes | bytearray)
        return isinstance(value, self.base) and not is_text


def exactly(kind: type) -> Kind:
    """Accept one class."""
    return Kind(kind.__name__, (kind,), kind)


def array_shape(kind: Kind, make: Callable[[list[Any]], Any], item: Shape) -> Shape:
    """Write a collection of any length and of its own order; `make` builds it again."""

    def encode(value: Any) -> list[Any]:
        if kind.accepts(value):
            return _each(value, item.encode)
        raise kind.misfit(value)

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise unfit(kind.name, value)
        return make(_each(value, item.decode))  # pyright: ignore[reportUnknownArgumentType] - a row

    return Shape(kind.name, ARRAY, kind.accepts, encode, decode)


def set_shape(kind: Kind, make: Callable[[list[Any]], Any], item: Shape) -> Shape:
    """Write a set in the order of the JSON texts of its items.

    Python's own order differs between processes, and between sets that are equal.
    """

    def encode(value: Any) -> list[Any]:
        if not kind.accepts(value):
            raise kind.misfit(value)
        return _in_order(_each(value, item.encode), decode)

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise unfit(kind.name, value)
        items = _each(value, item.decode)  # pyright: ignore[reportUnknownArgumentType] - a row
        try:
            return make(items)
        except Exception:  # noqa: BLE001 - a `__hash__` of the user's may raise anything
            raise refused(f"expected {kind.name} of items that can be hashed") from None

    return Shape(kind.name, ARRAY, kind.accepts, encode, decode)


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

    return Shape(name, ARRAY, lambda value: type(value) is tuple, encode, decode)


def mapping_shape(kind: Kind, key: Shape, item: Shape) -> Shape:
    """Write a mapping as an object; its keys travel as text."""

    def encode(value: Any) -> dict[Any, Any]:
        if kind.accepts(value):
            return _entries(value, key.encode, item.encode)
        raise kind.misfit(value)

    def decode(value: Any) -> dict[Any, Any]:
        if type(value) is dict:
            return _entries(value, key.decode, item.decode)  # pyright: ignore[reportUnknownArgumentType] - a row
        raise unfit(kind.name, value)

    return Shape(kind.name, OBJECT, kind.accepts, encode, decode)


def _in_order(items: list[Any], decode: Code) -> list[Any]:
    if len(items) < 2:  # noqa: PLR2004 - one is in order
        return items
    texts = {text_of(one): one for one in items}
    if len(texts) == len(items):
        return [texts[text] for text in sorted(texts)]
    # Instances of a class without `==` may be written the same, and are two again.
    if len(decode(items)) < len(items):
        raise refused("expected items that differ in JSON, found two written the same")
    return sorted(items, key=text_of)


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
        if name in result:
            problems.append(("", f"key {shown(name)}: found two keys that are written so"))
        try:
            result[name] = code(value)
        except Mismatch as mismatch:
            problems += mismatch.under(key_step(name))
        if len(problems) >= SHOWN:
            break
    if problems:
        raise Mismatch(problems)
    return result
