"""Enumerations and literals, arrays, sets, objects with keys that are data, and unions."""

import enum
from collections import OrderedDict, UserList, defaultdict, deque
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal, NewType, Self, Union, cast

from attrs import evolve
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from tests.unit.core.payloads.cases.samples import (
    HERE,
    SCALARS,
    Case,
    Lost,
    Number,
    Sample,
    Samples,
    Text,
    all_misfits,
    case,
    each_once,
    evenly,
    fits,
    kinds,
    misfits,
    mostly,
    of,
    words,
)


class Colour(enum.Enum):
    RED = "red"
    ONE = 1
    ALSO_RED = "red"  # noqa: PIE796 - another name of a member


class Word(enum.StrEnum):
    YES = "yes"
    NO = enum.auto()


class Suit(str, enum.Enum):  # noqa: UP042 - as it was written before StrEnum
    HEARTS = "♥"
    NONE = ""


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2**64


class Coded(enum.Enum):
    """Its `__new__` changes the values of its members."""

    ONE = ("first", 1)
    TWO = ("second", 2)

    def __new__(cls, label: str, number: int) -> Self:
        made = object.__new__(cls)
        made._value_ = label + str(number)
        return made


class Open(enum.Enum):
    """Its `_missing_` makes members that it does not list."""

    A = "a"

    @classmethod
    def _missing_(cls, value: Any) -> "Open":
        made = object.__new__(cls)
        made._name_, made._value_ = "X", value
        return made


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Modes(enum.Flag):
    A = 1
    B = 2
    BOTH = 3


class Kept(enum.Flag, boundary=enum.KEEP):
    A = 1
    B = 4


def members_of(kind: type[enum.Enum]) -> Case:
    made: list[str] = sorted({type(one.value).__name__ for one in kind})
    names = {"str": "string", "int": "int"}
    wrong = [one.value for one in kind if type(one.value) is str]
    text = " ".join(names[one] for one in made)
    return case(kind, text, st.sampled_from(kind), st.sampled_from([*wrong, "none of it"]))


def flags(kind: type[enum.Flag], most: int) -> Case:
    values = st.integers(0, most).map(kind) | st.integers(0, most).map(lambda one: ~kind(one))
    return case(kind, "int", values)


def literal(*choices: Any) -> Case:
    json = [one.value if isinstance(one, enum.Enum) else one for one in choices]
    found = {_kind(one) for one in json}
    near: list[Any] = [Text("a"), Number(1), True, 1.0, "z", None, Level.LOW]
    wrong = [one for one in near if all(type(one) is not type(x) or one != x for x in choices)]
    odd = misfits(st.sampled_from(wrong))
    values = mostly(fits(st.sampled_from(choices)), odd)
    called = f"Literal{list(choices)}"
    return Case(of(Literal, *choices), values, called, kinds(*found), odd=odd)


def _kind(value: Any) -> str:
    return {str: "string", int: "int", bool: "bool"}.get(type(value), "null")


@st.composite
def made_enum(draw: st.DrawFn) -> Case:
    values = draw(st.lists(words | st.integers(-2, 2), min_size=1, max_size=3))
    plain: Any = enum.Enum
    made = plain
    if all(type(one) is str for one in values):
        made = draw(st.sampled_from([enum.Enum, enum.StrEnum, partial(plain, type=str)]))
    return members_of(made("Made", {f"M{number}": one for number, one in enumerate(values)}))


ENUMS: list[type[enum.Enum]] = [Colour, Word, Suit, Level, Coded]
CHOICES: list[Case] = [
    *(members_of(kind) for kind in ENUMS),
    case(Open, "string", st.just(Open.A), st.sampled_from([Open("c"), Open(5)])),
    flags(Rights, 9),
    flags(Modes, 3),
    flags(Kept, 15),
    literal("a", 1),
    literal("a", "b", "\u2028"),
    literal("a", None),
    literal(True, 1, "x"),
    literal(Colour.RED, 1),
    literal(Level.LOW),
    literal(Word.YES, "b"),
]

Cases = st.SearchStrategy[Case]
Make = Callable[[Any], Any]


class Items(list[Any]): ...


class Row(tuple[Any, ...]):
    __slots__ = ()


class Entries(dict[Any, Any]): ...


class Members(set[Any]): ...


def in_order(samples: list[Sample], make: Make, back: Make) -> Sample:
    return Sample(
        make(one.given for one in samples),
        back(one.back for one in samples),
        all_misfits((f"[{number}]", one) for number, one in enumerate(samples)),
    )


def wrong(values: Samples, make: Make) -> Samples:
    """Return samples in a container that does not fit."""

    def change(one: Sample) -> Sample:
        back = one.back if isinstance(one.back, Lost) else make(one.back)
        return Sample(make(one.given), back, (*one.misfits, ""))

    return values.map(change)


def list_of(inner: Case) -> Case:
    items = st.lists(inner.values, max_size=3).map(lambda some: in_order(some, list, list))
    others = [wrong(items, make) for make in (tuple, Items, deque)]
    values = mostly(items, *others)
    return Case(
        of(list, inner.annotation),
        values,
        f"list[{inner.called}]",
        kinds("array"),
        inner.is_sure,
    )


def abstract_list_of(inner: Case, kind: Any = Sequence) -> Case:
    items = st.lists(inner.values, max_size=3)
    makes = st.sampled_from([list, deque, UserList, *([tuple] if kind is Sequence else [])])
    values = st.builds(lambda some, make: in_order(some, make, list), items, makes)
    called = f"{kind.__name__}[{inner.called}]"
    annotation = of(kind, inner.annotation)
    return Case(annotation, values, called, kinds("array"), inner.is_sure, converts=True)


def changing_list_of(inner: Case) -> Case:
    return abstract_list_of(inner, MutableSequence)


def row_of(inner: Case) -> Case:
    items = st.lists(inner.values, max_size=3).map(lambda some: in_order(some, tuple, tuple))
    called = f"tuple[{inner.called}, ...]"
    annotation = of(tuple, inner.annotation, ...)
    values = mostly(items, wrong(items, list), wrong(items, Row))
    return Case(annotation, values, called, kinds("array"), inner.is_sure)


@st.composite
def fixed_row(draw: st.DrawFn, cases: Cases) -> Case:
    inner = draw(st.lists(cases, min_size=1, max_size=3))
    items = st.tuples(*(one.values for one in inner)).map(
        lambda some: in_order(list(some), tuple, tuple)
    )
    values = mostly(items, wrong(items, lambda row: (*row, None)), wrong(items, list))
    called = f"tuple[{', '.join(one.called for one in inner)}]"
    annotation = of(tuple, *(one.annotation for one in inner))
    return Case(annotation, values, called, kinds("array"), all(one.is_sure for one in inner))


EMPTY_ROW = Case(
    tuple[()], st.just(Sample((), ())) | st.just(Sample((1,), (1,), HERE)), "()", kinds("array")
)


def gathered(samples: list[Sample], make: Make, back: Make) -> Sample:
    """Make a set; items that would become equal must be refused."""
    once = each_once(samples)
    given = make(one.given for one in once)
    paths = HERE if any(one.misfits for one in once) else ()
    try:
        found = back(one.back for one in once)
    except TypeError:  # the value that is read back is not hashable
        return Sample(given, Lost(), HERE)
    return Sample(
        given, found if len(found) == len(given) else Lost(), paths or _lost(once, found)
    )


def _lost(given: list[Sample], found: Any) -> tuple[str, ...]:
    return () if len(found) == len(given) else HERE


def set_of(inner: Case) -> Case:
    items = st.lists(inner.values, max_size=6)
    good = items.map(lambda some: gathered(some, set, set))
    values = mostly(good, wrong(good, frozenset), wrong(good, Members))
    called = f"set[{inner.called}]"
    return Case(of(set, inner.annotation), values, called, kinds("array"), inner.is_sure)


def frozen_set_of(inner: Case) -> Case:
    items = st.lists(inner.values, max_size=6)
    good = items.map(lambda some: gathered(some, frozenset, frozenset))
    called = f"frozenset[{inner.called}]"
    values = mostly(good, wrong(good, set))
    return Case(of(frozenset, inner.annotation), values, called, kinds("array"), inner.is_sure)


def abstract_set_of(inner: Case) -> Case:
    items = st.lists(inner.values, max_size=6)
    makes: st.SearchStrategy[Make] = st.sampled_from([set, frozenset])
    values = st.builds(lambda some, make: gathered(some, make, frozenset), items, makes)
    called = f"Set[{inner.called}]"
    annotation = of(AbstractSet, inner.annotation)
    return Case(annotation, values, called, kinds("array"), inner.is_sure, converts=True)


def with_default(found: dict[Any, Any]) -> defaultdict[Any, Any]:
    return defaultdict(int, found)


def entered(pairs: list[tuple[Sample, Sample]], make: Make) -> Sample:
    """Make a dict; keys that would become equal must be refused."""
    by_key = dict(zip((id(key) for key, _ in pairs), pairs, strict=True))
    once = [by_key[id(key)] for key in each_once(key for key, _ in pairs)]
    back = {key.back: value.back for key, value in once}
    paths = tuple(path for key, value in once for path in _below_key(key.given, value))
    if any(key.misfits for key, _ in once) or len(back) < len(once):
        paths = (*paths, "")
    given = make({key.given: value.given for key, value in once})
    return Sample(given, back if len(back) == len(once) else Lost(), paths)


def _below_key(key: Any, value: Sample) -> tuple[str, ...]:
    """Return the paths below a key, or of the whole value if the key is not text."""
    if type(key) in (str, Text):
        return value.below(f"[{str(key)!r}]")
    return HERE if value.misfits else ()


def dict_of(inner: Case, key: Case = SCALARS[5], kind: Any = dict) -> Case:
    pairs = st.lists(st.tuples(key.values, inner.values), max_size=3)
    good = pairs.map(lambda some: entered(some, dict))
    others: list[Make] = [OrderedDict, Entries, with_default]
    if kind is dict:
        values = mostly(good, *(wrong(good, make) for make in others))
    else:
        makes = st.sampled_from(
            [dict, *others, *([MappingProxyType] if kind is Mapping else [])]
        )
        values = st.builds(entered, pairs, makes)
    return Case(
        of(kind, key.annotation, inner.annotation),
        values,
        f"{kind.__name__}[{key.called}, {inner.called}]",
        kinds("object"),
        inner.is_sure and key.is_sure,
        converts=kind is not dict,
    )


KEYS = [one for one in (*SCALARS, *CHOICES) if one.kinds == {"string"}]
KINDS = [dict, dict, Mapping, MutableMapping]


@st.composite
def mapped(draw: st.DrawFn, cases: Cases) -> Case:
    inner = draw(cases)
    key = draw(
        st.just(SCALARS[5]) | st.sampled_from(KEYS) | st.sampled_from(KEYS).flatmap(renamed)
    )
    return dict_of(inner, key, draw(st.sampled_from(KINDS)))


def optional(inner: Case) -> Case:
    return joined_of([inner, SCALARS[0]], is_sure=inner.is_sure)


def joined_of(members: list[Case], *, is_sure: bool) -> Case:
    """Make a union of cases; a value belongs to the member that accepts it unchanged."""
    all_kinds = frozenset[str]().union(*(one.kinds for one in members))
    converts = any(one.converts for one in members)
    values = st.one_of(*(one.values for one in members))
    if converts:
        values = values.filter(lambda one: not one.misfits)
    if converts and "int" in all_kinds:
        values = values.filter(
            lambda one: type(one.given) is type(one.back) or type(one.given) is not int
        )
    called = " | ".join(one.called for one in members)
    annotation = of(Union, *(one.annotation for one in members))
    return Case(annotation, values, called, all_kinds, is_sure, converts)


@st.composite
def joined(draw: st.DrawFn, cases: Cases) -> Case:
    """Make a union of two or three cases, which mostly differ in JSON."""
    found = draw(st.lists(cases, min_size=2, max_size=3))
    members, taken = found[:1], found[0].kinds
    may_overlap = draw(st.sampled_from([False, False, True]))
    for one in found[1:]:
        if may_overlap or not one.kinds & taken:
            members.append(one)
            taken |= one.kinds
    if len(members) == 1:
        return optional(members[0])
    apart = len(taken) == sum(len(one.kinds) for one in members)
    return joined_of(members, is_sure=apart and all(one.is_sure for one in members))


def renamed(inner: Case) -> Cases:
    """Return the annotation behind a NewType, an alias or Annotated."""
    new_type, alias_type = cast("Any", NewType), cast("Any", TypeAliasType)
    new, alias = new_type("Named", inner.annotation), alias_type("Alias", inner.annotation)
    noted: Any = Annotated[inner.annotation, "a note"]
    return st.sampled_from([new, alias, noted]).map(lambda one: evolve(inner, annotation=one))


def containers(cases: Cases) -> Cases:
    plain = [
        list_of, row_of, abstract_list_of, changing_list_of, set_of, frozen_set_of,
        abstract_set_of, optional,
    ]  # fmt: skip
    return evenly(
        *(cases.map(make) for make in plain),
        *[mapped(cases)] * 2,
        *[joined(cases)] * 2,
        fixed_row(cases),
        cases.flatmap(renamed),
        st.just(EMPTY_ROW),
    )
