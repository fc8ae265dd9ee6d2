"""The shapes of values out of a closed set: enumerations and literals."""

from collections.abc import Iterable
from enum import Enum, Flag
from typing import Any

from bgjobs.payloads.mismatch import refused, unfit
from bgjobs.payloads.shapes import INT, Code, Shape


class UnfitChoiceError(Exception):
    """A choice that JSON cannot carry or cannot tell from another one."""


def enum_shape(kind: type[Enum]) -> Shape:
    """Write members by their value, which must be a str or an int."""
    wrong = [member.name for member in kind if type(member.value) not in (str, int)]
    if wrong or not len(kind):
        found = f"{wrong[0]} with another value" if wrong else "no member"
        raise UnfitChoiceError(f"expected an Enum of str or int values, found {found}")
    if issubclass(kind, Flag):
        return _flag_shape(kind)
    members = {_key(member.value): member for member in kind}

    def encode(value: Any) -> Any:
        if type(value) is not kind:
            raise unfit(kind.__name__, value)
        # A `_missing_` of the class may have made one that is in no list of members.
        json = value.value
        if not _is_choice(json) or members.get(_key(json)) is not value:
            raise refused(f"expected a member of {kind.__name__}, found one made at run time")
        return json

    decode = _chooser(f"a value of {kind.__name__}", members)
    kinds = frozenset[type](key for key, _ in members)
    return _shape_of_members(kind, kinds, encode, decode)


def _flag_shape(kind: type[Flag]) -> Shape:
    def encode(value: Any) -> Any:
        if type(value) is not kind:
            raise unfit(kind.__name__, value)
        if decode(value.value) != value:
            raise refused(f"expected flags of {kind.__name__}, found others")
        return value.value

    def decode(value: Any) -> Any:
        if type(value) is not int:
            raise unfit(f"a value of {kind.__name__}", value)
        try:
            found = kind(value)
        except Exception:  # noqa: BLE001 - a `_missing_` of the class may raise anything
            found = None
        if type(found) is not kind:
            raise refused(f"expected a value of {kind.__name__}, found another int")
        return found

    return _shape_of_members(kind, INT, encode, decode)


def _shape_of_members(
    kind: type[Enum], kinds: frozenset[type], encode: Code, decode: Code
) -> Shape:
    return Shape(
        kind.__name__,
        kinds,
        lambda value: type(value) is kind,
        encode,
        decode,
        exact=True,
        keeps_equality=True,
    )


def literal_shape(choices: Iterable[Any]) -> Shape:
    """Write the values of a `Literal` as they are, enumeration members by their value."""
    written = {_key(choice): _written(choice) for choice in choices}
    read = {_key(json): choice for (_, choice), json in written.items()}
    if len(read) < len(written):
        raise UnfitChoiceError("expected a Literal of values that differ, found equal ones")
    expected = f"one of {', '.join(repr(json) for _, json in read)}"
    return Shape(
        expected,
        frozenset[type](key for key, _ in read),
        lambda value: _is_choice(value) and _key(value) in written,
        _chooser(expected, written),
        _chooser(expected, read),
        exact=True,
        keeps_equality=True,
    )


def _written(choice: Any) -> Any:
    value = choice.value if isinstance(choice, Enum) else choice
    if value is None or type(value) in (bool, int, str):
        return value
    raise UnfitChoiceError(
        f"expected a Literal of None, bool, int or str, found {type(value).__name__}"
    )


def _key(value: object) -> tuple[type[Any], Any]:
    # True equals 1, and only their types differ.
    return type(value), value


def _is_choice(value: Any) -> bool:
    # Not a subclass of str or int, which may even have no hash.
    return value is None or type(value) in (bool, int, str) or isinstance(value, Enum)


def _chooser(expected: str, choices: dict[tuple[type, Any], Any]) -> Code:
    def choose(value: Any) -> Any:
        if _is_choice(value) and _key(value) in choices:
            return choices[_key(value)]
        if any(type(value) is kind for kind, _ in choices):
            raise refused(f"expected {expected}, found another {type(value).__name__}")
        raise unfit(expected, value)

    return choose
