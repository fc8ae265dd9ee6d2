"""NamedTuple and TypedDict: classes whose instances are of another type."""

import types
from collections import OrderedDict
from typing import Any, NamedTuple, NotRequired, Required, TypedDict, TypeVar, cast

from hypothesis import strategies as st
from typing_extensions import ReadOnly

from tests.unit.payloads.cases.containers import Cases
from tests.unit.payloads.cases.samples import (
    HERE,
    Case,
    Sample,
    Samples,
    all_misfits,
    kinds,
    mostly,
)

T = TypeVar("T")


def new_class(
    name: str, bases: tuple[Any, ...], annotations: dict[str, Any], **body: Any
) -> Any:
    """Write a class as its author would, with its fields annotated."""
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
    """Fill a TypedDict in any order; what comes back has the order of the class."""
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
