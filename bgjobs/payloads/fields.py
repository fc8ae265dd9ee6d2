"""The fields of a class: attrs, dataclass, TypedDict and NamedTuple look the same here."""

import dataclasses
import inspect
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast, final, get_args, get_origin, get_type_hints, is_typeddict

import attrs


@final
@attrs.frozen
class Field:
    """One field that the constructor takes."""

    name: str
    alias: str
    """What the constructor calls it."""
    annotation: Any
    """With the type arguments of the class put in; None without an annotation."""
    required: bool
    is_hidden: bool
    """Its class keeps it out of its own repr, so no message shows it either."""


class UnfitClassError(Exception):
    """A class whose values cannot be made from its fields, or whose fields are unknown."""


def is_record(kind: Any) -> bool:
    """Tell whether `kind` is a class with fields."""
    if not inspect.isclass(kind):
        return False
    return attrs.has(kind) or any(
        known(kind) for known in (dataclasses.is_dataclass, is_typeddict, _is_namedtuple)
    )


def told_apart_classes(kind: Any) -> tuple[type[Any], ...]:
    """Give `kind` if cattrs can tell it from other classes by its fields."""
    found: tuple[type[Any], ...] = (kind,)
    return found if attrs.has(kind) or dataclasses.is_dataclass(kind) else ()


def _is_namedtuple(kind: Any) -> bool:
    return issubclass(kind, tuple) and hasattr(cast("Any", kind), "_fields")


def fields_of(annotation: Any) -> tuple[Field, ...]:
    """List the fields of a class, or of a generic class with its arguments."""
    kind: type[Any] = get_origin(annotation) or annotation
    found = tuple(_named_fields(kind, _hints(kind), _type_arguments(annotation)))
    if is_typeddict(kind):
        _check_keys(found)
    else:
        _check_constructor(kind, found)
    return found


def _hints(kind: type) -> dict[str, Any]:
    try:
        # The class may be local to a function and still name itself.
        return get_type_hints(kind, localns={kind.__name__: kind})
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise UnfitClassError(f"its annotations cannot be resolved: {error}") from error


def _named_fields(
    kind: type[Any], hints: dict[str, Any], arguments: dict[Any, Any]
) -> Iterator[Field]:
    for name, alias, annotation, required, is_hidden in _raw_fields(kind):
        resolved = hints.get(name, annotation)
        yield Field(name, alias, substituted(resolved, arguments), required, is_hidden)


def _raw_fields(kind: type[Any]) -> Iterable[tuple[str, str, Any, bool, bool]]:
    if attrs.has(kind):
        return [_raw_attribute(one) for one in attrs.fields(kind) if one.init]
    if dataclasses.is_dataclass(kind):
        return [
            (one.name, one.name, one.type, _has_no_default(one), not one.repr)
            for one in dataclasses.fields(kind)
            if one.init
        ]
    if is_typeddict(kind):
        required: frozenset[str] = kind.__required_keys__
        names = [*required, *kind.__optional_keys__]
        order = {name: index for index, name in enumerate(_written_order(kind))}
        names.sort(key=lambda name: order.get(name, len(order)))
        return [(name, name, None, name in required, False) for name in names]
    defaults: dict[str, Any] = kind._field_defaults
    names_of_tuple: tuple[str, ...] = kind._fields
    return [(name, name, None, name not in defaults, False) for name in names_of_tuple]


def _raw_attribute(one: "attrs.Attribute[Any]") -> tuple[str, str, Any, bool, bool]:
    # A function as its `repr` is there to show something else than the value.
    is_hidden = one.repr is not True
    return one.name, one.alias or one.name, one.type, one.default is attrs.NOTHING, is_hidden


def _written_order(kind: type[Any]) -> Iterable[str]:
    return kind.__annotations__


def _has_no_default(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _check_keys(fields: tuple[Field, ...]) -> None:
    # Up to version 25, cattrs writes keys between plain quotes into the code that it makes.
    for one in fields:
        if repr(one.name) != f"'{one.name}'":
            raise UnfitClassError(f"its key {one.name!r} has quotes or escapes")


def _check_constructor(kind: type, fields: tuple[Field, ...]) -> None:
    parameters = inspect.signature(kind).parameters.values()
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters)
    by_name = {one.name: one for one in parameters if one.kind is not one.POSITIONAL_ONLY}
    for field in fields:
        if field.alias not in by_name and not open_ended:
            raise UnfitClassError(f"its constructor does not take the field {field.alias!r}")
    aliases = {field.alias for field in fields}
    for one in parameters:
        variadic = one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        if one.name not in aliases and one.default is one.empty and not variadic:
            raise UnfitClassError(f"its constructor wants {one.name!r}, which is no field")


def _type_arguments(annotation: Any) -> dict[Any, Any]:
    origin = get_origin(annotation) or annotation
    parameters: tuple[Any, ...] = getattr(origin, "__parameters__", ())
    arguments = dict(zip(parameters, get_args(annotation), strict=False))
    for base in getattr(origin, "__orig_bases__", ()):
        if getattr(get_origin(base), "__parameters__", None):
            arguments = {**_type_arguments(substituted(base, arguments)), **arguments}
    return arguments


def substituted(annotation: Any, arguments: dict[Any, Any]) -> Any:
    """Put type arguments in the place of type variables, where they are known."""
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    wanted: tuple[Any, ...] = getattr(annotation, "__parameters__", ())
    if not wanted or isinstance(annotation, type):
        return annotation
    return annotation[tuple(arguments.get(one, one) for one in wanted)]
