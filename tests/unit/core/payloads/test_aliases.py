# ruff: noqa: E501 - a table reads by its rows
# ruff: noqa: UP045, PYI061 - the old spellings of None
"""Aliases, which may contain themselves, and unions of classes."""

import dataclasses
import enum
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Annotated, Any, Generic, Literal, Optional

import attrs
import pytest
from typing_extensions import TypeAliasType, TypeVar

from bgjobs._core.workers import worker
from bgjobs.errors import WorkerDefinitionError
from tests.unit.core.payloads.helpers import (
    module_of,
    problems_of,
    problems_with,
    refusal_of,
    through,
    worker_of,
)

T = TypeVar("T")


@attrs.frozen
class Leaf:
    size: int


@attrs.frozen
class Branch:
    children: "list[Node]"


# Any: type checkers refuse some of these aliases.
alias: Any = TypeAliasType
Tree: Any = alias("Tree", "dict[str, Tree | None]")
Node: Any = alias("Node", "Leaf | Branch")
Json: Any = alias("Json", "dict[str, Json] | list[Json] | str | int | float | bool | None")
Chain: Any = alias("Chain", "tuple[T, Chain[T] | None]", type_params=(T,))
First: Any = alias("First", "list[Second]")
Second: Any = alias("Second", "dict[str, First] | int")
Self_: Any = alias("Self_", "Self_ | int")
Ping: Any = alias("Ping", "Pong")
Pong: Any = alias("Pong", "Ping")
Lost: Any = alias("Lost", "list[Nowhere]")
Twice: Any = alias("Twice", "list[Twice] | tuple[Twice, ...] | None")
Growing: Any = alias("Growing", "list[Growing[list[T]]]", type_params=(T,))
OldTree = dict[str, "OldTree | None"]

STATEMENTS = """
import attrs

type Tree = dict[str, Tree | None]
type Node = Leaf | Branch
type Json = dict[str, Json] | list[Json] | str | int | float | bool | None
type Chain[T] = tuple[T, Chain[T] | None]
type First = list[Second]
type Second = dict[str, First] | int
type Self_ = Self_ | int
type Ping = Pong
type Pong = Ping
type Lost = list[Nowhere]
type Twice = list[Twice] | tuple[Twice, ...] | None
type Growing[T] = list[Growing[list[T]]]

@attrs.frozen
class Leaf:
    size: int

@attrs.frozen
class Branch:
    children: list[Node]

@attrs.frozen
class Keyed[T]:
    key: T

@attrs.frozen
class Tagged[T](Keyed[str]):
    value: T
    quoted: "T | None" = None
"""

HERE = sys.modules[__name__]


def with_statements() -> list[ModuleType]:
    """Return this module, and on Python 3.12 or newer also one made of the statements."""
    if sys.version_info < (3, 12):
        return [HERE]
    return [HERE, module_of("statements", STATEMENTS)]


@pytest.fixture(params=with_statements(), ids=lambda module: module.__name__)
def names(request: pytest.FixtureRequest) -> Any:
    return request.param


def come_back(annotation: Any, *values: Any) -> None:
    assert [through(annotation, value) for value in values] == [*values]


def problem_of(annotation: Any, value: Any) -> str:
    [problem] = problems_with(annotation, value)
    return problem


def test_an_alias_may_contain_itself(names: Any) -> None:
    come_back(names.Tree, {}, {"a": None, "b": {"c": {"d": None}}})
    come_back(names.Json, None, True, 1, 1.5, "a", [1, [2.0, {"a": [None]}]], {"a": {"b": []}})
    come_back(names.Tree | None, None, {"a": {"b": None}})
    come_back(dict[str, names.Tree], {"x": {"a": None}})
    assert problem_of(names.Tree, {"a": {"b": 1}}) == (
        "it['a']['b']: expected Tree or None, found int"
    )


def test_aliases_may_contain_each_other(names: Any) -> None:
    come_back(names.First, [1, {"a": [2, {"b": []}]}])
    come_back(names.Second, 1, {"a": [{"b": [3]}]})
    come_back(names.Second | None, None, {"a": []})


def test_an_alias_of_classes_that_contain_it(names: Any) -> None:
    tree = names.Branch([names.Leaf(1), names.Branch([names.Leaf(2)])])
    come_back(names.Node, names.Leaf(1), tree)
    come_back(names.Node | None, None, tree)
    assert problem_of(names.Branch, names.Branch([names.Leaf("a")])) == (
        "it.children[0].size: expected int, found str"
    )


def test_a_generic_alias_may_contain_itself(names: Any) -> None:
    come_back(names.Chain[int], (1, None), (1, (2, (3, None))))
    come_back(names.Chain[str], ("a", ("b", None)))
    assert problem_of(names.Chain[int], (1, ("b", None))) == "it[1][0]: expected int, found str"


def test_endless_aliases_are_refused_at_declaration(names: Any) -> None:
    endless = "it contains itself outside any list or dict"
    assert refusal_of(names.Self_) == f"parameter 'it': Self_ cannot be stored: {endless}"
    assert refusal_of(names.Ping) == f"parameter 'it': Ping cannot be stored: {endless}"
    assert refusal_of(list[names.Ping]) == (
        f"parameter 'it', at it[]: Ping cannot be stored: {endless}"
    )
    assert refusal_of(names.Growing[int]) == "its annotations contain themselves without end"


def test_aliases_that_cannot_be_stored_are_refused_at_declaration(names: Any) -> None:
    assert refusal_of(names.Lost).startswith("parameter 'it': Lost cannot be stored: its ")
    assert "name 'Nowhere' is not defined" in refusal_of(names.Lost)
    assert refusal_of(names.Twice) == (
        "parameter 'it': expected union members that differ in JSON, found two that are both "
        "written as array"
    )


def test_an_assigned_alias_cannot_contain_itself() -> None:
    """Python has no object for the inner name."""

    def handler(it: OldTree) -> None: ...

    with pytest.raises(WorkerDefinitionError) as caught:
        worker(handler)
    assert str(caught.value) == (
        "worker 'handler': parameter 'it', at it[][]: expected a type that can be stored as JSON, "
        "found an unresolved name 'OldTree | None'"
    )


def test_fields_of_new_generic_classes_have_the_types_of_the_defining_class() -> None:
    for module in with_statements()[1:]:
        names: Any = module
        come_back(names.Tagged[int], names.Tagged("k", 1), names.Tagged("k", 1, 2))
        assert problem_of(names.Tagged[int], names.Tagged(1, 1)) == (
            "it.key: expected str, found int"
        )
        assert problem_of(names.Tagged[int], names.Tagged("k", 1, "q")) == (
            "it.quoted: expected int or None, found str"
        )
    come_back(Mapping[str, int], {"a": 1})


OptionalInt: Any = alias("OptionalInt", Optional[int])
Nothing: Any = alias("Nothing", None)
Named: Any = alias("Named", "OptionalInt | str")
Same: Any = alias("Same", "OptionalInt")
Words: Any = alias("Words", Literal["a", None])
Letters: Any = alias("Letters", Literal["b", "c"])


@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (Optional[OptionalInt], [1, None]),
        (Optional[Same], [1, None]),
        (Named | None, [1, "a", None]),
        (Nothing | OptionalInt, [1, None]),
        (dict[str, Json | None], [{"a": None, "b": [1, {"c": None}]}]),
        (Json | OptionalInt, [1, None, [None]]),
        (Optional[Literal["a", None]], ["a", None]),
        (Literal["a", None] | int | None, ["a", 1, None]),
        (Optional[Words], ["a", None]),
        (Words | Letters | None, ["a", "b", None]),
        (Words | OptionalInt, ["a", 1, None]),
        (Optional[Annotated[Optional[int], "unit"]], [1, None]),
        (Optional[Literal[None]], [None]),
        (Node | Leaf, [Leaf(1), Branch([])]),
    ],
)  # fmt: skip
def test_a_union_includes_the_members_of_aliased_unions(
    annotation: Any, values: list[Any]
) -> None:
    come_back(annotation, *values)


def test_endless_aliases_are_refused_inside_a_union() -> None:
    endless = "it contains itself outside any list or dict"
    assert refusal_of(Ping | None) == f"parameter 'it': Ping cannot be stored: {endless}"
    assert refusal_of(Self_ | None) == f"parameter 'it': Self_ cannot be stored: {endless}"
    assert "name 'Nowhere' is not defined" in refusal_of(Lost | None)


U = TypeVar("U")


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
class Lines:
    """It has no required field, so it is chosen if no other class fits."""

    lines: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Card:
    number: int
    kind: Literal["card", "debit"] = "card"


@dataclasses.dataclass
class Cash:
    kind: Literal["cash", None] = "cash"


@attrs.frozen
class Box(Generic[U]):
    item: U
    kind: Literal[1] = 1


@attrs.frozen
class Crate(Generic[U]):
    item: U
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


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (One | Two | Three, One(1)),
        (One | Two | Three, Two(1, 2)),
        (Three | One | Two, Three(1, 2, 3)),
        (Lines | Two | None, Lines(["x"])),
        (Lines | Two | None, Two(1, 2)),
        (Card | Cash, Card(5, "debit")),
        (Card | Cash, Cash(None)),
        (list[Card | Cash], [Card(5), Cash()]),
        (Box[int] | Crate[int], Box(5)),
        (Box[int] | Crate[str], Crate("5", "1")),
        (Left | Right, Left("none", 1)),
        (Left | Right, Right("none", 1)),
    ],
)
def test_a_value_is_read_back_as_its_class(annotation: Any, value: Any) -> None:
    assert through(annotation, value) == value


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
        (Lines | Two, '{"a":1}', "it: missing field 'b'"),
    ],
)  # fmt: skip
def test_an_object_of_no_member_is_refused(annotation: Any, json: str, problem: str) -> None:
    assert problems_of(worker_of(annotation).decode, f'{{"it":{json}}}') == [problem]


def test_all_problems_of_an_object_are_found() -> None:
    Counted.made = 0
    row = '{"it":[{"counts":{"red":1},"counted":{"a":1},"more":1}]}'
    assert problems_of(worker_of(list[Painted]).decode, row) == [
        "it[0].counts: expected a readable value, reading it raised RuntimeError",
        "it[0]: found 1 unexpected field, expected only 'counts', 'counted'",
    ]
    assert Counted.made == 2  # the codec decodes again to find all problems
