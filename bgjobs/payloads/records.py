"""The shapes of classes with fields: attrs, dataclass, TypedDict, NamedTuple, by cattrs.

Importing cattrs takes longer than the rest of bgjobs together, so this module is loaded by
the first worker that has such a class among its parameters.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from itertools import islice, product
from typing import Any, Literal, cast, get_args, get_origin

import attrs
from cattrs import Converter, gen
from cattrs.disambiguators import create_default_dis_func
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError

from bgjobs.payloads.construction import (
    is_remade_as_it_was,
    is_slot,
    is_typed_dict,
    names_of_fields,
    other_state,
)
from bgjobs.payloads.fields import Field, fields_of, told_apart_classes
from bgjobs.payloads.mismatch import (
    Mismatch,
    as_mismatch,
    refused,
    shown,
    type_name,
    unexpected,
    unfit,
)
from bgjobs.payloads.shapes import OBJECT, Code, Shape

_PROBES = 1_000


@cache
def _converter() -> Converter:
    return Converter(detailed_validation=True, forbid_extra_keys=True)


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
    # cattrs takes the fields as keyword arguments; numbered ones cannot clash with its own.
    names = {f"field_{number}": field.name for number, (field, _) in enumerate(parts)}
    structure = _structure(kind, parts)

    def decode(value: Any) -> Any:
        if type(value) is not dict:
            raise unfit(kind.__name__, value)
        try:
            return structure(value, kind)  # pyright: ignore[reportUnknownArgumentType] - a row
        except ClassValidationError as error:
            raise Mismatch(_problems(kind, error, names)) from None

    return decode


def _structure(
    kind: type, parts: tuple[tuple[Field, Shape], ...]
) -> Callable[[Mapping[str, Any], Any], Any]:
    stand_in: Any = attrs.make_class(
        "Fields",
        {
            f"field_{number}": attrs.field(
                default=attrs.NOTHING if field.required else None,
                alias=f"field_{number}" if is_typed_dict(kind) else field.alias,
                kw_only=True,
            )
            for number, (field, _) in enumerate(parts)
        },
    )
    overrides: dict[str, Any] = {
        f"field_{number}": gen.override(rename=field.name, struct_hook=_hook(shape.decode))
        for number, (field, shape) in enumerate(parts)
    }
    make: Any = gen.make_dict_structure_fn_from_attrs  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - cattrs annotates it with a bare Attribute
    return cast(
        "Callable[[Mapping[str, Any], Any], Any]",
        make(
            list(attrs.fields(stand_in)),
            _dict_maker(kind, parts) if is_typed_dict(kind) else kind,
            _converter(),
            {one.__name__: object for one in getattr(kind, "__parameters__", ())},
            **overrides,
        ),
    )


def _hook(decode: Code) -> Callable[[Any, Any], Any]:
    return lambda value, _: decode(value)


def _dict_maker(kind: type, parts: tuple[tuple[Field, Shape], ...]) -> Any:
    # The keys of a TypedDict need not be names, as keyword arguments must.
    names = {f"field_{number}": field.name for number, (field, _) in enumerate(parts)}

    def make(**fields: Any) -> dict[str, Any]:
        return {names[number]: value for number, value in fields.items()}

    make.__name__ = make.__qualname__ = kind.__name__
    return make


def _problems(
    kind: type, error: ClassValidationError, names: dict[str, str]
) -> Iterator[tuple[str, str]]:
    noted, others = error.group_exceptions()
    for cause, note in noted:
        name = names[note.name]
        if isinstance(cause, Mismatch):
            yield from cause.under(f".{name}")
        elif isinstance(cause, KeyError):
            yield "", f"missing field {name!r}"
        else:
            yield f".{name}", f"raised {type_name(cause)}"
    for cause in others:
        if isinstance(cause, ForbiddenExtraKeysError):
            yield "", unexpected("field", len(cause.extra_fields), names.values())
        else:
            # The message of a user's own check may quote the value.
            yield "", f"expected what {kind.__name__} takes, it raised {type_name(cause)}"


def told_apart(shapes: tuple[Shape, ...]) -> Code:
    """Decode an object into one of several classes, by the fields that differ.

    `TypeError` when cattrs finds no such fields.
    """
    decoders = {kind: shape.decode for shape in shapes for kind in shape.classes}
    expected = " or ".join(kind.__name__ for kind in decoders)
    by_fields = create_default_dis_func(_converter(), *decoders, overrides={})
    members = _members_in_literals(decoders)

    def choose(value: dict[Any, Any]) -> Any:
        return by_fields(_with_members(value, members) if members else value)

    for kind in decoders:
        _check_choice(choose, kind)

    def decode(value: Any) -> Any:
        try:
            kind = choose(value)
        except (KeyError, ValueError, TypeError):
            kind = None
        if kind not in decoders:
            raise refused(f"expected {expected}, found an object of other fields")
        return decoders[kind](value)

    return decode


def _members_in_literals(kinds: Iterable[type]) -> dict[str, dict[Any, Enum]]:
    """List the enumeration members in `Literal` fields, by field and by what is written."""
    found: dict[str, dict[Any, Enum]] = {}
    for kind in kinds:
        for one in fields_of(kind):
            members = [value for value in _choices(one.annotation) if isinstance(value, Enum)]
            if members:
                found.setdefault(one.name, {}).update((each.value, each) for each in members)
    return found


def _with_members(value: dict[Any, Any], members: dict[str, dict[Any, Enum]]) -> dict[Any, Any]:
    # cattrs compares a field with the values of a `Literal`, and not with how they are written.
    return {
        key: members[key].get(one, one)
        if key in members and isinstance(one, str | int)
        else one
        for key, one in value.items()
    }


def _check_choice(choose: Callable[[dict[Any, Any]], Any], kind: type) -> None:
    # cattrs also accepts Literal fields that split the classes only in part.
    fields = fields_of(kind)
    values = [_written_choices(field.annotation) for field in fields]
    for row in islice(product(*values), _PROBES):
        example = dict(zip((field.name for field in fields), row, strict=True))
        if choose(example) is not kind:
            raise TypeError(f"{kind.__name__} cannot be told apart")


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _written_choices(annotation: Any) -> list[Any]:
    choices = _choices(annotation) or (None,)
    return [one.value if isinstance(one, Enum) else one for one in choices]
