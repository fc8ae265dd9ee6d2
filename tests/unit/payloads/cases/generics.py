"""Generic classes, and subclasses that use one type variable for something else."""

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypedDict

import attrs
from hypothesis import strategies as st

from tests.unit.payloads.cases.containers import Cases, dict_of, list_of, optional, row_of
from tests.unit.payloads.cases.samples import (
    Case,
    Sample,
    Samples,
    all_misfits,
    evenly,
    kinds,
    mostly,
    of,
)
from tests.unit.payloads.cases.tuples_and_dicts import T, new_class, typed_values

GENERIC = of(Generic, T)
Form = tuple[Any, Callable[[Case], Case]]
"""An annotation with `T` in it, and the case that it becomes with a case for `T`."""


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
    """Make `Heir[other]`, where `class Heir(Base[one], Generic[T])` has a `T` of its own."""
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
    """Make instances of the fields; none that fits but for a part is wrong."""
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
