"""NamedTuples, TypedDicts, generic classes and aliases, which may contain themselves."""

import dataclasses
import sys
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, NotRequired, Required, TypedDict, TypeVar, cast

import attrs
from hypothesis import strategies as st
from typing_extensions import ReadOnly, TypeAliasType

from tests.unit.core.payloads.cases.containers import Cases, dict_of, list_of, optional, row_of
from tests.unit.core.payloads.cases.samples import (
    HERE,
    Case,
    Sample,
    Samples,
    all_misfits,
    evenly,
    fits,
    integers,
    kinds,
    mostly,
    of,
    text,
    words,
)
from tests.unit.core.payloads.helpers import module_of

T = TypeVar("T")


def new_class(
    name: str, bases: tuple[Any, ...], annotations: dict[str, Any], **body: Any
) -> Any:
    """Make a class with annotated fields, as a class statement does."""
    names = {"__module__": __name__, "__annotations__": annotations, **body}
    return types.new_class(name, bases, {}, lambda found: found.update(names))


@st.composite
def named_tuple(draw: st.DrawFn, cases: Cases) -> Case:
    inner = draw(st.lists(cases, min_size=1, max_size=3))
    names = ["left", "right", "index"][: len(inner)]
    annotations = {name: one.annotation for name, one in zip(names, inner, strict=True)}
    default = draw(inner[-1].values)
    has_default = not default.misfits and draw(st.booleans())
    defaults = {names[-1]: default.back} if has_default else {}
    kind = new_class("Row", (NamedTuple,), annotations, **defaults)
    if draw(st.sampled_from([False, False, True])):
        kind = types.new_class("HeirRow", (kind,), {}, lambda body: body.update(__slots__=()))
    rows = st.tuples(*(one.values for one in inner)).map(lambda some: _row(kind, names, some))
    values = mostly(rows, rows.map(lambda one: Sample(tuple(one.given), one.back, HERE)))
    called = f"Row({', '.join(one.called for one in inner)})"
    return Case(kind, values, called, kinds("object"), all(one.is_sure for one in inner))


def _row(kind: Any, names: list[str], some: tuple[Sample, ...]) -> Sample:
    return Sample(
        kind(*(one.given for one in some)),
        kind(*(one.back for one in some)),
        all_misfits((f".{name}", one) for name, one in zip(names, some, strict=True)),
    )


@st.composite
def typed_dict(draw: st.DrawFn, cases: Cases) -> Case:
    inner = draw(st.lists(cases, min_size=1, max_size=3))
    names = ["a", "class", "not a name"][: len(inner)]
    is_total, make = draw(st.booleans()), cast("Any", TypedDict)
    marks = [draw(st.sampled_from([None, Required, NotRequired, ReadOnly])) for _ in inner]
    kind = make(
        "Options",
        {
            name: one.annotation if mark is None else mark[one.annotation]
            for name, one, mark in zip(names, inner, marks, strict=True)
        },
        total=is_total,
    )
    must = [
        name
        for name, mark in zip(names, marks, strict=True)
        if mark is Required or (is_total and mark is not NotRequired)
    ]
    values = typed_values(dict(zip(names, inner, strict=True)), must)
    called = f"Options({', '.join(one.called for one in inner)})"
    return Case(kind, values, called, kinds("object"), all(one.is_sure for one in inner))


def typed_values(inner: dict[str, Case], must: list[str]) -> Samples:
    """Make TypedDicts in any order of keys; they are read back in the order of the class."""
    given = st.fixed_dictionaries(
        {name: inner[name].values for name in must},
        optional={name: one.values for name, one in inner.items() if name not in must},
    )
    good = given.flatmap(lambda found: st.permutations(list(found.items()))).map(
        lambda pairs: _options(dict(pairs), list(inner))
    )
    more = good.map(lambda one: Sample({**one.given, "more": 1}, {**one.back, "more": 1}, HERE))
    other = good.map(lambda one: Sample(OrderedDict(one.given), OrderedDict(one.back), HERE))
    return mostly(good, more, other)


def _options(found: dict[str, Sample], names: list[str]) -> Sample:
    return Sample(
        {name: one.given for name, one in found.items()},
        {name: found[name].back for name in names if name in found},
        all_misfits((f".{name}", one) for name, one in found.items()),
    )


GENERIC = of(Generic, T)
Form = tuple[Any, Callable[[Case], Case]]
"""An annotation with `T` in it, and a function from the case of `T` to its case."""


def as_it_is(case: Case) -> Case:
    return case


FORMS: list[Form] = [
    (T, as_it_is),
    (T, as_it_is),
    ("T", as_it_is),
    (list[T], list_of),  # type: ignore[valid-type]  # a value here
    (tuple[T, ...], row_of),  # type: ignore[valid-type]  # a value here
    ("dict[str, T]", dict_of),
    ("T | None", optional),
]
forms = st.sampled_from(FORMS)
WRAPPERS: list[Callable[[Any], Any]] = [
    attrs.define,
    attrs.frozen,
    attrs.define(slots=False),
    dataclasses.dataclass,
    dataclasses.dataclass(frozen=True),
    dataclasses.dataclass(kw_only=True),
]


@st.composite
def generic_heir(draw: st.DrawFn, cases: Cases) -> Case:
    """Make `Heir[other]` of `class Heir(Base[one], Generic[T])`, whose base has its own `T`."""
    one, other = draw(cases), draw(cases)
    (base_form, base_case), (form, heir_case) = draw(forms), draw(forms)
    wrap = draw(st.sampled_from(WRAPPERS))
    base = wrap(new_class("Base", (GENERIC,), {"key": base_form}))
    heir = wrap(new_class("Heir", (of(base, one.annotation), GENERIC), {"value": form}))
    annotation = of(heir, other.annotation)
    if draw(st.booleans()):
        annotation = wrap(new_class("Closed", (annotation,), {}))
    kind = annotation if isinstance(annotation, type) else heir
    inner = {"key": base_case(one), "value": heir_case(other)}
    return _case(annotation, inner, lambda found: kind(**found))


@st.composite
def generic_row(draw: st.DrawFn, cases: Cases) -> Case:
    inner = draw(cases)
    form, case = draw(forms)
    kind = new_class("Pair", (NamedTuple, GENERIC), {"left": form, "right": T})
    annotation = of(kind, inner.annotation)
    if draw(st.booleans()):
        annotation = kind = new_class("IntPair", (annotation,), {}, __slots__=())
    return _case(annotation, {"left": case(inner), "right": inner}, lambda found: kind(**found))


@st.composite
def generic_dict(draw: st.DrawFn, cases: Cases) -> Case:
    one, other = draw(cases), draw(cases)
    (base_form, base_case), (form, heir_case) = draw(forms), draw(forms)
    base = new_class("Base", (TypedDict, GENERIC), {"key": base_form})
    heir = new_class("Heir", (of(base, one.annotation), GENERIC), {"value": form})
    inner = {"key": base_case(one), "value": heir_case(other)}
    values = typed_values(inner, list(inner))
    annotation = of(heir, other.annotation)
    return Case(annotation, values, _called(inner), kinds("object"), _is_sure(inner))


def _case(annotation: Any, inner: dict[str, Case], make: Callable[[Any], Any]) -> Case:
    values = instances_of(inner, make)
    return Case(annotation, values, _called(inner), kinds("object"), _is_sure(inner))


def instances_of(inner: dict[str, Case], make: Callable[[Any], Any]) -> Samples:
    """Make samples of instances from samples of their fields."""
    found = st.fixed_dictionaries({name: one.values for name, one in inner.items()})
    values = found.map(
        lambda some: Sample(
            make({name: one.given for name, one in some.items()}),
            make({name: one.back for name, one in some.items()}),
            all_misfits((f".{name}", one) for name, one in some.items()),
        )
    )
    return mostly(values, values)


def _called(inner: dict[str, Case]) -> str:
    return f"Generic({', '.join(one.called for one in inner.values())})"


def _is_sure(inner: dict[str, Case]) -> bool:
    return all(one.is_sure for one in inner.values())


def generics(cases: Cases) -> Cases:
    return evenly(
        generic_heir(cases), generic_heir(cases), generic_row(cases), generic_dict(cases)
    )


alias: Any = TypeAliasType
Tree: Any = alias("Tree", "dict[str, Tree | None]")
Nested: Any = alias("Nested", "list[Nested] | int")
Json: Any = alias("Json", "dict[str, Json] | list[Json] | str | int | float | bool | None")
First: Any = alias("First", "list[Second]")
Second: Any = alias("Second", "dict[str, First] | int")
Links: Any = alias("Links", "tuple[T, Links[T] | None]", type_params=(T,))

STATEMENTS = """
import attrs
from typing import NamedTuple

type Tree = dict[str, Tree | None]
type Nested = list[Nested] | int
type Json = dict[str, Json] | list[Json] | str | int | float | bool | None
type First = list[Second]
type Second = dict[str, First] | int
type Links[T] = tuple[T, Links[T] | None]

@attrs.frozen
class Keyed[T]:
    key: T

@attrs.frozen
class Tagged[T](Keyed[str]):
    value: T
    quoted: "T | None"

class Pair[T](NamedTuple):
    key: str
    value: T
    quoted: "T | None"
"""


def with_statements() -> list[Any]:
    """Return this module, and on Python 3.12 or newer also one made of the statements."""
    if sys.version_info < (3, 12):
        return [sys.modules[__name__]]
    return [sys.modules[__name__], module_of("payload_statements", STATEMENTS)]


MODULES = with_statements()

trees: Samples = st.recursive(
    st.just({}), lambda inner: st.dictionaries(words, inner | st.none(), max_size=3)
).map(lambda one: Sample(one, one))
nested: st.SearchStrategy[Any] = st.recursive(
    integers, lambda inner: st.lists(inner, max_size=3)
)
json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | integers
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
firsts: st.SearchStrategy[Any] = st.recursive(
    st.just([]),
    lambda inner: st.lists(
        st.integers() | st.dictionaries(words, inner, max_size=2), max_size=2
    ),
    max_leaves=4,
)


def recursive_aliases(names: Any) -> list[Case]:
    return [
        Case(names.Tree, trees, "Tree", kinds("object")),
        Case(
            names.Tree | None, trees | fits(st.none()), "Tree | None", kinds("object", "null")
        ),
        Case(names.Nested, fits(nested), "Nested", kinds("array", "int")),
        Case(
            names.Json,
            fits(json),
            "Json",
            kinds("object", "array", "string", "int", "float", "bool", "null"),
        ),
        Case(names.First, fits(firsts), "First", kinds("array")),
    ]


ALIASES: list[Case] = [case for module in MODULES for case in recursive_aliases(module)]


@st.composite
def links(draw: st.DrawFn, cases: Cases) -> Case:
    """Make a generic alias that contains itself."""
    inner = draw(cases)
    annotation = of(draw(st.sampled_from(MODULES)).Links, inner.annotation)
    values = st.lists(inner.values, min_size=1, max_size=3).map(_linked)
    return Case(annotation, values, f"Links[{inner.called}]", kinds("array"), inner.is_sure)


def _linked(samples: list[Sample]) -> Sample:
    found: Sample = Sample(None, None)
    for one in reversed(samples):
        found = Sample(
            (one.given, found.given),
            (one.back, found.back),
            all_misfits([("[0]", one), ("[1]", found)]),
        )
    return found


@st.composite
def new_generics(draw: st.DrawFn, cases: Cases) -> Case:
    """Make a generic class in the syntax of Python 3.12."""
    inner = draw(cases)
    name = draw(st.sampled_from(["Tagged", "Pair"]))
    kind = getattr(MODULES[-1], name)
    key = Case(str, fits(text), "str", kinds("string"))
    values = instances_of({"key": key, "value": inner, "quoted": inner}, lambda x: kind(**x))
    annotation = of(kind, inner.annotation)
    return Case(annotation, values, f"{name}[{inner.called}]", kinds("object"), inner.is_sure)


def aliases(cases: Cases) -> Cases:
    return links(cases) | new_generics(cases) if len(MODULES) > 1 else links(cases)
