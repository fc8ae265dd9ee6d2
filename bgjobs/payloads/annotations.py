"""From an annotation to its shape, or to everything that is wrong with it."""

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

from bgjobs.context import JobContext
from bgjobs.payloads.containers import (
    Kind,
    array_shape,
    exactly,
    like,
    mapping_shape,
    set_shape,
    tuple_shape,
)
from bgjobs.payloads.equality import is_remade_as_it_was
from bgjobs.payloads.fields import (
    Field,
    UnfitClassError,
    evaluated,
    fields_of,
    is_read_only,
    is_record,
    paired,
    substituted,
    told_apart_classes,
)
from bgjobs.payloads.records import UnfitUnionError, record_shape, union_shape
from bgjobs.payloads.scalars import SCALARS, UnfitChoiceError, enum_shape, literal_shape
from bgjobs.payloads.shapes import ARRAY, OBJECT, TEXT, LateShape, Shape, hidden

_LISTS: dict[Any, Kind] = {
    list: exactly(list),
    AbstractSequence: like("sequence", AbstractSequence),
    MutableSequence: like("sequence", MutableSequence),
}
_SETS: dict[Any, tuple[Kind, Callable[[list[Any]], Any]]] = {
    set: (exactly(set), set),
    MutableSet: (like("set", MutableSet), set),
    frozenset: (exactly(frozenset), frozenset),
    AbstractSet: (like("set", AbstractSet), frozenset),
}
_MAPPINGS: dict[Any, Kind] = {
    dict: exactly(dict),
    Mapping: like("mapping", Mapping),
    MutableMapping: like("mapping", MutableMapping),
}
_PASSED_ON = (Annotated, Final, typing.Required, typing.NotRequired)
_CONTEXT_INSIDE = (
    "JobContext cannot be stored; annotate the first parameter with JobContext alone, or with "
    "JobContext | None"
)


def _refuse(value: Any) -> NoReturn:
    raise RuntimeError(f"a refused annotation was used for a {type(value).__name__}")


_BROKEN = Shape("nothing", frozenset(), lambda _: False, _refuse, _refuse)


@final
@define(eq=False)
class ShapeBuilder:
    """Makes the shapes of one signature and collects what is wrong with it."""

    problems: list[tuple[str, str]] = field(factory=list[tuple[str, str]])
    """Pairs of the path inside the parameter and the problem."""
    compares: bool = field(default=False, init=False)
    """Whether what is read back has to be compared with what was given."""
    _made: dict[Any, Shape] = field(factory=dict[Any, Shape], init=False)

    def shape(self, annotation: Any, path: str) -> Shape:  # noqa: PLR0911 - a table of kinds
        """Give the shape of `annotation`; one that is refused adds to `problems`."""
        annotation = _stripped(annotation)
        origin: Any = get_origin(annotation)
        arguments = get_args(annotation)
        scalar = _scalar(annotation)
        if scalar is not None:
            return scalar
        if origin in (Union, types.UnionType):
            return self._union(arguments, path)
        if origin is Literal:
            return self._chosen(lambda: literal_shape(arguments), path)
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return self._chosen(lambda: enum_shape(annotation), path)
        plain = origin or cast("Any", annotation)
        if plain in _COLLECTIONS:
            return self._collection(annotation, path)
        if is_record(plain):
            return self._record(annotation, path)
        if _is_alias(plain):
            return self._alias(annotation, path)
        return self._refused(annotation, path)

    def _refused(self, annotation: Any, path: str) -> Shape:
        found = described(annotation)
        return self._problem(path, f"expected a type that JSON can carry, found {found}")

    def _problem(self, path: str, problem: str) -> Shape:
        self.problems.append((path, problem))
        return _BROKEN

    def _chosen(self, make: Callable[[], Shape], path: str) -> Shape:
        try:
            return make()
        except UnfitChoiceError as error:
            return self._problem(path, str(error))

    def _union(self, arguments: tuple[Any, ...], path: str) -> Shape:
        members = tuple(self.shape(one, path) for one in _flat(arguments))
        if any(member is _BROKEN for member in members):
            return _BROKEN
        try:
            return union_shape(members)
        except UnfitUnionError as error:
            return self._problem(path, str(error))

    def _collection(self, annotation: Any, path: str) -> Shape:
        origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
        if not arguments and (origin is annotation or annotation in _BARE):
            return self._problem(
                path, f"expected the types of its items, found bare {described(annotation)}"
            )
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
        if key is not _BROKEN and key.kinds != TEXT:
            self._problem(
                f"{path} keys",
                f"expected a type written as a string, found {described(arguments[0])}",
            )
        return mapping_shape(_MAPPINGS[origin], key, item)

    def _record(self, annotation: Any, path: str) -> Shape:
        if annotation in self._made:
            return self._made[annotation]
        late = LateShape()
        kind = get_origin(annotation) or annotation
        self._made[annotation] = Shape(
            kind.__name__,
            OBJECT,
            late.accepts,
            late.encode,
            late.decode,
            classes=told_apart_classes(kind),
            exact=True,
        )
        late.shape = self._finished_record(annotation, path)
        self._made[annotation] = late.shape
        return late.shape

    def _finished_record(self, annotation: Any, path: str) -> Shape:
        kind = get_origin(annotation) or annotation
        if kind is JobContext:
            return self._problem(path, _CONTEXT_INSIDE)
        try:
            fields = fields_of(annotation)
        except UnfitClassError as error:
            return self._problem(path, f"expected a plain {described(annotation)}, but {error}")
        self.compares |= not is_remade_as_it_was(kind)
        parts = tuple((one, self._field(one, path)) for one in fields)
        return record_shape(annotation, parts)

    def _field(self, one: Field, path: str) -> Shape:
        if one.annotation is None:
            return self._problem(f"{path}.{one.name}", "expected an annotation, found none")
        shape = self.shape(one.annotation, f"{path}.{one.name}")
        return hidden(shape) if one.is_hidden and shape is not _BROKEN else shape

    def _alias(self, annotation: Any, path: str) -> Shape:
        if annotation in self._made:
            return self._made[annotation]
        late = LateShape()
        try:
            kinds = _kinds(annotation)
            value = _value_of(annotation)
        except UnfitClassError as error:
            return self._problem(path, f"expected a plain {described(annotation)}, but {error}")
        self._made[annotation] = Shape(
            described(annotation), kinds, late.accepts, late.encode, late.decode
        )
        late.shape = self.shape(value, path)
        self._made[annotation] = late.shape
        return late.shape


_COLLECTIONS = (tuple, *_LISTS, *_SETS, *_MAPPINGS)
_BARE = (
    typing.List,  # noqa: UP006 - a user may still write it
    typing.Set,  # noqa: UP006
    typing.FrozenSet,  # noqa: UP006
    typing.Tuple,  # noqa: UP006
    typing.Dict,  # noqa: UP006
    typing.Sequence,
    typing.MutableSequence,
    typing.AbstractSet,
    typing.MutableSet,
    typing.Mapping,
    typing.MutableMapping,
)


def _stripped(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) in _PASSED_ON or is_read_only(annotation):
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return types.NoneType if annotation is None else annotation


def _scalar(annotation: Any) -> Shape | None:
    try:
        return SCALARS.get(annotation)
    except TypeError:  # some, such as `P.args`, have no hash
        return None


def _same(items: list[Any]) -> list[Any]:
    return items


def _is_alias(annotation: Any) -> bool:
    # By its name: older Pythons have it from typing_extensions. Its value may not be there yet.
    return type(annotation).__name__ == "TypeAliasType"


def _value_of(annotation: Any) -> Any:
    alias = get_origin(annotation) or annotation
    try:
        value = alias.__value__
    except NameError as error:
        raise UnfitClassError(f"its value cannot be resolved: {error}") from error
    arguments = paired(alias.__type_params__, get_args(annotation))
    return substituted(evaluated(value, alias), arguments)


def _kinds(annotation: Any, seen: tuple[Any, ...] = ()) -> frozenset[type]:
    """Find the JSON kinds of an alias before its shape is there, which may need them."""
    annotation = _stripped(annotation)
    plain = get_origin(annotation) or annotation
    if annotation in seen:
        raise UnfitClassError("it contains itself outside any list or dict")
    if _is_alias(plain):
        return _kinds(_value_of(annotation), (*seen, annotation))
    if plain in (Union, types.UnionType):
        return frozenset[type]().union(*(_kinds(one, seen) for one in get_args(annotation)))
    if plain in _MAPPINGS or is_record(plain):
        return OBJECT
    if plain in _COLLECTIONS:
        return ARRAY
    # All else holds nothing, so its shape is made as well as it can be.
    return ShapeBuilder().shape(annotation, "").kinds


def _flat(members: tuple[Any, ...]) -> list[Any]:
    """Return the members of a union, each once: those of unions behind a name too."""
    found: list[Any] = []
    for one in _unfolded(members, ()):
        if one not in found:  # not by its hash, which some have not
            found.append(one)
    literals = [one for one in found if get_origin(one) is Literal]
    choices = [value for one in literals for value in get_args(one)]
    if len(literals) > 1 or (None in choices and types.NoneType in found):
        if types.NoneType in found:
            choices = [value for value in choices if value is not None]
        found = [one for one in found if get_origin(one) is not Literal]
        found += [Literal[tuple(choices)]] if choices else []
    return found


def _unfolded(members: tuple[Any, ...], seen: tuple[Any, ...]) -> Iterator[Any]:
    for member in members:
        one = _stripped(member)
        inside = _named_by(one) if one not in seen else one
        if inside is not one:
            yield from _unfolded((inside,), (*seen, one))
        elif get_origin(one) in (Union, types.UnionType):
            yield from _unfolded(get_args(one), seen)
        else:
            yield one


def _named_by(annotation: Any) -> Any:
    """Return what an alias stands for if a union can hold it as members of its own."""
    if not _is_alias(get_origin(annotation) or annotation):
        return annotation
    try:
        found = _stripped(_value_of(annotation))
    except UnfitClassError:  # refused where its shape is made
        return annotation
    is_choice = get_origin(found) in (Union, types.UnionType, Literal)
    is_name = _is_alias(get_origin(found) or found)
    return found if is_choice or is_name or found is types.NoneType else annotation


def described(annotation: Any) -> str:
    """Write an annotation as its author did, as far as Python remembers."""
    if isinstance(annotation, typing.ForwardRef):
        return f"an unresolved name {annotation.__forward_arg__!r}"
    return inspect.formatannotation(annotation)
