"""Attributes of an instance that are not fields are refused or read back, never lost."""

import dataclasses
from collections import deque
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import attrs
import pytest

from tests.unit.core.payloads.helpers import (
    CHANGED,
    problems_with,
    refusal_of,
    through,
    worker_of,
)

T = TypeVar("T")


@dataclasses.dataclass
class Base:
    x: int


@attrs.define
class Slotted:
    x: int


class Row(NamedTuple):
    x: int


class OwnInit(Base):
    def __init__(self, x: int, y: int = 0) -> None:
        super().__init__(x)
        self.y = y


class Annotated(Base):
    y: int = 3


class AnnotatedRow(Row):
    y: int = 3


class MoreSlots(Slotted):
    __slots__ = ("y",)


@dataclasses.dataclass
class Bag(list[int]):
    x: int = 0


@dataclasses.dataclass
class Table(dict[str, int]):
    x: int = 0


@dataclasses.dataclass(eq=False)
class Group(set[int]):
    x: int = 0


@dataclasses.dataclass
class Line(deque[int]):
    x: int = 0


@attrs.define
class Failure(Exception):  # noqa: N818 - no error of the tests
    x: int


@dataclasses.dataclass
class Seeded:
    size: int
    seed: dataclasses.InitVar[int] = 3


@dataclasses.dataclass(frozen=True)
class Text(str):
    __slots__ = ("x",)
    x: int


@dataclasses.dataclass(frozen=True)
class Number(int):
    x: int = 0


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (OwnInit, "its constructor accepts 'y', which is not a field"),
        (Seeded, "its constructor accepts 'seed', which is not a field"),
        (Annotated, "Annotated adds 'y', which is not a field; decorate Annotated too"),
        (
            AnnotatedRow,
            "AnnotatedRow adds 'y', which is not a field; decorate AnnotatedRow too",
        ),
        (MoreSlots, "MoreSlots adds 'y', which is not a field; decorate MoreSlots too"),
        (Bag, "it extends list, whose contents are not in a field"),
        (Table, "it extends dict, whose contents are not in a field"),
        (Group, "it extends set, whose contents are not in a field"),
        (Line, "it extends deque, whose contents are not in a field"),
        (Text, "it extends str, whose contents are not in a field"),
        (Number, "it extends int, whose contents are not in a field"),
        (Failure, "it extends Exception, whose contents are not in a field"),
    ],
)
def test_a_class_with_state_outside_its_fields_is_refused_at_declaration(
    kind: type, problem: str
) -> None:
    name = f"{__name__}.{kind.__name__}"
    assert refusal_of(kind) == f"parameter 'it': {name} cannot be stored: {problem}"


class Heir(Base):
    kind: ClassVar[str] = "heir"
    quoted: "ClassVar[int]" = 1
    x: int

    @cached_property
    def twice(self) -> int:
        return 2 * self.x


class RowHeir(Row): ...


class SlottedHeir(Slotted):
    """It has a `__dict__` without any field."""


@attrs.define(slots=False)
class Loose:
    x: int


@attrs.frozen(slots=False, cache_hash=True)
class Hashed:
    x: int


@dataclasses.dataclass
class Derived:
    x: int
    seen: int = dataclasses.field(default=0, init=False, compare=False)

    def __post_init__(self) -> None:
        self.twice = 2 * self.x


@dataclasses.dataclass
class Box(Generic[T]):
    item: T


def with_attribute(value: Any) -> Any:
    value.by_hand = 9
    return value


MORE = "expected only the fields of {}, found the attribute 'by_hand' too"


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Base, with_attribute(Base(1)), f"it: {MORE.format('Base')}"),
        (Heir, with_attribute(Heir(1)), f"it: {MORE.format('Heir')}"),
        (RowHeir, with_attribute(RowHeir(1)), f"it: {CHANGED}"),
        (Loose, with_attribute(Loose(1)), f"it: {MORE.format('Loose')}"),
        (SlottedHeir, with_attribute(SlottedHeir(1)), f"it: {MORE.format('SlottedHeir')}"),
        (Box[Base], Box(with_attribute(Base(1))), f"it.item: {MORE.format('Base')}"),
        (list[Base], [Base(1), with_attribute(Base(1))], f"it[1]: {MORE.format('Base')}"),
        (Derived, with_attribute(Derived(1)), f"it: {CHANGED}"),
    ],
)
def test_an_attribute_that_is_not_a_field_is_refused(
    annotation: Any, value: Any, problem: str
) -> None:
    assert problems_with(annotation, value) == [problem]


def test_an_attribute_that_post_init_sets_is_compared() -> None:
    value = Derived(2)
    assert through(Derived, value).twice == 4
    value.twice = 5
    assert problems_with(Derived, value) == [f"it.twice: {CHANGED}"]


def test_cached_properties_and_hashes_are_no_state() -> None:
    heir = Heir(2)
    assert heir.twice == 4
    assert worker_of(Heir).request(heir).payload == '{"it":{"x":2}}'
    assert worker_of(Box[int]).request(Box[int](1)).payload == '{"it":{"item":1}}'
    hashed = Hashed(3)
    assert hash(hashed)
    assert worker_of(Hashed).request(hashed).payload == '{"it":{"x":3}}'


def test_a_field_that_a_subclass_annotates_again_is_no_new_state() -> None:
    again = type("Again", (Base,), {"__annotations__": {"x": "Nowhere"}})
    assert worker_of(again).request(again(1)).payload == '{"it":{"x":1}}'
