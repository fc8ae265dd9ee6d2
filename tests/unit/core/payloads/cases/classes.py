"""attrs classes and dataclasses with all their options, and instances that were changed."""

import dataclasses
import types
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, Literal

import attrs
from attrs import frozen
from hypothesis import strategies as st

from tests.unit.core.payloads.cases.containers import Cases, Level, Word, joined_of
from tests.unit.core.payloads.cases.samples import (
    HERE,
    Case,
    Sample,
    Samples,
    fits,
    is_same,
    kinds,
    misfits,
)

Converter = Callable[[Any], Any]


def same(value: Any) -> Any:
    return value


def in_list(value: Any) -> Any:
    return [value]


def as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def as_text(value: Any) -> Any:
    return str(value)


def split(value: Any) -> Any:
    return value.split(",")


def grown(value: Any) -> Any:
    return value + value


CONVERTERS: list[Converter] = [same, in_list, as_tuple, as_text, grown, split]


@frozen(eq=False)
class Part:
    """One field of a generated class."""

    name: str
    case: Case
    taken: bool
    """Whether the constructor accepts it."""
    default: Any
    by_name: bool
    compared: bool
    shown: bool
    converter: Converter | None

    def step(self, one: Sample) -> tuple[str, ...]:
        """Return the paths below the field, or its own path if it is redacted."""
        step = f".{self.name}"
        if self.taken:
            return one.below(step) if self.shown or not one.misfits else (step,)
        is_changed = self.compared and not is_same(one.given, self.default)
        return (step,) if is_changed else ()


@st.composite
def parts(draw: st.DrawFn, cases: Cases) -> list[Part]:
    names = draw(st.sampled_from([["a"], ["a", "_b"], ["d", "_b", "c"], ["cls", "value"], []]))
    return [draw(part(name, cases)) for name in names]


@st.composite
def part(draw: st.DrawFn, name: str, cases: Cases) -> Part:
    case = draw(cases)
    taken = draw(st.sampled_from([True, True, True, False]))
    sample = draw(case.values)
    by_name = draw(st.booleans())
    default = attrs.NOTHING if sample.misfits or not by_name else sample.back
    if not taken:
        default = None if sample.misfits else sample.given
    return Part(
        name,
        case,
        taken,
        default,
        by_name,
        compared=draw(st.sampled_from([True, True, False])),
        shown=draw(st.sampled_from([True, True, False])),
        converter=draw(st.sampled_from([None, None, None, *CONVERTERS])) if taken else None,
    )


def annotation_of(one: Part) -> Any:
    """Return the annotation of a field, for some names inside `Final`."""
    found = type(None) if one.case.annotation is None else one.case.annotation
    return Final[found] if one.name == "c" else found


@st.composite
def attrs_class(draw: st.DrawFn, cases: Cases) -> Case:
    some = draw(parts(cases))
    fields = {
        one.name: attrs.field(
            type=annotation_of(one),
            init=one.taken,
            default=one.default,
            eq=one.compared,
            repr=one.shown,
            kw_only=one.by_name,
            converter=one.converter,
            validator=draw(st.sampled_from([None, None, attrs.validators.instance_of(object)])),
        )
        for one in some
    }
    compares, is_frozen = draw(st.booleans()), draw(st.booleans())
    kind: Any = attrs.make_class(
        "Made",
        fields,
        slots=draw(st.booleans()),
        eq=compares,
        frozen=is_frozen,
        cache_hash=compares and is_frozen and draw(st.booleans()),
        kw_only=draw(st.booleans()),
    )
    return draw(with_instances(kind, some, {one.name: one.alias for one in attrs.fields(kind)}))


@st.composite
def data_class(draw: st.DrawFn, cases: Cases) -> Case:
    some = [attrs.evolve(one, converter=None) for one in draw(parts(cases))]
    hook = draw(st.sampled_from([None, None, None, *CONVERTERS]))
    compares, is_frozen = draw(st.booleans()), draw(st.booleans())
    kind: Any = dataclasses.make_dataclass(
        "Data",
        [(one.name, annotation_of(one), _data_field(one)) for one in some],
        namespace={}
        if hook is None or not some
        else {"__post_init__": _hook(some[0].name, hook)},
        eq=compares,
        frozen=is_frozen,
        slots=draw(st.booleans()),
        order=compares and draw(st.booleans()),
        kw_only=draw(st.booleans()),
    )
    if hook is not None and some:
        some = [attrs.evolve(some[0], converter=hook), *some[1:]]
    return draw(with_instances(kind, some, {one.name: one.name for one in some}))


def _data_field(one: Part) -> Any:
    settings: dict[str, Any] = {
        "init": one.taken,
        "repr": one.shown,
        "compare": one.compared,
        "kw_only": one.by_name,
    }
    if one.default is not attrs.NOTHING:
        settings["default_factory"] = lambda: one.default
    return dataclasses.field(**settings)


def _hook(name: str, change: Converter) -> Callable[[Any], None]:
    def finish(made: Any) -> None:
        object.__setattr__(made, name, change(getattr(made, name)))

    return finish


@st.composite
def with_instances(
    draw: st.DrawFn, kind: Any, some: list[Part], aliases: dict[str, str]
) -> Case:
    if draw(st.sampled_from([False, False, True])):
        kind = heir_of(kind)
    is_odd = any(one.converter for one in some)
    values = instances(kind, some, aliases)
    is_sure = not is_odd and all(one.case.is_sure for one in some if one.taken)
    called = f"{kind.__name__}({', '.join(one.case.called for one in some)})"
    return Case(kind, values, called, kinds("object"), is_sure)


def heir_of(kind: Any) -> Any:
    """Make an undecorated subclass with a cached property."""
    size: Any = cached_property(lambda _: 1)
    body = {"__module__": __name__, "size": size}
    return types.new_class(
        f"Heir{kind.__name__}", (kind,), {}, lambda names: names.update(body)
    )


@st.composite
def instances(draw: st.DrawFn, kind: Any, some: list[Part], aliases: dict[str, str]) -> Sample:
    """Make an instance, and the instance that must be read back."""
    found = {one.name: draw(_value_of(one)) for one in some}
    try:
        given = kind(**{aliases[x.name]: found[x.name].given for x in some if x.taken})
        back = kind(**{aliases[x.name]: found[x.name].back for x in some if x.taken})
    except (ArithmeticError, AttributeError, TypeError, ValueError):  # from a converter
        return Sample(None, None, HERE)
    paths = [path for one in some for path in one.step(found[one.name])]
    for one in some:
        if not one.taken:
            object.__setattr__(given, one.name, found[one.name].given)
            if one.compared:
                object.__setattr__(back, one.name, found[one.name].given)
    if any(one.converter for one in some):
        paths.append("")
    if hasattr(given, "__dict__"):
        paths += draw(_by_hand(given, back))
    return Sample(given, back, tuple(paths))


def _value_of(one: Part) -> Samples:
    if one.taken:
        return one.case.values
    default = st.just(Sample(one.default, one.default))
    return st.one_of(default, default, one.case.values)


@st.composite
def _by_hand(draw: st.DrawFn, given: Any, back: Any) -> list[str]:
    """Read the cached property of an instance, add an attribute, or do nothing."""
    done = draw(st.sampled_from(["nothing", "nothing", "nothing", "computed", "added"]))
    if done == "computed" and hasattr(type(given), "size"):
        assert given.size
    if done == "added":
        object.__setattr__(given, "by_hand", 1)
        object.__setattr__(back, "by_hand", 1)
        return [""]
    return []


@st.composite
def tagged_union(draw: st.DrawFn, cases: Cases) -> Case:
    """Make a union of classes with different items, which a `Literal` distinguishes."""
    tags: list[Any] = draw(
        st.sampled_from([["x", "y"], [1, "1"], [Level.LOW, Word.YES], [True, 1], ["x", None]])
    )
    members = [draw(_tagged(tag, cases)) for tag in tags]
    return joined_of(members, is_sure=False)


@st.composite
def _tagged(draw: st.DrawFn, tag: Any, cases: Cases) -> Case:
    inner = draw(cases)
    item = type(None) if inner.annotation is None else inner.annotation
    fields: list[tuple[str, Any]] = [("kind", Literal[tag]), ("item", item)]
    if draw(st.booleans()):
        kind: Any = dataclasses.make_dataclass("DataTag", fields)
    else:
        kind = attrs.make_class("Tag", {name: attrs.field(type=one) for name, one in fields})
    values = inner.values.map(
        lambda one: Sample(kind(tag, one.given), kind(tag, one.back), one.below(".item"))
    )
    return Case(kind, values, f"Tag[{tag!r}, {inner.called}]", kinds("object"), inner.is_sure)


@attrs.define
class Leaf:
    size: int


@attrs.define
class Branch:
    """It contains itself, directly and through another class."""

    children: "list[Leaf | Branch]"
    chain: "Chain | None" = None


@dataclasses.dataclass(frozen=True)
class Chain:
    next: "Chain | Branch | None" = None
    number: "int" = 0


@dataclasses.dataclass
class Derived:
    size: int
    twice: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.twice = 2 * self.size
        self.thrice = 3 * self.size


@attrs.frozen
class Split:
    """Its converter does not accept its own results."""

    a: list[str] = attrs.field(converter=split)


@attrs.frozen
class Noted:
    """Its note is not compared, and grows with each instance that is made."""

    size: int
    note: str = attrs.field(converter=grown, eq=False)


@attrs.frozen(slots=False, cache_hash=True)
class Hashed:
    size: int


def _derived(size: int, twice: int) -> Sample:
    made = Derived(size)
    made.twice = twice
    return Sample(made, made, () if twice == 2 * size else (".twice",))


sizes = st.integers(-3, 3)
leaves = sizes.map(Leaf)
branches: st.SearchStrategy[Any] = st.recursive(
    st.builds(Branch, st.just([])),
    lambda inner: st.builds(
        Branch,
        st.lists(leaves | inner, max_size=2),
        st.none() | st.builds(Chain, st.none() | inner, sizes),
    ),
    max_leaves=4,
)


texts = st.sampled_from(["", "a", "a,b"])


def fixed_case(kind: Any, values: Samples, *, is_sure: bool = True) -> Case:
    return Case(kind, values, kind.__name__, kinds("object"), is_sure)


FIXED: list[Case] = [
    fixed_case(Branch, fits(branches)),
    fixed_case(
        Derived, st.builds(_derived, sizes, sizes) | sizes.map(lambda n: _derived(n, 2 * n))
    ),
    fixed_case(Hashed, fits(sizes.map(Hashed))),
    fixed_case(Noted, misfits(st.builds(Noted, sizes, texts)), is_sure=False),
    fixed_case(Split, misfits(texts.map(Split)), is_sure=False),
]
