"""Nested classes in a module with postponed annotations."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Any, NamedTuple, NotRequired, Required

import attrs
import pytest
import typing_extensions

from tests.unit.core.payloads.helpers import problems_with, through


@attrs.frozen
class Order:
    @attrs.frozen
    class Line:
        size: int
        order: Order | None = None

    lines: list[Line]
    first: Order.Line | None = None


@dataclasses.dataclass(slots=True)
class Parcel:
    @dataclasses.dataclass
    class Date:
        day: int

    @dataclasses.dataclass
    class Line:
        weight: float

    Dates = list[Date]

    lines: list[Line]
    dates: Dates
    date: date | None = None
    str: str = ""


@attrs.frozen
class Heir(Order):
    note: str = ""


class Row(NamedTuple):
    size: int
    order: Order


class Options(typing_extensions.TypedDict, total=False):
    name: Required[str]
    size: int


class MoreOptions(Options):
    order: NotRequired[Order]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Order, Order([Order.Line(1, Order([]))], Order.Line(2))),
        (Heir, Heir([Order.Line(1)], None, "a")),
        (Parcel, Parcel([Parcel.Line(1.5)], [Parcel.Date(1)], date(2026, 1, 1), "a")),
        (Row, Row(1, Order([]))),
        (Options, {"name": "a", "size": 1}),
        (Options, {"name": "a"}),
        (MoreOptions, {"name": "a", "order": Order([Order.Line(1)])}),
        (Options | None, None),
    ],
)
def test_values_of_nested_classes_are_read_back_equal(annotation: Any, value: Any) -> None:
    assert through(annotation, value) == value


def test_keys_of_a_typed_dict_of_typing_extensions_are_checked() -> None:
    assert problems_with(Options, {"size": "a", "more": 1}) == [
        "it: missing field 'name'",
        "it.size: expected int, found str",
        "it: unexpected field 'more'",
    ]
