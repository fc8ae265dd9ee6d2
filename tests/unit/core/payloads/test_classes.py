# ruff: noqa: E501 - a table reads by its rows
"""Instances of classes with own code are read back equal or refused."""

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Self

import attrs
import pytest

from bgjobs._core.payloads.equality import is_rebuilt_from_fields
from bgjobs._core.workers import worker
from tests.unit.core.payloads.helpers import CHANGED, problems_with, through, worker_of


class Pair(NamedTuple):
    left: int
    right: list[int]


@attrs.frozen
class Base:
    a: int


@attrs.frozen
class Sub(Base):
    b: int = 0


@attrs.define
class Counted:
    """It has a field that its constructor does not accept."""

    a: int
    seen: bool = attrs.field(default=False, init=False)


@attrs.define
class Cached:
    """It has a field that does not belong to its value."""

    a: int
    text: str = attrs.field(default="", init=False, eq=False)


@dataclasses.dataclass
class Derived:
    a: int
    twice: int = dataclasses.field(init=False)
    cached: int = dataclasses.field(default=0, init=False, compare=False)

    def __post_init__(self) -> None:
        self.twice = 2 * self.a


def split(text: str) -> list[str]:
    return text.split(",")


def grown(text: str) -> str:
    return text + "!"


def in_tuples(parts: Sequence[str]) -> Sequence[str]:
    return tuple(parts)


def in_order(entries: Mapping[str, Sequence[int]]) -> Mapping[str, Sequence[int]]:
    return OrderedDict((key, tuple(value)) for key, value in entries.items())


@attrs.frozen
class OneWay:
    parts: list[str] = attrs.field(converter=split)


@attrs.frozen
class Growing:
    name: str = attrs.field(converter=grown)


@attrs.frozen
class Noted:
    """Its note is not compared."""

    a: int
    note: str = attrs.field(converter=grown, eq=False)


@attrs.frozen
class Frozen:
    """Its converters make tuples of lists."""

    parts: Sequence[str] = attrs.field(converter=in_tuples)
    entries: Mapping[str, Sequence[int]] | None = attrs.field(
        default=None, converter=attrs.converters.optional(in_order)
    )


@attrs.define(on_setattr=[])
class Validated:
    age: int = attrs.field(validator=attrs.validators.ge(18))


@dataclasses.dataclass
class Sorting:
    items: list[int]

    def __post_init__(self) -> None:
        self.items = sorted(self.items)


@dataclasses.dataclass
class Listing:
    a: int
    parts: object = dataclasses.field(default=(), init=False)

    def __post_init__(self) -> None:
        self.parts = ["a"]


@dataclasses.dataclass(frozen=True)
class Concealed:
    """It has own code, so its redacted field is compared."""

    secrets: dict[str, list[int]] = dataclasses.field(repr=False, hash=False)

    def __post_init__(self) -> None: ...


@dataclasses.dataclass
class OwnInit:
    size: int

    def __init__(self, size: int) -> None:
        self.size = size + 1


@attrs.define
class OwnAttrsInit:
    size: int

    def __init__(self, size: int) -> None:
        self.__attrs_init__(size + 1)  # type: ignore[attr-defined]  # attrs adds it


@dataclasses.dataclass
class OwnSetter:
    size: int

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value + 1)


class Once:
    """A descriptor that adds one."""

    def __get__(self, holder: Any, owner: object = None) -> int:
        return 0 if holder is None else holder.__dict__["size"] + 1

    def __set__(self, holder: Any, value: int) -> None:
        holder.__dict__["size"] = value


@dataclasses.dataclass
class Described:
    size: Once = Once()


Described.__dataclass_fields__["size"].type = int  # the type of what it returns


@dataclasses.dataclass
class OwnNew:
    size: int

    def __new__(cls, size: int) -> Self:
        return super().__new__(cls)

    def __post_init__(self) -> None:
        self.size += 1


class Adding(NamedTuple):
    size: int


class Added(Adding):
    __slots__ = ()

    def __new__(cls, size: int) -> Self:
        return super().__new__(cls, size + 1)


@dataclasses.dataclass(eq=False)
class Identity:
    """Its instances are equal to themselves only."""

    items: list[int]


@attrs.define(eq=False)
class Stamped:
    number: int
    at: object = attrs.field(factory=object, init=False)


@attrs.define
class Vault:
    secret: dict[str, Counted] = attrs.field(repr=False)


def changed(value: Any, **fields: Any) -> Any:
    for name, one in fields.items():
        object.__setattr__(value, name, one)
    return value


UNREAD = "could not be read back: expected fields that"


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Base, Sub(1), "it: expected Base, found Sub"),
        (Base | None, Sub(1), "it: expected Base or None, found Sub"),
        (Counted, changed(Counted(1), seen=True), f"it.seen: {CHANGED}"),
        (list[Counted], [Counted(1), changed(Counted(1), seen=True)], f"it[1].seen: {CHANGED}"),
        (dict[str, Counted], {"a": changed(Counted(1), seen=1)}, f"it['a'].seen: {CHANGED}"),
        (Derived, changed(Derived(1), twice=3), f"it.twice: {CHANGED}"),
        (OneWay, OneWay("a,b"), f"it: {UNREAD} OneWay accepts, it raised AttributeError"),
        (Growing, Growing("a"), f"it.name: {CHANGED}"),
        (frozenset[Noted], frozenset({Noted(1, "a"), Noted(2, "b")}), f"it: {CHANGED}"),
        (AbstractSet[tuple[Noted, int]], {(Noted(1, "a"), 1)}, f"it: {CHANGED}"),
        (Growing | int, Growing("a"), f"it.name: {CHANGED}"),
        (Frozen, changed(Frozen("ab"), parts=["a"]), f"it.parts: {CHANGED}"),
        (Validated, changed(Validated(18), age=17), f"it: {UNREAD} Validated accepts, it raised ValueError"),
        (Sorting, changed(Sorting([1]), items=[2, 1]), f"it.items[0]: {CHANGED}"),
        (Listing, changed(Listing(1), parts="a"), f"it.parts: {CHANGED}"),
        (OwnInit, OwnInit(1), f"it.size: {CHANGED}"),
        (OwnAttrsInit, OwnAttrsInit(1), f"it.size: {CHANGED}"),
        (OwnSetter, OwnSetter(1), f"it.size: {CHANGED}"),
        (Described, Described(1), f"it.size: {CHANGED}"),
        (OwnNew, OwnNew(1), f"it.size: {CHANGED}"),
        (Added, Added(1), f"it.size: {CHANGED}"),
        (Stamped, Stamped(1), f"it.at: {CHANGED}"),
        (Base, object.__new__(Base), "it.a: expected a value, found none"),
        (Vault, Vault({"password": changed(Counted(1), seen=True)}), f"it.secret: {CHANGED}"),
    ],
)  # fmt: skip
def test_an_instance_that_would_change_is_refused(
    annotation: Any, value: Any, problem: str
) -> None:
    assert problems_with(annotation, value) == [problem]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Pair, Pair(1, [2])),
        (Counted, Counted(1)),
        (Cached, changed(Cached(1), text="kept by nobody")),
        (Derived, changed(Derived(1), cached=5)),
        (Frozen, Frozen(["a"], {"b": [1]})),
        (Validated, Validated(18)),
        (Sorting, Sorting([2, 1])),
        (frozenset[Concealed], frozenset({Concealed({"a": [1]}), Concealed({})})),
    ],
)
def test_an_instance_is_read_back_equal(annotation: Any, value: Any) -> None:
    assert through(annotation, value) == value


def test_instances_without_eq_are_compared_by_their_fields() -> None:
    found = through(list[Identity], [Identity([1]), Identity([2])])
    assert [each.items for each in found] == [[1], [2]]
    twins = frozenset([Identity([1]), Identity([1])])
    found = through(tuple[Counted, frozenset[Identity]], (Counted(1), twins))
    assert [each.items for each in found[1]] == [[1], [1]]


def test_a_request_rebuilds_instances_of_classes_with_own_code() -> None:
    made: list[int] = []

    @dataclasses.dataclass
    class Loud:
        a: int

        def __post_init__(self) -> None:
            made.append(self.a)

    loud = Loud(1)
    worker_of(Loud).request(loud)
    assert made == [1, 1]


@attrs.frozen
class PlainAttrs:
    a: int
    b: str = attrs.field(default="", kw_only=True)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlainData:
    a: int = 0


@dataclasses.dataclass
class PlainBase:
    a: int


class PlainHeir(PlainBase): ...


@pytest.mark.parametrize("kind", [PlainAttrs, PlainData, PlainBase, PlainHeir, Pair, Base, Sub])
def test_classes_without_own_code_depend_on_their_fields_only(kind: type) -> None:
    assert is_rebuilt_from_fields(kind)


def test_a_local_class_may_contain_itself() -> None:
    @attrs.frozen
    class Node:
        next: "Node | None" = None

    def handler(it: Node) -> None: ...

    made = worker(handler)
    payload = made.request(Node(Node())).payload
    assert made.decode(payload) == ((), {"it": Node(Node())})
