"""Generic classes: each field has the type arguments of the class that defines it."""

import dataclasses
import sys
from collections.abc import Callable
from typing import (
    Any,
    Generic,
    NamedTuple,
    NotRequired,
    ParamSpec,
    Required,
    TypedDict,
    TypeVar,
    TypeVarTuple,
)

import attrs
import pytest
from typing_extensions import ReadOnly

from tests.unit.core.payloads.helpers import (
    problems_of,
    problems_with,
    refusal_of,
    through,
    worker_of,
)

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")


@attrs.frozen
class Keyed(Generic[T]):
    key: T


@attrs.frozen
class Tagged(Keyed[str], Generic[T]):
    """Its `T` is not the `T` of its base."""

    value: T


@attrs.frozen
class Listed(Tagged[list[U]], Generic[V, U]):
    more: "dict[str, V]"


@attrs.frozen
class Closed(Listed[bool, int]):
    last: float = 0.0


@attrs.frozen
class Redefined(Keyed[str]):
    key: int  # type: ignore[assignment]  # the field of the subclass wins


@attrs.frozen
class Unbound(Keyed, Generic[T]):  # type: ignore[type-arg]  # the point: its base has no argument
    value: T


@dataclasses.dataclass
class DataKeyed(Generic[T]):
    key: T


@dataclasses.dataclass(kw_only=True)
class DataTagged(DataKeyed[str], Generic[U, T]):
    value: T
    others: "list[U]"


class DataHeir(DataTagged[bool, int]):
    """It is undecorated, so its annotation changes no field."""

    value: str  # type: ignore[assignment]  # the point


class Pair(NamedTuple, Generic[T]):
    left: T
    right: "T | None" = None


class IntPair(Pair[int]): ...


class KeyedDict(TypedDict, Generic[T]):
    key: T


class TaggedDict(KeyedDict[str], Generic[T]):
    value: T


class ClosedDict(TaggedDict[int]):
    more: NotRequired["list[int]"]


class PartDict(TypedDict, total=False):
    must: Required[ReadOnly[int]]
    may: ReadOnly[int]


@attrs.frozen
class Many(Generic[*Ts]):
    items: tuple[*Ts]


@attrs.frozen
class Calling(Generic[P, T]):
    call: Callable[P, T]


@attrs.frozen
class Deeper(Generic[T]):
    """Each level is another class, without end."""

    next: "Deeper[list[T]] | None" = None


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Tagged[int], Tagged("k", 1)),
        (Tagged[Tagged[int]], Tagged("k", Tagged("l", 1))),
        (Listed[bool, int], Listed("k", [1], {"a": True})),
        (Closed, Closed("k", [1], {"a": True})),
        (Redefined, Redefined(1)),
        (DataTagged[bool, int], DataTagged(key="k", value=1, others=[True])),
        (DataHeir, DataHeir(key="k", value=1, others=[True])),
        (Pair[str], Pair("a", "b")),
        (IntPair, IntPair(1)),
        (KeyedDict[int], {"key": 1}),
        (TaggedDict[int], {"key": "k", "value": 1}),
        (ClosedDict, {"key": "k", "value": 1}),
        (PartDict, {"must": 1}),
        (PartDict, {"must": 1, "may": 2}),
    ],
)
def test_values_of_generic_classes_are_read_back_equal(annotation: Any, value: Any) -> None:
    assert through(annotation, value) == value


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Tagged[int], Tagged(5, 1), "it.key: expected str, found int"),  # type: ignore[arg-type]  # the point
        (Tagged[int], Tagged("k", "v"), "it.value: expected int, found str"),
        (Listed[bool, int], Listed("k", [True], {}), "it.value[0]: expected int, found bool"),
        (Closed, Closed("k", [1], {"a": 1}), "it.more['a']: expected bool, found int"),  # type: ignore[dict-item]  # the point
        (Redefined, Redefined("k"), "it.key: expected int, found str"),  # type: ignore[arg-type]  # the point
        (
            DataTagged[bool, int],
            DataTagged(key="k", value=True, others=[]),
            "it.value: expected int, found bool",
        ),
        (
            DataTagged[bool, int],
            DataTagged(key=1, value=1, others=[]),  # type: ignore[arg-type]  # the point
            "it.key: expected str, found int",
        ),
        (Pair[str], Pair("a", 1), "it.right: expected str or None, found int"),
        (IntPair, IntPair("a"), "it.left: expected int, found str"),  # type: ignore[arg-type]  # the point
        (TaggedDict[int], {"key": 1, "value": 1}, "it.key: expected str, found int"),
        (TaggedDict[int], {"key": "k", "value": "v"}, "it.value: expected int, found str"),
        (ClosedDict, {"key": "k", "value": "v"}, "it.value: expected int, found str"),
        (PartDict, {"may": 1}, "it: missing field 'must'"),
    ],
)
def test_values_that_do_not_fit_are_refused(annotation: Any, value: Any, problem: str) -> None:
    assert problems_with(annotation, value) == [problem]


JSON = "expected a type that can be stored as JSON, found"
EACH = "it has type parameters that do not take one type each"
HERE = __name__


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (Unbound[int], f", at it.key: {JSON} ~T"),
        (Tagged, f", at it.value: {JSON} ~T"),
        (Many, f", at it.items[0]: {JSON} Ts"),
        (Many[int, str], f": {HERE}.Many[int, str] cannot be stored: {EACH}"),
        (Calling, f", at it.call: {JSON} collections.abc.Callable[~P, ~T]"),
        (Deeper[int], None),
    ],
)
def test_classes_with_unbound_type_parameters_are_refused(
    annotation: Any, problem: str | None
) -> None:
    found = refusal_of(annotation)
    if problem is None:
        assert found == "its annotations contain themselves without end"
    else:
        assert found.startswith(f"parameter 'it'{problem}")


POSTPONED = """
from __future__ import annotations

from typing import NotRequired, Required, TypedDict

class Maybe(TypedDict):
    a: int
    b: NotRequired[int]

class Must(TypedDict, total=False):
    a: Required[int]
    b: int
"""


@pytest.mark.parametrize("name", ["Maybe", "Must"])
def test_required_keys_are_known_from_postponed_annotations(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = type(sys)("postponed")
    monkeypatch.setitem(sys.modules, "postponed", module)
    exec(POSTPONED, module.__dict__)
    one = worker_of(getattr(module, name))
    assert one.decode(one.request({"a": 1}).payload)[1] == {"it": {"a": 1}}
    assert problems_of(one.request, {"b": 1}) == ["it: missing field 'a'"]


def test_a_local_generic_class_may_contain_itself() -> None:
    @attrs.frozen
    class Node(Generic[T]):
        value: T
        next: "Node[T] | None" = None

    value = Node(1, Node(2))
    assert through(Node[int], value) == value
    problem = "it.next.value: expected int, found str"
    assert problems_with(Node[int], Node(1, Node("a"))) == [problem]
