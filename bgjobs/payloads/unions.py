"""The shape of a union: its members must be told apart by the kind of their JSON."""

from typing import Any, cast

from bgjobs.payloads.mismatch import unfit
from bgjobs.payloads.records import told_apart
from bgjobs.payloads.shapes import FLOAT, KIND_NAMES, OBJECT, Code, Shape


class UnfitUnionError(Exception):
    """Members of a union that look the same in JSON."""


def union_shape(members: tuple[Shape, ...]) -> Shape:
    """Encode by the type of the value, decode by the kind of the JSON."""
    readers = _readers(members)
    expected = " or ".join(member.expected for member in members)
    # Widest last: float also takes an int, and tuple a NamedTuple.
    asked = sorted(members, key=lambda member: (not member.exact, member.kinds == FLOAT))

    def encode(value: Any) -> Any:
        for member in asked:
            if member.accepts(value):
                return member.encode(value)
        raise unfit(expected, value)

    def decode(value: Any) -> Any:
        reader = readers.get(cast("Any", type(value)))
        if reader is None:
            raise unfit(expected, value)
        return reader(value)

    return Shape(
        expected,
        frozenset(kind for member in members for kind in member.kinds),
        lambda value: any(member.accepts(value) for member in members),
        encode,
        decode,
        classes=tuple(kind for member in members for kind in member.classes),
        keeps_equality=all(member.keeps_equality for member in members),
    )


def _readers(members: tuple[Shape, ...]) -> dict[type, Code]:
    records = tuple(member for member in members if member.classes and member.kinds == OBJECT)
    readers: dict[type, Code] = {}
    if len(records) > 1:
        readers[dict] = _told_apart(records)
        members = tuple(member for member in members if member not in records)
    for member in members:
        for kind in member.kinds:
            if kind in readers:
                raise UnfitUnionError(_clash(kind))
            readers[kind] = member.decode
    if float in readers:
        readers.setdefault(int, readers[float])
    return readers


def _told_apart(records: tuple[Shape, ...]) -> Code:
    names = ", ".join(kind.__name__ for record in records for kind in record.classes)
    kinds = [kind for record in records for kind in record.classes]
    if len(set(kinds)) < len(kinds):
        raise UnfitUnionError("expected classes that differ, found one class twice")
    decode = told_apart(records)
    if decode is None:
        raise UnfitUnionError(
            f"expected classes with a required field or a Literal of their own, found {names}"
        )
    return decode


def _clash(kind: type) -> str:
    return (
        "expected members that JSON can tell apart, found two that are both "
        f"written as {KIND_NAMES[kind]}"
    )
