# ruff: noqa: E501 - a table reads by its rows
"""Unions of classes: an object belongs to the class that its fields or a `Literal` name."""

import dataclasses
import enum
from typing import Any, Generic, Literal, TypeVar

import attrs
import pytest

from bgjobs.errors import PayloadError
from bgjobs.workers import Worker, worker

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"

    def __hash__(self) -> int:
        raise RuntimeError("a secret")


@attrs.frozen
class One:
    a: int


@attrs.frozen
class Two:
    a: int
    b: int


@attrs.frozen
class Three:
    a: int
    b: int
    c: int
    note: str = ""


@dataclasses.dataclass
class Optional:
    """It has no required field, so it takes the objects of no other class."""

    lines: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Card:
    number: int
    kind: Literal["card", "debit"] = "card"


@dataclasses.dataclass
class Cash:
    kind: Literal["cash", None] = "cash"  # noqa: PYI061 - one Literal of both


@attrs.frozen
class Box(Generic[T]):
    item: T
    kind: Literal[1] = 1


@attrs.frozen
class Crate(Generic[T]):
    item: T
    kind: Literal["1", 2] = 2


@attrs.frozen
class Left:
    side: Literal["left", "none"]
    left: int


@attrs.frozen
class Right:
    side: Literal["right", "none"]
    right: int


@attrs.define
class Counted:
    """It counts the instances that were made."""

    made = 0
    a: int

    def __attrs_post_init__(self) -> None:
        Counted.made += 1


@attrs.frozen
class Painted:
    counts: dict[Colour, int]
    counted: Counted


def worker_of(annotation: Any) -> Worker[[Any], None]:
    def handler(it: Any) -> None: ...

    handler.__annotations__ = {"it": annotation}
    return worker(name="w")(handler)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (One | Two | Three, One(1)),
        (One | Two | Three, Two(1, 2)),
        (Three | One | Two, Three(1, 2, 3)),
        (Optional | Two | None, Optional(["x"])),
        (Optional | Two | None, Two(1, 2)),
        (Card | Cash, Card(5, "debit")),
        (Card | Cash, Cash(None)),
        (list[Card | Cash], [Card(5), Cash()]),
        (Box[int] | Crate[int], Box(5)),
        (Box[int] | Crate[str], Crate("5", "1")),
        (Left | Right, Left("none", 1)),
        (Left | Right, Right("none", 1)),
    ],
)
def test_a_value_comes_back_as_its_class(annotation: Any, value: Any) -> None:
    one = worker_of(annotation)
    assert one.decode(one.request(value).payload) == ((), {"it": value})


OTHER = "it: expected Card or Cash, found an object of other fields"


@pytest.mark.parametrize(
    ("annotation", "json", "problem"),
    [
        (Card | Cash, "{}", OTHER),
        (Card | Cash, '{"number":5}', OTHER),
        (Card | Cash, '{"kind":"coin"}', OTHER),
        (Card | Cash, '{"kind":{}}', OTHER),
        (Card | Cash, '{"kind":"card"}', "it: missing field 'number'"),
        (Card | Cash, '{"kind":"cash","number":5}', "it: found 1 unexpected field, expected only 'kind'"),
        (Box[int] | Crate[int], '{"kind":1,"item":"a"}', "it.item: expected int, found str"),
        (Box[int] | Crate[int], '{"kind":true,"item":1}', "it.kind: expected one of 1, found bool"),
        (One | Two, '{"b":1}', "it: missing field 'a'"),
        (Left | Right, '{"side":"none"}', "it: expected Left or Right, found an object of other fields"),
        (Optional | Two, '{"a":1}', "it: missing field 'b'"),
    ],
)  # fmt: skip
def test_an_object_of_no_class_is_refused(annotation: Any, json: str, problem: str) -> None:
    with pytest.raises(PayloadError) as caught:
        worker_of(annotation).decode(f'{{"it":{json}}}')
    assert list(caught.value.problems) == [problem]


def test_all_fields_are_read_and_each_once() -> None:
    Counted.made = 0
    with pytest.raises(PayloadError) as caught:
        worker_of(list[Painted]).decode(
            '{"it":[{"counts":{"red":1},"counted":{"a":1},"more":1}]}'
        )
    assert list(caught.value.problems) == [
        "it[0].counts: expected a readable value, reading it raised RuntimeError",
        "it[0]: found 1 unexpected field, expected only 'counts', 'counted'",
    ]
    assert Counted.made == 2  # the second time, all that does not fit is named
