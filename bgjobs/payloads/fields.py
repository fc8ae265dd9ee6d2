"""The fields of a class: attrs, dataclass, TypedDict and NamedTuple look the same here."""

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

Arguments = Mapping[Any, Any]
"""Types by type parameter."""
_MARKS = ("__attrs_attrs__", "__dataclass_fields__", "_fields")
"""What Python or attrs leaves in a class whose fields it has gathered."""


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


def is_record(kind: Any) -> bool:
    """Whether `kind` is a class with fields."""
    if not inspect.isclass(kind):
        return False
    return attrs.has(kind) or any(
        known(kind) for known in (dataclasses.is_dataclass, is_typed_dict, _is_namedtuple)
    )


def told_apart_classes(kind: Any) -> tuple[type[Any], ...]:
    """Return `kind` if a union can tell it from other classes by its fields."""
    found: tuple[type[Any], ...] = (kind,)
    return found if attrs.has(kind) or dataclasses.is_dataclass(kind) else ()


def _is_namedtuple(kind: Any) -> bool:
    return issubclass(kind, tuple) and hasattr(cast("Any", kind), "_fields")


def fields_of(annotation: Any) -> tuple[Field, ...]:
    """List the fields of a class, or of a generic class with its arguments."""
    kind: type[Any] = get_origin(annotation) or annotation
    arguments = arguments_by_class(annotation)
    found = tuple(_resolved(kind, raw, arguments) for raw in _raw_fields(kind))
    if not is_typed_dict(kind):
        _check_state(kind, found)
        _check_constructor(kind, found)
    return found


def _resolved(kind: type, raw: Field, arguments: Mapping[type, Arguments]) -> Field:
    """Put in what the annotation means in the class that defines the field."""
    definer, annotation = _definition(kind, raw)
    if annotation is None:
        return raw
    found = evaluated(annotation, definer, kind)
    if is_typed_dict(kind):
        raw = evolve(
            raw, required=_is_required(evaluated(annotation, definer, extras=True), raw)
        )
    return evolve(raw, annotation=substituted(found, arguments.get(definer, {})))


def _definition(kind: Any, raw: Field) -> tuple[Any, Any]:
    """Find the class that defines a field, and the annotation there; None without one."""
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
    for base in written_bases(kind):
        one: Any = get_origin(base) or base
        if is_typed_dict(one) and _annotations(one).get(name) is written:
            return _definition_of_key(one, name)
    return kind, written


def _annotations(kind: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = vars(kind).get("__annotations__", {})
    return found


def _is_required(annotation: Any, raw: Field) -> bool:
    # Python takes a string for required; only here it is known what it says.
    while get_origin(annotation) is not None:
        if get_origin(annotation) in (Required, NotRequired):
            return get_origin(annotation) is Required
        if get_origin(annotation) is not Annotated and not is_read_only(annotation):
            break
        annotation = get_args(annotation)[0]
    return raw.required


def is_read_only(annotation: Any) -> bool:
    """Whether it is a `ReadOnly[...]` of a TypedDict, which newer Pythons have."""
    return getattr(get_origin(annotation), "_name", None) == "ReadOnly"


def _raw_fields(kind: type[Any]) -> Iterable[Field]:
    if attrs.has(kind):
        return [_raw_attribute(one) for one in attrs.fields(kind) if one.init]
    if dataclasses.is_dataclass(kind):
        return [
            Field(one.name, one.name, one.type, _has_no_default(one), not one.repr)
            for one in dataclasses.fields(kind)
            if one.init
        ]
    if is_typed_dict(kind):
        required: frozenset[str] = kind.__required_keys__
        names = [*required, *kind.__optional_keys__]
        order = {name: index for index, name in enumerate(_annotations(kind))}
        names.sort(key=lambda name: order.get(name, len(order)))
        return [Field(name, name, None, name in required, False) for name in names]
    defaults: dict[str, Any] = kind._field_defaults
    names_of_tuple: tuple[str, ...] = kind._fields
    return [Field(name, name, None, name not in defaults, False) for name in names_of_tuple]


def _raw_attribute(one: "attrs.Attribute[Any]") -> Field:
    # A function as its `repr` is there to show something else than the value.
    is_hidden = one.repr is not True
    required = one.default is attrs.NOTHING
    return Field(one.name, one.alias or one.name, one.type, required, is_hidden)


def _has_no_default(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _check_state(kind: type[Any], fields: tuple[Field, ...]) -> None:
    """Refuse a class whose instances hold what is in no field."""
    taken: tuple[Any, ...] = (object, tuple) if _is_namedtuple(kind) else (object,)
    known = {one.name for one in fields} | names_of_fields(kind)
    for one in kind.__mro__:
        # What is made in C, such as a list, an int or an exception, keeps what is not seen.
        if isinstance(vars(one).get("__new__"), types.BuiltinFunctionType) and one not in taken:
            raise UnfitClassError(f"it extends {one.__name__}, whose contents are in no field")
        if _is_gathered(one) or not any(map(_is_gathered, one.__mro__)):
            continue
        for name in _undeclared(one, kind, known):
            called = one.__name__
            raise UnfitClassError(
                f"{called} adds {name!r}, which is no field; decorate {called} too"
            )


def _is_gathered(kind: type[Any]) -> bool:
    return any(mark in vars(kind) for mark in _MARKS)


def _undeclared(one: type[Any], kind: type[Any], known: Collection[str]) -> Iterator[str]:
    """Yield what a class that gathers no fields adds to its instances."""
    for name, member in vars(one).items():
        if isinstance(member, types.MemberDescriptorType) and name not in known:
            yield name
    for name, annotation in _annotations(one).items():
        if name in known:
            continue
        found = evaluated(annotation, one, kind)
        if ClassVar not in (found, get_origin(found)):
            yield name


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
        if one.name not in aliases and not variadic:
            verb = "wants" if one.default is one.empty else "takes"
            raise UnfitClassError(f"its constructor {verb} {one.name!r}, which is no field")


class UnfitClassError(Exception):
    """A class whose values cannot be made from its fields, or whose fields are unknown."""


def arguments_by_class(annotation: Any) -> dict[type, Arguments]:
    """Return the type arguments of a class and of each of its bases, in their own parameters.

    Two classes may use one type variable for different things, so a field is looked up with
    those of the class that defines it.
    """
    kind: type[Any] = get_origin(annotation) or annotation
    own = paired(getattr(kind, "__parameters__", ()), get_args(annotation))
    found: dict[type, Arguments] = {kind: own}
    for base in written_bases(kind):
        if inspect.isclass(get_origin(base) or base):
            for one, arguments in arguments_by_class(substituted(base, own)).items():
                found.setdefault(one, arguments)
    return found


def written_bases(kind: type[Any]) -> tuple[Any, ...]:
    """Return the bases of a class with their type arguments."""
    # Inherited, the attribute would be that of a base.
    found: tuple[Any, ...] = vars(kind).get("__orig_bases__", kind.__bases__)
    return found


def paired(parameters: tuple[Any, ...], arguments: tuple[Any, ...]) -> Arguments:
    """Pair type parameters with what was written for them."""
    if arguments and not all(isinstance(one, TypeVar) for one in parameters):
        raise UnfitClassError("its type parameters do not take one type each")
    return dict(zip(parameters, arguments, strict=False))


def substituted(annotation: Any, arguments: Arguments) -> Any:
    """Put type arguments in the place of type variables, where they are known."""
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    wanted: tuple[Any, ...] = getattr(annotation, "__parameters__", ())
    if not wanted or isinstance(annotation, type):
        return annotation
    try:
        return annotation[tuple(arguments.get(one, one) for one in wanted)]
    except TypeError:  # a parameter that takes several types is refused where it is used
        return annotation


def evaluated(annotation: Any, where: Any, *names: Any, extras: bool = False) -> Any:
    """Evaluate the names in an annotation as the class or alias `where` does.

    `where` and `names` are found by their own names too, for they may be local to a function.
    """
    known = (*getattr(where, "__type_params__", ()), *names, where)
    local = {one.__name__: one for one in known} | _nested_in(where)
    module = getattr(sys.modules.get(where.__module__), "__dict__", {})
    holder = type("Holder", (), {"__annotations__": {"it": annotation}})
    try:
        try:
            return get_type_hints(holder, module, local, include_extras=extras)["it"]
        except NameError:
            # Last, for most of these are the defaults of fields, called as a type may be.
            body = {**vars(where), **local} if isinstance(where, type) else local
            return get_type_hints(holder, module, body, include_extras=extras)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise UnfitClassError(f"its annotations cannot be resolved: {error}") from error


def _nested_in(where: Any) -> dict[str, Any]:
    """Return the classes that are defined in the body of a class, by their names."""
    return {
        name: one
        for name, one in (vars(where).items() if isinstance(where, type) else ())
        if isinstance(one, type) and one.__qualname__ == f"{where.__qualname__}.{name}"
    }


def is_typed_dict(kind: Any) -> bool:
    """Whether it is a TypedDict, of whichever module."""
    # By its name: that of typing_extensions is another one on older Pythons.
    return is_typeddict(kind) or type(kind).__name__ == "_TypedDictMeta"


def names_of_fields(kind: Any) -> frozenset[str]:
    """Return the names of all fields, those included that no constructor takes."""
    if attrs.has(kind):
        return frozenset(one.name for one in attrs.fields(kind))
    if dataclasses.is_dataclass(kind):
        return frozenset(one.name for one in dataclasses.fields(kind))
    return frozenset[str]()
