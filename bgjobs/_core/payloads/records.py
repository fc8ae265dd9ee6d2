"""The shapes of classes with fields, and of unions, which may have several such members."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import partial
from typing import Any, Literal, cast, get_args, get_origin

from bgjobs._core.payloads.equality import extra_attributes, is_rebuilt_from_fields, is_slot
from bgjobs._core.payloads.fields import (
    RecordField,
    field_names,
    fields_of,
    is_typed_dict,
    union_classes,
)
from bgjobs._core.payloads.shapes import (
    FLOAT,
    KIND_NAMES,
    OBJECT,
    AnnotationError,
    Code,
    Mismatch,
    Shape,
    as_mismatch,
    key_text,
    type_mismatch,
    type_name,
    unexpected,
    value_mismatch,
)

Choice = Callable[[dict[str, Any]], type | None]
"""Returns the class that an object belongs to, or None."""
Fields = Mapping[type, tuple[RecordField, ...]]


def record_shape(annotation: Any, parts: tuple[tuple[RecordField, Shape], ...]) -> Shape:
    """Return the shape of a class, which is written as an object with exactly its fields."""
    kind: type[Any] = get_origin(annotation) or annotation
    keeps = all(shape.keeps_equality for _, shape in parts)
    if is_typed_dict(kind):
        return Shape(
            kind.__name__,
            OBJECT,
            lambda value: type(value) is dict,
            _dict_encoder(kind, parts),
            _decoder(kind, parts),
            keeps_equality=keeps,
        )
    return Shape(
        kind.__name__,
        OBJECT,
        # A subclass may have more fields, which would be lost.
        lambda value: type(value) is kind,
        _instance_encoder(kind, parts),
        _decoder(kind, parts),
        classes=union_classes(kind),
        exact=True,
        keeps_equality=keeps and is_rebuilt_from_fields(kind),
    )


def _instance_encoder(kind: type, parts: tuple[tuple[RecordField, Shape], ...]) -> Code:
    plan = tuple((field.name, shape.encode) for field, shape in parts)
    known = field_names(kind)
    kept = len(known) - sum(is_slot(kind, name) for name in known)
    # A class with code of its own may set such attributes; they are compared after decoding.
    checks = kind.__dictoffset__ != 0 and is_rebuilt_from_fields(kind)

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise type_mismatch(kind.__name__, value)
        result: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        if checks and len(value.__dict__) != kept and extra_attributes(value, known):
            problems.append(("", _extra_attribute(kind, value, known)))
        for name, code in plan:
            try:
                result[name] = code(getattr(value, name))
            except AttributeError:
                problems.append((f".{name}", "expected a value, found none"))
            except Exception as error:  # noqa: BLE001 - user code may raise anything
                problems += as_mismatch(error).under(f".{name}")
        if problems:
            raise Mismatch(problems)
        return result

    return encode


def _extra_attribute(kind: type, value: Any, known: frozenset[str]) -> str:
    name = next(iter(extra_attributes(value, known)))
    return (
        f"expected only the fields of {kind.__name__}, found the attribute {key_text(name)} too"
    )


def _dict_encoder(kind: type, parts: tuple[tuple[RecordField, Shape], ...]) -> Code:
    plan = {field.name: shape.encode for field, shape in parts}
    required = tuple(field.name for field, _ in parts if field.required)

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise type_mismatch(kind.__name__, value)
        return _encode_keys(value, plan, required)  # pyright: ignore[reportUnknownArgumentType] - a user's value

    return encode


def _encode_keys(
    value: dict[Any, Any], plan: dict[str, Code], required: tuple[str, ...]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    problems = [("", f"missing field {name!r}") for name in required if name not in value]
    for key, item in value.items():
        if type(key) is not str or key not in plan:
            problems.append(("", f"unexpected field {key_text(key)}"))
            continue
        try:
            result[key] = plan[key](item)
        except Exception as error:  # noqa: BLE001 - user code may raise anything
            problems += as_mismatch(error).under(f".{key}")
    if problems:
        raise Mismatch(problems)
    # The order of the class, so that equal values have the same text.
    return {name: result[name] for name in plan if name in result}


def _decoder(kind: type, parts: tuple[tuple[RecordField, Shape], ...]) -> Code:
    plan = tuple(
        (field.name, field.alias, field.required, shape.decode) for field, shape in parts
    )
    names = [field.name for field, _ in parts]
    is_dict = is_typed_dict(kind)

    def decode(value: Any) -> Any:
        if type(value) is not dict:
            raise type_mismatch(kind.__name__, value)
        entries: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType] - a row
        result: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for name, alias, required, code in plan:
            if name in entries:
                try:
                    result[alias] = code(entries[name])
                except Exception as error:  # noqa: BLE001 - user code may raise anything
                    problems += as_mismatch(error).under(f".{name}")
            elif required:
                problems.append(("", f"missing field {name!r}"))
        if problems or len(result) != len(entries):
            raise Mismatch([*problems, *_unknown_fields(entries, names)])
        return result if is_dict else _construct(kind, result)

    return decode


def _construct(kind: type, fields: dict[str, Any]) -> Any:
    try:
        return kind(**fields)
    except Exception as error:  # noqa: BLE001 - user code may raise anything
        # The message of the error may quote the value.
        problem = f"expected fields that {kind.__name__} accepts, it raised {type_name(error)}"
        raise value_mismatch(problem) from None


def _unknown_fields(entries: dict[str, Any], names: list[str]) -> Iterator[tuple[str, str]]:
    count = len(entries.keys() - names)
    if count:
        yield "", unexpected("field", count, names)


def union_shape(members: tuple[Shape, ...]) -> Shape:
    """Return the shape of a union, which decodes by the kind of JSON, objects by their fields.

    Raises:
        AnnotationError: JSON does not tell the members apart.
    """
    decoders = _decoders_by_kind(members)
    expected = " or ".join(member.expected for member in members)
    # Last the members that accept more: float also accepts an int, Sequence a NamedTuple.
    ordered = sorted(members, key=lambda member: (not member.exact, member.kinds == FLOAT))

    def encode(value: Any) -> Any:
        for member in ordered:
            if member.accepts(value):
                return member.encode(value)
        raise type_mismatch(expected, value)

    def decode(value: Any) -> Any:
        decoder = decoders.get(cast("Any", type(value)))
        if decoder is None:
            raise type_mismatch(expected, value)
        return decoder(value)

    return Shape(
        expected,
        frozenset(kind for member in members for kind in member.kinds),
        lambda value: any(member.accepts(value) for member in members),
        encode,
        decode,
        classes=tuple(kind for member in members for kind in member.classes),
        keeps_equality=all(member.keeps_equality for member in members),
    )


def _decoders_by_kind(members: tuple[Shape, ...]) -> dict[type, Code]:
    records = tuple(member for member in members if member.classes and member.kinds == OBJECT)
    decoders: dict[type, Code] = {}
    if len(records) > 1:
        decoders[dict] = discriminate(records)
        members = tuple(member for member in members if member not in records)
    for member in members:
        for kind in member.kinds:
            if kind in decoders:
                raise AnnotationError(
                    "expected union members that differ in JSON, found two that are both "
                    f"written as {KIND_NAMES[kind]}"
                )
            decoders[kind] = member.decode
    if float in decoders:
        decoders.setdefault(int, decoders[float])
    return decoders


def discriminate(members: tuple[Shape, ...]) -> Code:
    """Return what decodes an object into the class that it belongs to.

    The class is found by a `Literal` field that all classes have, or by a required field that
    no other class has.

    Raises:
        AnnotationError: The classes have no such fields.
    """
    kinds = [kind for member in members for kind in member.classes]
    decoders = {kind: member.decode for member in members for kind in member.classes}
    if len(decoders) < len(kinds):
        raise AnnotationError("expected classes that differ, found one class twice")
    names = [kind.__name__ for kind in kinds]
    fields = {kind: fields_of(kind) for kind in kinds}
    choose = _by_literal(fields) or _by_required_field(fields)
    if choose is None:
        raise AnnotationError(
            "expected classes with a required field or a Literal of their own, "
            f"found {', '.join(names)}"
        )

    def decode(value: dict[str, Any]) -> Any:
        kind = choose(value)
        if kind is None:
            expected = " or ".join(names)
            raise value_mismatch(f"expected {expected}, found an object of other fields")
        return decoders[kind](value)

    return decode


def _by_literal(fields: Fields) -> Choice | None:
    choices = {kind: _literal_values(some) for kind, some in fields.items()}
    for name in next(iter(choices.values())):
        if not all(name in some for some in choices.values()):
            continue
        kinds = {one: kind for kind, some in choices.items() for one in some[name]}
        if len(kinds) == sum(len(some[name]) for some in choices.values()):
            return partial(_kind_by_value, name, kinds)
    return None


def _literal_values(fields: tuple[RecordField, ...]) -> dict[str, set[Any]]:
    """Return the values of each `Literal` field as they are in JSON."""
    return {
        one.name: {
            choice.value if isinstance(choice, Enum) else choice
            for choice in get_args(one.annotation)
        }
        for one in fields
        if get_origin(one.annotation) is Literal
    }


def _kind_by_value(name: str, kinds: dict[Any, type], value: dict[str, Any]) -> type | None:
    try:
        return kinds.get(value[name])
    except (KeyError, TypeError):  # it is missing, or a list or dict
        return None


def _by_required_field(fields: Fields) -> Choice | None:
    owners: dict[str, type] = {}
    left = dict(fields)
    while found := _owners(left):
        owners |= found
        # A field that only these classes shared with another one is now its own.
        left = {kind: some for kind, some in left.items() if kind not in found.values()}
    if len(left) > 1:
        return None
    fallback = next(iter(left), None)
    return lambda value: next((owners[name] for name in owners if name in value), fallback)


def _owners(fields: Fields) -> dict[str, type]:
    """Return the classes that have a required field alone, by the name of the field."""
    times = Counter(one.name for some in fields.values() for one in some)
    return {
        one.name: kind
        for kind, some in fields.items()
        for one in some
        if one.required and times[one.name] == 1
    }
