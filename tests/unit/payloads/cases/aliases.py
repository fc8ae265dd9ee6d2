"""Named types that contain themselves, and what newer Pythons have a syntax for."""

import sys
from types import ModuleType
from typing import Any

from hypothesis import strategies as st
from typing_extensions import TypeAliasType, TypeVar

from tests.unit.payloads.cases.containers import Cases
from tests.unit.payloads.cases.generics import instances_of
from tests.unit.payloads.cases.samples import (
    Case,
    Sample,
    Samples,
    all_misfits,
    fits,
    kinds,
    of,
)
from tests.unit.payloads.cases.scalars import integers, text, words

T = TypeVar("T")
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
    """Return this module, and one of the statements where Python knows them."""
    if sys.version_info < (3, 12):
        return [sys.modules[__name__]]
    module = ModuleType("payload_statements")
    sys.modules[module.__name__] = module
    exec(STATEMENTS, module.__dict__)
    return [sys.modules[__name__], module]


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
    """Return the argument of a generic alias that contains itself with it."""
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
    """Return the argument of a class in the syntax of newer Pythons."""
    inner = draw(cases)
    name = draw(st.sampled_from(["Tagged", "Pair"]))
    kind = getattr(MODULES[-1], name)
    key = Case(str, fits(text), "str", kinds("string"))
    values = instances_of({"key": key, "value": inner, "quoted": inner}, lambda x: kind(**x))
    annotation = of(kind, inner.annotation)
    return Case(annotation, values, f"{name}[{inner.called}]", kinds("object"), inner.is_sure)


def aliases(cases: Cases) -> Cases:
    return links(cases) | new_generics(cases) if len(MODULES) > 1 else links(cases)
