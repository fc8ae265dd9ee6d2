"""The shapes of classes with fields: attrs, dataclass, TypedDict, NamedTuple."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import partial
from typing import Any, Literal, cast, get_args, get_origin

from bgjobs.payloads.equality import (
    is_remade_as_it_was,
    is_slot,
    other_state,
)
from bgjobs.payloads.fields import (
    Field,
    fields_of,
    is_typed_dict,
    names_of_fields,
    told_apart_classes,
)
from bgjobs.payloads.shapes import (
    FLOAT,
    KIND_NAMES,
    OBJECT,
    Code,
    Mismatch,
    Shape,
    as_mismatch,
    refused,
    shown,
    type_name,
    unexpected,
    unfit,
)

Choice = Callable[[dict[str, Any]], type | None]
"""Chooses the class of an object by its fields."""


def record_shape(annotation: Any, parts: tuple[tuple[Field, Shape], ...]) -> Shape:
    """Write an instance as an object of its fields; no other field is let in."""
    kind: type[Any] = get_origin(annotation) or annotation
    if is_typed_dict(kind):
        encode, stands_for = _dict_encoder(kind, parts), dict[str, Any]
        keeps = all(shape.keeps_equality for _, shape in parts)
        return Shape(
            kind.__name__,
            OBJECT,
            _is(dict),
            encode,
            _decoder(kind, parts),
            keeps_equality=keeps,
        )
    encode, stands_for = _instance_encoder(kind, parts), kind
    return Shape(
        kind.__name__,
        OBJECT,
        _is(stands_for),
        encode,
        _decoder(kind, parts),
        classes=told_apart_classes(kind),
        exact=True,
        keeps_equality=is_remade_as_it_was(kind)
        and all(shape.keeps_equality for _, shape in parts),
    )


def _is(kind: type) -> Callable[[Any], bool]:
    # A subclass may have fields of its own, which would be lost without a word.
    return lambda value: type(value) is kind


def _instance_encoder(kind: type, parts: tuple[tuple[Field, Shape], ...]) -> Code:
    plan = tuple((field.name, shape.encode) for field, shape in parts)
    known = names_of_fields(kind)
    kept = len(known) - sum(is_slot(kind, name) for name in known)
    # Classes with code of their own may make the same again, which is compared later.
    checks = kind.__dictoffset__ != 0 and is_remade_as_it_was(kind)

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise unfit(kind.__name__, value)
        result: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        if checks and len(value.__dict__) != kept and other_state(value, known):
            problems.append(("", _other_state(kind, value, known)))
        for name, code in plan:
            try:
                result[name] = code(getattr(value, name))
            except AttributeError:
                problems.append((f".{name}", "expected a value, found none"))
            except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
                problems += as_mismatch(error).under(f".{name}")
        if problems:
            raise Mismatch(problems)
        return result

    return encode


def _other_state(kind: type, value: Any, known: frozenset[str]) -> str:
    name = next(iter(other_state(value, known)))
    return f"expected only the fields of {kind.__name__}, found the attribute {shown(name)} too"


def _dict_encoder(kind: type, parts: tuple[tuple[Field, Shape], ...]) -> Code:
    plan = {field.name: shape.encode for field, shape in parts}
    required = tuple(field.name for field, _ in parts if field.required)

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise unfit(kind.__name__, value)
        return _encode_keys(value, plan, required)  # pyright: ignore[reportUnknownArgumentType] - a user's value

    return encode


def _encode_keys(
    value: dict[Any, Any], plan: dict[str, Code], required: tuple[str, ...]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    problems = [("", f"missing field {name!r}") for name in required if name not in value]
    for key, item in value.items():
        if type(key) is not str or key not in plan:
            problems.append(("", f"unexpected field {shown(key)}"))
            continue
        try:
            result[key] = plan[key](item)
        except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
            problems += as_mismatch(error).under(f".{key}")
    if problems:
        raise Mismatch(problems)
    # In the order of the class: equal values have one text, as for all other classes.
    return {name: result[name] for name in plan if name in result}


def _decoder(kind: type, parts: tuple[tuple[Field, Shape], ...]) -> Code:
    plan = tuple(
        (field.name, field.alias, field.required, shape.decode) for field, shape in parts
    )
    names = [field.name for field, _ in parts]
    is_dict = is_typed_dict(kind)

    def decode(value: Any) -> Any:
        if type(value) is not dict:
            raise unfit(kind.__name__, value)
        entries: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType] - a row
        result: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for name, alias, required, code in plan:
            if name in entries:
                try:
                    result[alias] = code(entries[name])
                except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
                    problems += as_mismatch(error).under(f".{name}")
            elif required:
                problems.append(("", f"missing field {name!r}"))
        if problems or len(result) != len(entries):
            raise Mismatch([*problems, *_extra(entries, names)])
        return result if is_dict else _constructed(kind, result)

    return decode


def _constructed(kind: type, fields: dict[str, Any]) -> Any:
    try:
        return kind(**fields)
    except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
        # The message of a user's own check may quote the value.
        problem = f"expected what {kind.__name__} takes, it raised {type_name(error)}"
        raise refused(problem) from None


def _extra(entries: dict[str, Any], names: list[str]) -> Iterator[tuple[str, str]]:
    count = len(entries.keys() - names)
    if count:
        yield "", unexpected("field", count, names)


def told_apart(shapes: tuple[Shape, ...]) -> Code | None:
    """Return what decodes an object into the class whose fields it has; None if none can."""
    decoders = {kind: shape.decode for shape in shapes for kind in shape.classes}
    expected = " or ".join(kind.__name__ for kind in decoders)
    fields = {kind: fields_of(kind) for kind in decoders}
    choose = _by_literal(fields) or _by_required_field(fields)
    if choose is None:
        return None

    def decode(value: dict[str, Any]) -> Any:
        kind = choose(value)
        if kind is None:
            raise refused(f"expected {expected}, found an object of other fields")
        return decoders[kind](value)

    return decode


def _by_literal(fields: Mapping[type, tuple[Field, ...]]) -> Choice | None:
    """Choose by a `Literal` that all classes have, each with values of its own."""
    choices = {kind: _written_choices(some) for kind, some in fields.items()}
    for name in next(iter(choices.values())):
        if not all(name in some for some in choices.values()):
            continue
        kinds = {one: kind for kind, some in choices.items() for one in some[name]}
        if len(kinds) == sum(len(some[name]) for some in choices.values()):
            return partial(_kind_by_value, name, kinds)
    return None


def _kind_by_value(name: str, kinds: dict[Any, type], value: dict[str, Any]) -> type | None:
    try:
        return kinds.get(value[name])
    except (KeyError, TypeError):  # not there, or a list or dict
        return None


def _written_choices(fields: tuple[Field, ...]) -> dict[str, set[Any]]:
    return {
        one.name: {
            choice.value if isinstance(choice, Enum) else choice
            for choice in get_args(one.annotation)
        }
        for one in fields
        if get_origin(one.annotation) is Literal
    }


def _by_required_field(fields: Mapping[type, tuple[Field, ...]]) -> Choice | None:
    """Choose by a required field that no other class has; one class may be without."""
    owners: dict[str, type] = {}
    left = dict(fields)
    while found := _owners(left):
        owners |= found
        # Without these classes, some of the others may have fields of their own.
        left = {kind: some for kind, some in left.items() if kind not in found.values()}
    if len(left) > 1:
        return None
    fallback = next(iter(left), None)
    return lambda value: next((owners[name] for name in owners if name in value), fallback)


def _owners(fields: Mapping[type, tuple[Field, ...]]) -> dict[str, type]:
    times = Counter(one.name for some in fields.values() for one in some)
    return {
        one.name: kind
        for kind, some in fields.items()
        for one in some
        if one.required and times[one.name] == 1
    }


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
