"""The shapes of annotations, and the problems of annotations that cannot be stored."""

import inspect
import types
import typing
from collections.abc import (
    Callable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
)
from collections.abc import Sequence as AbstractSequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NoReturn,
    Union,
    cast,
    final,
    get_args,
    get_origin,
)

from attrs import define, field

from bgjobs._core.context import JobContext
from bgjobs._core.payloads.containers import (
    CollectionKind,
    array_shape,
    exactly,
    instances_of,
    mapping_shape,
    set_shape,
    tuple_shape,
)
from bgjobs._core.payloads.equality import is_rebuilt_from_fields
from bgjobs._core.payloads.fields import (
    RecordField,
    evaluate,
    fields_of,
    is_read_only,
    is_record,
    pair_arguments,
    substitute,
    union_classes,
)
from bgjobs._core.payloads.records import record_shape, union_shape
from bgjobs._core.payloads.scalars import SCALARS, enum_shape, literal_shape
from bgjobs._core.payloads.shapes import (
    ARRAY,
    OBJECT,
    TEXT,
    AnnotationError,
    DeferredShape,
    Shape,
    redacted,
)

_LISTS: dict[Any, CollectionKind] = {
    list: exactly(list),
    AbstractSequence: instances_of("sequence", AbstractSequence),
    MutableSequence: instances_of("sequence", MutableSequence),
}
_SETS: dict[Any, tuple[CollectionKind, Callable[[list[Any]], Any]]] = {
    set: (exactly(set), set),
    MutableSet: (instances_of("set", MutableSet), set),
    frozenset: (exactly(frozenset), frozenset),
    AbstractSet: (instances_of("set", AbstractSet), frozenset),
}
_MAPPINGS: dict[Any, CollectionKind] = {
    dict: exactly(dict),
    Mapping: instances_of("mapping", Mapping),
    MutableMapping: instances_of("mapping", MutableMapping),
}
_WRAPPERS = (Annotated, Final, typing.Required, typing.NotRequired)
_CONTEXT_INSIDE = (
    "JobContext cannot be stored; annotate the first parameter with JobContext alone, or with "
    "JobContext | None"
)


def _unreachable(value: Any) -> NoReturn:
    raise RuntimeError(f"an invalid annotation was used for a {type(value).__name__}")


_INVALID = Shape("nothing", frozenset(), lambda _: False, _unreachable, _unreachable)


@final
@define(eq=False)
class ShapeBuilder:
    """Makes the shapes of one signature and collects the problems of its annotations."""

    problems: list[tuple[str, str]] = field(factory=list[tuple[str, str]])
    """Pairs of the path inside the parameter and the problem."""
    compares: bool = field(default=False, init=False)
    """Whether a request must compare its arguments with what its payload is read back as."""
    redacted: set[str] = field(factory=set[str], init=False)
    """The names of the fields with ``repr=False``, at any depth."""
    _made: dict[Any, Shape] = field(factory=dict[Any, Shape], init=False)

    def shape(self, annotation: Any, path: str) -> Shape:
        """Return the shape of `annotation`; add to `problems` what cannot be stored."""
        try:
            return self._shape(_strip(annotation), path)
        except AnnotationError as error:
            return self._problem(path, str(error))

    def _problem(self, path: str, problem: str) -> Shape:
        self.problems.append((path, problem))
        return _INVALID

    def _shape(self, annotation: Any, path: str) -> Shape:  # noqa: PLR0911 - a table of kinds
        origin: Any = get_origin(annotation)
        arguments = get_args(annotation)
        scalar = _scalar(annotation)
        if scalar is not None:
            return scalar
        if origin in (Union, types.UnionType):
            return self._union(arguments, path)
        if origin is Literal:
            return literal_shape(arguments)
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return enum_shape(annotation)
        plain = origin or cast("Any", annotation)
        if plain in _COLLECTIONS:
            return self._collection(annotation, path)
        if is_record(plain):
            return self._record(annotation, path)
        if _is_alias(plain):
            return self._alias(annotation, path)
        found = annotation_text(annotation)
        raise AnnotationError(f"expected a type that can be stored as JSON, found {found}")

    def _union(self, arguments: tuple[Any, ...], path: str) -> Shape:
        members = tuple(self.shape(one, path) for one in _flatten_union(arguments))
        return _INVALID if _INVALID in members else union_shape(members)

    def _collection(self, annotation: Any, path: str) -> Shape:
        origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
        if not arguments and (origin is annotation or annotation in _BARE):
            found = annotation_text(annotation)
            raise AnnotationError(f"expected the types of its items, found bare {found}")
        if origin is tuple:
            return self._tuple(arguments, path)
        if origin in _MAPPINGS:
            return self._mapping(origin, arguments, path)
        item = self.shape(arguments[0], f"{path}[]")
        if origin in _LISTS:
            return array_shape(_LISTS[origin], _same, item)
        kind, make = _SETS[origin]
        return set_shape(kind, make, item)

    def _tuple(self, arguments: tuple[Any, ...], path: str) -> Shape:
        if arguments[1:] == (...,):
            item = self.shape(arguments[0], f"{path}[]")
            return array_shape(exactly(tuple), tuple, item)
        return tuple_shape(
            tuple(self.shape(one, f"{path}[{index}]") for index, one in enumerate(arguments))
        )

    def _mapping(self, origin: Any, arguments: tuple[Any, ...], path: str) -> Shape:
        key = self.shape(arguments[0], f"{path} keys")
        item = self.shape(arguments[1], f"{path}[]")
        if key is not _INVALID and key.kinds != TEXT:
            self._problem(
                f"{path} keys",
                f"expected a type written as a string, found {annotation_text(arguments[0])}",
            )
        return mapping_shape(_MAPPINGS[origin], key, item)

    def _record(self, annotation: Any, path: str) -> Shape:
        if annotation in self._made:
            return self._made[annotation]
        deferred = DeferredShape()
        kind = get_origin(annotation) or annotation
        self._made[annotation] = Shape(
            kind.__name__,
            OBJECT,
            deferred.accepts,
            deferred.encode,
            deferred.decode,
            classes=union_classes(kind),
            exact=True,
        )
        deferred.shape = self._finished_record(annotation, path)
        self._made[annotation] = deferred.shape
        return deferred.shape

    def _finished_record(self, annotation: Any, path: str) -> Shape:
        kind = get_origin(annotation) or annotation
        if kind is JobContext:
            return self._problem(path, _CONTEXT_INSIDE)
        try:
            fields = fields_of(annotation)
        except AnnotationError as error:
            return self._problem(
                path, f"{annotation_text(annotation)} cannot be stored: {error}"
            )
        self.compares |= not is_rebuilt_from_fields(kind)
        parts = tuple((one, self._field(one, path)) for one in fields)
        return record_shape(annotation, parts)

    def _field(self, one: RecordField, path: str) -> Shape:
        if one.annotation is None:
            return self._problem(f"{path}.{one.name}", "expected an annotation, found none")
        shape = self.shape(one.annotation, f"{path}.{one.name}")
        if not one.is_redacted:
            return shape
        self.redacted.add(one.name)
        return shape if shape is _INVALID else redacted(shape)

    def _alias(self, annotation: Any, path: str) -> Shape:
        if annotation in self._made:
            return self._made[annotation]
        deferred = DeferredShape()
        try:
            kinds = _alias_kinds(annotation)
            value = _alias_value(annotation)
        except AnnotationError as error:
            return self._problem(
                path, f"{annotation_text(annotation)} cannot be stored: {error}"
            )
        self._made[annotation] = Shape(
            annotation_text(annotation),
            kinds,
            deferred.accepts,
            deferred.encode,
            deferred.decode,
        )
        deferred.shape = self.shape(value, path)
        self._made[annotation] = deferred.shape
        return deferred.shape


_COLLECTIONS = (tuple, *_LISTS, *_SETS, *_MAPPINGS)
_BARE = (
    typing.List,  # noqa: UP006 - user code may have the old name
    typing.Set,  # noqa: UP006 - as above
    typing.FrozenSet,  # noqa: UP006 - as above
    typing.Tuple,  # noqa: UP006 - as above
    typing.Dict,  # noqa: UP006 - as above
    typing.Sequence,
    typing.MutableSequence,
    typing.AbstractSet,
    typing.MutableSet,
    typing.Mapping,
    typing.MutableMapping,
)


def _strip(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) in _WRAPPERS or is_read_only(annotation):
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return types.NoneType if annotation is None else annotation


def _scalar(annotation: Any) -> Shape | None:
    try:
        return SCALARS.get(annotation)
    except TypeError:  # some annotations, such as `P.args`, are not hashable
        return None


def _same(items: list[Any]) -> list[Any]:
    return items


def _is_alias(annotation: Any) -> bool:
    # By name, because older Pythons have it from typing_extensions only.
    return type(annotation).__name__ == "TypeAliasType"


def _alias_value(annotation: Any) -> Any:
    alias = get_origin(annotation) or annotation
    try:
        value = alias.__value__
    except NameError as error:
        raise AnnotationError(f"its value cannot be resolved: {error}") from error
    arguments = pair_arguments(alias.__type_params__, get_args(annotation))
    return substitute(evaluate(value, alias), arguments)


def _alias_kinds(annotation: Any, seen: tuple[Any, ...] = ()) -> frozenset[type]:
    """Return the JSON kinds of an alias; its shape needs them if the alias contains itself."""
    annotation = _strip(annotation)
    plain = get_origin(annotation) or annotation
    if annotation in seen:
        raise AnnotationError("it contains itself outside any list or dict")
    if _is_alias(plain):
        return _alias_kinds(_alias_value(annotation), (*seen, annotation))
    if plain in (Union, types.UnionType):
        return frozenset[type]().union(
            *(_alias_kinds(one, seen) for one in get_args(annotation))
        )
    if plain in _MAPPINGS or is_record(plain):
        return OBJECT
    if plain in _COLLECTIONS:
        return ARRAY
    # Other annotations contain no aliases, so their shapes can be made here.
    return ShapeBuilder().shape(annotation, "").kinds


def _flatten_union(members: tuple[Any, ...]) -> list[Any]:
    """Return the distinct members of a union, including those of unions behind an alias."""
    found: list[Any] = []
    for one in _union_members(members, ()):
        if one not in found:  # no set: some annotations are not hashable
            found.append(one)
    literals = [one for one in found if get_origin(one) is Literal]
    choices = [value for one in literals for value in get_args(one)]
    if len(literals) > 1 or (None in choices and types.NoneType in found):
        if types.NoneType in found:
            choices = [value for value in choices if value is not None]
        found = [one for one in found if get_origin(one) is not Literal]
        found += [Literal[tuple(choices)]] if choices else []
    return found


def _union_members(members: tuple[Any, ...], seen: tuple[Any, ...]) -> Iterator[Any]:
    for member in members:
        one = _strip(member)
        inside = _alias_target(one) if one not in seen else one
        if inside is not one:
            yield from _union_members((inside,), (*seen, one))
        elif get_origin(one) in (Union, types.UnionType):
            yield from _union_members(get_args(one), seen)
        else:
            yield one


def _alias_target(annotation: Any) -> Any:
    """Return the value of an alias that a union can take in as members of its own."""
    if not _is_alias(get_origin(annotation) or annotation):
        return annotation
    try:
        found = _strip(_alias_value(annotation))
    except AnnotationError:  # reported where the shape of the alias is made
        return annotation
    is_choice = get_origin(found) in (Union, types.UnionType, Literal)
    is_name = _is_alias(get_origin(found) or found)
    return found if is_choice or is_name or found is types.NoneType else annotation


def annotation_text(annotation: Any) -> str:
    """Return an annotation as text, close to how it was written."""
    if isinstance(annotation, typing.ForwardRef):
        return f"an unresolved name {annotation.__forward_arg__!r}"
    return inspect.formatannotation(annotation)
