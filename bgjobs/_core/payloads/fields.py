"""The fields of attrs classes, dataclasses, TypedDicts and NamedTuples, generic or not."""

import dataclasses
import inspect
import sys
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import (
    Annotated,
    Any,
    ClassVar,
    NotRequired,
    Required,
    TypeVar,
    cast,
    final,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import attrs
from attrs import evolve

from bgjobs._core.payloads.shapes import AnnotationError

Arguments = Mapping[Any, Any]
"""The type arguments, by type parameter."""
_MARKS = ("__attrs_attrs__", "__dataclass_fields__", "_fields")
"""The attributes of classes whose fields were collected by attrs or the standard library."""


@final
@attrs.frozen
class RecordField:
    """One field that the constructor accepts."""

    name: str
    alias: str
    """The name of its parameter in the constructor."""
    annotation: Any
    """With the type arguments of the class substituted; None without an annotation."""
    required: bool
    is_redacted: bool
    """The class leaves it out of its repr, so errors do not show it either."""


def is_record(kind: Any) -> bool:
    """Whether `kind` is a class with fields."""
    if not inspect.isclass(kind):
        return False
    return attrs.has(kind) or any(
        known(kind) for known in (dataclasses.is_dataclass, is_typed_dict, _is_namedtuple)
    )


def union_classes(kind: Any) -> tuple[type[Any], ...]:
    """Return `kind` if a union can distinguish it from other classes by its fields."""
    found: tuple[type[Any], ...] = (kind,)
    return found if attrs.has(kind) or dataclasses.is_dataclass(kind) else ()


def _is_namedtuple(kind: Any) -> bool:
    return issubclass(kind, tuple) and hasattr(cast("Any", kind), "_fields")


def fields_of(annotation: Any) -> tuple[RecordField, ...]:
    """Return the fields of a class, which may be generic with arguments, in their order.

    Raises:
        AnnotationError: Instances cannot be rebuilt from the fields, or a name is unknown.
    """
    kind: type[Any] = get_origin(annotation) or annotation
    arguments = arguments_by_class(annotation)
    found = tuple(_resolve_field(kind, raw, arguments) for raw in _raw_fields(kind))
    if not is_typed_dict(kind):
        _check_state(kind, found)
        _check_constructor(kind, found)
    return found


def _resolve_field(
    kind: type, raw: RecordField, arguments: Mapping[type, Arguments]
) -> RecordField:
    """Return the field with its annotation evaluated in the class that defines it."""
    definer, annotation = _definition(kind, raw)
    if annotation is None:
        return raw
    found = evaluate(annotation, definer, kind)
    if is_typed_dict(kind):
        raw = evolve(
            raw, required=_is_required(evaluate(annotation, definer, extras=True), raw)
        )
    return evolve(raw, annotation=substitute(found, arguments.get(definer, {})))


def _definition(kind: Any, raw: RecordField) -> tuple[Any, Any]:
    """Return the class that defines a field, and its annotation there or None."""
    if is_typed_dict(kind):
        return _definition_of_key(kind, raw.name)
    for one in kind.__mro__:
        if any(mark in vars(one) for mark in _MARKS) and raw.name in _annotations(one):
            written = _annotations(one)[raw.name]
            return one, types.NoneType if written is None else raw.annotation or written
    return kind, raw.annotation


def _definition_of_key(kind: Any, name: str) -> tuple[Any, Any]:
    # Python drops the bases of a TypedDict, apart from how they were written.
    written = _annotations(kind)[name]
    for base in original_bases(kind):
        one: Any = get_origin(base) or base
        if is_typed_dict(one) and _annotations(one).get(name) is written:
            return _definition_of_key(one, name)
    return kind, written


def _annotations(kind: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = vars(kind).get("__annotations__", {})
    return found


def _is_required(annotation: Any, raw: RecordField) -> bool:
    # Python ignores Required and NotRequired in annotations that are strings.
    while get_origin(annotation) is not None:
        if get_origin(annotation) in (Required, NotRequired):
            return get_origin(annotation) is Required
        if get_origin(annotation) is not Annotated and not is_read_only(annotation):
            break
        annotation = get_args(annotation)[0]
    return raw.required


def is_read_only(annotation: Any) -> bool:
    """Whether it is a `ReadOnly[...]` of a TypedDict."""
    return getattr(get_origin(annotation), "_name", None) == "ReadOnly"


def _raw_fields(kind: type[Any]) -> Iterable[RecordField]:
    if attrs.has(kind):
        return [_raw_attribute(one) for one in attrs.fields(kind) if one.init]
    if dataclasses.is_dataclass(kind):
        return [
            RecordField(one.name, one.name, one.type, _has_no_default(one), not one.repr)
            for one in dataclasses.fields(kind)
            if one.init
        ]
    if is_typed_dict(kind):
        required: frozenset[str] = kind.__required_keys__
        names = [*required, *kind.__optional_keys__]
        order = {name: index for index, name in enumerate(_annotations(kind))}
        names.sort(key=lambda name: order.get(name, len(order)))
        return [RecordField(name, name, None, name in required, False) for name in names]
    defaults: dict[str, Any] = kind._field_defaults
    names_of_tuple: tuple[str, ...] = kind._fields
    return [
        RecordField(name, name, None, name not in defaults, False) for name in names_of_tuple
    ]


def _raw_attribute(one: "attrs.Attribute[Any]") -> RecordField:
    # A class with a function as `repr` of a field does not want to show its value.
    is_redacted = one.repr is not True
    required = one.default is attrs.NOTHING
    return RecordField(one.name, one.alias or one.name, one.type, required, is_redacted)


def _has_no_default(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _check_state(kind: type[Any], fields: tuple[RecordField, ...]) -> None:
    """Raise `AnnotationError` for a class whose instances have state outside their fields."""
    taken: tuple[Any, ...] = (object, tuple) if _is_namedtuple(kind) else (object,)
    known = {one.name for one in fields} | field_names(kind)
    for one in kind.__mro__:
        # Classes in C, such as list, int and exceptions, have state that is not visible.
        if isinstance(vars(one).get("__new__"), types.BuiltinFunctionType) and one not in taken:
            raise AnnotationError(
                f"it extends {one.__name__}, whose contents are not in a field"
            )
        if _is_decorated(one) or not any(map(_is_decorated, one.__mro__)):
            continue
        for name in _undeclared(one, kind, known):
            called = one.__name__
            raise AnnotationError(
                f"{called} adds {name!r}, which is not a field; decorate {called} too"
            )


def _is_decorated(kind: type[Any]) -> bool:
    return any(mark in vars(kind) for mark in _MARKS)


def _undeclared(one: type[Any], kind: type[Any], known: Collection[str]) -> Iterator[str]:
    """Yield the attributes that a class without a decorator adds to its instances."""
    for name, member in vars(one).items():
        if isinstance(member, types.MemberDescriptorType) and name not in known:
            yield name
    for name, annotation in _annotations(one).items():
        if name in known:
            continue
        found = evaluate(annotation, one, kind)
        if ClassVar not in (found, get_origin(found)):
            yield name


def _check_constructor(kind: type, fields: tuple[RecordField, ...]) -> None:
    parameters = inspect.signature(kind).parameters.values()
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters)
    by_name = {one.name: one for one in parameters if one.kind is not one.POSITIONAL_ONLY}
    for field in fields:
        if field.alias not in by_name and not open_ended:
            raise AnnotationError(f"its constructor does not accept the field {field.alias!r}")
    aliases = {field.alias for field in fields}
    for one in parameters:
        variadic = one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        if one.name not in aliases and not variadic:
            verb = "requires" if one.default is one.empty else "accepts"
            raise AnnotationError(f"its constructor {verb} {one.name!r}, which is not a field")


def arguments_by_class(annotation: Any) -> dict[type, Arguments]:
    """Return the type arguments of a class and of each of its bases.

    Two classes may use the same type variable for different types, so the arguments of a field
    are those of the class that defines it.
    """
    kind: type[Any] = get_origin(annotation) or annotation
    own = pair_arguments(getattr(kind, "__parameters__", ()), get_args(annotation))
    found: dict[type, Arguments] = {kind: own}
    for base in original_bases(kind):
        if inspect.isclass(get_origin(base) or base):
            for one, arguments in arguments_by_class(substitute(base, own)).items():
                found.setdefault(one, arguments)
    return found


def original_bases(kind: type[Any]) -> tuple[Any, ...]:
    """Return the bases of a class with their type arguments."""
    # Not with getattr, which would return the attribute of a base.
    found: tuple[Any, ...] = vars(kind).get("__orig_bases__", kind.__bases__)
    return found


def pair_arguments(parameters: tuple[Any, ...], arguments: tuple[Any, ...]) -> Arguments:
    """Return the type arguments by their parameters."""
    if arguments and not all(isinstance(one, TypeVar) for one in parameters):
        raise AnnotationError("it has type parameters that do not take one type each")
    return dict(zip(parameters, arguments, strict=False))


def substitute(annotation: Any, arguments: Arguments) -> Any:
    """Return an annotation with its known type variables replaced by their arguments."""
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    wanted: tuple[Any, ...] = getattr(annotation, "__parameters__", ())
    if not wanted or isinstance(annotation, type):
        return annotation
    try:
        return annotation[tuple(arguments.get(one, one) for one in wanted)]
    except TypeError:  # a parameter that takes several types; reported where it is used
        return annotation


def evaluate(annotation: Any, where: Any, *names: Any, extras: bool = False) -> Any:
    """Evaluate the names in an annotation as the class or alias `where` does.

    `where` and `names` are found by their own names too, because they may be local classes.
    """
    known = (*getattr(where, "__type_params__", ()), *names, where)
    local = {one.__name__: one for one in known} | _nested_in(where)
    module = getattr(sys.modules.get(where.__module__), "__dict__", {})
    holder = type("Holder", (), {"__annotations__": {"it": annotation}})
    try:
        try:
            return get_type_hints(holder, module, local, include_extras=extras)["it"]
        except NameError:
            # Last, because most names in the body are fields, which may be named like a type.
            body = {**vars(where), **local} if isinstance(where, type) else local
            return get_type_hints(holder, module, body, include_extras=extras)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise AnnotationError(f"its annotations cannot be resolved: {error}") from error


def _nested_in(where: Any) -> dict[str, Any]:
    """Return the classes that are defined in the body of a class, by name."""
    return {
        name: one
        for name, one in (vars(where).items() if isinstance(where, type) else ())
        if isinstance(one, type) and one.__qualname__ == f"{where.__qualname__}.{name}"
    }


def is_typed_dict(kind: Any) -> bool:
    """Whether it is a TypedDict of `typing` or typing_extensions."""
    # By name, because typing_extensions has a class of its own on older Pythons.
    return is_typeddict(kind) or type(kind).__name__ == "_TypedDictMeta"


def field_names(kind: Any) -> frozenset[str]:
    """Return the names of all fields, including those with `init=False`."""
    if attrs.has(kind):
        return frozenset(one.name for one in attrs.fields(kind))
    if dataclasses.is_dataclass(kind):
        return frozenset(one.name for one in dataclasses.fields(kind))
    return frozenset[str]()
