"""Annotations and values for them, many of which no JSON gives back.

Such as subclasses, numbers that are rounded, fields that no constructor takes, and classes
whose own code changes what it is given.
"""

import dataclasses
import enum
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Generic, Literal, NamedTuple, TypedDict, TypeVar, Union

import attrs
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

T = TypeVar("T")
Values = st.SearchStrategy[Any]
Case = tuple[Any, Values]
"""An annotation, and values that a caller might give for it."""


class Text(str):
    __slots__ = ()


class Number(int): ...


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Row(NamedTuple):
    left: int
    right: str = ""


class Options(TypedDict, total=False):
    a: int
    b: list[str]


@attrs.frozen
class Keyed(Generic[T]):
    key: T


@attrs.frozen
class Tagged(Keyed[str], Generic[T]):
    value: T


alias: Any = TypeAliasType
Tree: Any = alias("Tree", "dict[str, Tree | None]")
Nested: Any = alias("Nested", "list[Nested] | int")

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
words = st.sampled_from(["", "a", "b", "a!", 'a"', "é"])
integers = st.integers() | st.sampled_from([0, 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**64])
floats = st.floats() | st.sampled_from([0.0, -0.0, 1.0, 0.5])
instants = st.datetimes(timezones=st.just(UTC) | st.timezones())
trees: Values = st.recursive(
    st.just({}), lambda inner: st.dictionaries(words, inner | st.none())
)
nested: Values = st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3))

SCALARS: list[Case] = [
    (None, st.none()),
    (bool, st.booleans() | st.sampled_from([0, 1])),
    (int, integers | st.booleans() | integers.map(Number) | st.sampled_from(Level)),
    (float, floats | integers | st.booleans()),
    (str, text | words.map(Text)),
    (bytes, st.binary(max_size=4) | st.binary(max_size=4).map(bytearray)),
    (datetime, instants | st.datetimes()),
    (timedelta, st.timedeltas()),
    (Decimal, st.decimals()),
    (Path, words.map(Path) | words.map(PurePosixPath)),
    (PurePath, words.map(PurePosixPath) | st.just(PureWindowsPath("a\\b")) | words.map(Path)),
    (Colour, st.sampled_from(Colour) | st.sampled_from(["red", 1])),
    (Rights, st.integers(0, 9).map(Rights)),
    (Literal["a", 1], st.sampled_from(["a", 1, True, Text("a"), Number(1)])),
    (Row, st.builds(Row, integers, text) | st.builds(Row, text)),
    (Options, st.fixed_dictionaries({}, optional={"a": integers, "b": st.lists(words)})),
    (Keyed[int], st.builds(Keyed, st.integers()) | st.builds(Tagged, st.integers(), words)),
    (Tagged[int], st.builds(Tagged, words | st.integers(), st.integers() | words)),
    (Tree, trees),
    (Tree | None, trees | st.none()),
    (Nested, nested),
]


def hashable(values: Values) -> Values:
    return values.filter(_has_hash)


def _has_hash(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def of(kind: Any, *arguments: Any) -> Any:
    """Give `kind[arguments]`, which a type checker takes for a type if it is written so."""
    return kind[arguments]


def listed(case: Case) -> st.SearchStrategy[Case]:
    inner, values = case
    items = st.lists(values, max_size=3)
    return st.sampled_from([
        (of(list, inner), items | items.map(tuple)),
        (of(Sequence, inner), items | items.map(tuple)),
        (of(tuple, inner, ...), items.map(tuple) | items),
        (of(tuple, inner, int), st.tuples(values, st.integers())),
    ])  # fmt: skip


def gathered(case: Case) -> st.SearchStrategy[Case]:
    inner, values = case
    sets = st.sets(hashable(values), max_size=4)
    return st.sampled_from([
        (of(set, inner), sets | sets.map(frozenset)),
        (of(frozenset, inner), sets.map(frozenset)),
        (of(AbstractSet, inner), sets | sets.map(frozenset)),
    ])  # fmt: skip


def mapped(case: Case) -> st.SearchStrategy[Case]:
    inner, values = case
    entries = st.dictionaries(words | words.map(Text), values, max_size=3)
    by_number = st.dictionaries(st.decimals(allow_nan=False), values, max_size=3)
    return st.sampled_from([
        (of(dict, str, inner), entries | entries.map(lambda found: defaultdict(int, found))),
        (of(Mapping, str, inner), entries | entries.map(OrderedDict)),
        (of(dict, Decimal, inner), by_number),
    ])  # fmt: skip


@st.composite
def joined(draw: st.DrawFn, cases: st.SearchStrategy[Case]) -> Case:
    members = draw(st.lists(cases, min_size=2, max_size=3))
    annotation = of(Union, *(one for one, _ in members))
    return annotation, st.one_of(*(values for _, values in members))


def same(value: Any) -> Any:
    return value


def in_list(value: Any) -> Any:
    return [value]


def as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def as_text(value: Any) -> Any:
    return str(value)


CONVERTERS: list[Callable[[Any], Any]] = [same, in_list, as_tuple, as_text]


@st.composite
def attrs_class(draw: st.DrawFn, cases: st.SearchStrategy[Case]) -> Case:
    """Make a class with all that attrs offers, and instances, some of which were changed."""
    fields: dict[str, Any] = {}
    values: dict[str, Values] = {}
    for name in draw(st.sampled_from([["a"], ["a", "_b"], ["a", "_b", "c"]])):
        annotation, inner = draw(cases)
        taken = draw(st.sampled_from([True, True, False]))
        default = attrs.NOTHING if taken else draw(inner)
        fields[name] = attrs.field(
            type=annotation,
            init=taken,
            default=default,
            eq=draw(st.booleans()) if taken else True,
            repr=draw(st.booleans()),
            kw_only=draw(st.booleans()),
            converter=draw(st.none() | st.sampled_from(CONVERTERS)),
        )
        values[name] = inner if taken else st.just(default) | inner
    kind: Any = attrs.make_class(
        "Made", fields, slots=draw(st.booleans()), eq=draw(st.booleans())
    )
    return kind, st.fixed_dictionaries(values).map(lambda found: _instance(kind, found))


def _instance(kind: Any, found: dict[str, Any]) -> Any:
    fields = attrs.fields_dict(kind)
    taken = {
        fields[name].alias or name: value for name, value in found.items() if fields[name].init
    }
    made = kind(**taken)
    for name, value in found.items():
        if not fields[name].init:
            object.__setattr__(made, name, value)
    return made


@st.composite
def data_class(draw: st.DrawFn, cases: st.SearchStrategy[Case]) -> Case:
    """Make a dataclass, which may change what it was given."""
    annotation, values = draw(cases)
    hook = draw(st.none() | st.sampled_from(CONVERTERS))

    def finish(made: Any) -> None:
        object.__setattr__(made, "a", hook(made.a) if hook is not None else made.a)

    kind: Any = dataclasses.make_dataclass(
        "Data",
        [("a", annotation), ("b", int, dataclasses.field(default=0, init=draw(st.booleans())))],
        namespace={} if hook is None else {"__post_init__": finish},
        eq=draw(st.booleans()),
    )

    def instance(given: tuple[Any, int]) -> Any:
        made = kind(given[0])
        made.b = given[1]
        return made

    return kind, st.tuples(values, st.integers(0, 1)).map(instance)


def around(cases: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    return st.one_of(
        cases.flatmap(listed),
        cases.flatmap(gathered),
        cases.flatmap(mapped),
        joined(cases),
        attrs_class(cases),
        data_class(cases),
    )


CASES: st.SearchStrategy[Case] = st.recursive(st.sampled_from(SCALARS), around, max_leaves=4)


@st.composite
def annotated_values(draw: st.DrawFn) -> tuple[Any, Any]:
    annotation, values = draw(CASES)
    return annotation, draw(values)
