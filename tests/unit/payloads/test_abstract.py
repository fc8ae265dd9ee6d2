# ruff: noqa: E501 - a table reads by its rows
"""Annotations of abstract classes: what they hold counts, and not the class that holds it."""

import dataclasses
from collections import OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import (
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
)
from collections.abc import Set as AbstractSet
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any

import attrs
import pytest

from bgjobs.errors import PayloadError
from bgjobs.workers import Worker, worker


@dataclasses.dataclass
class Post:
    tags: Sequence[str] = ()
    counts: Mapping[str, int] = dataclasses.field(default_factory=lambda: MappingProxyType({}))


@dataclasses.dataclass
class Hooked:
    tags: Sequence[Sequence[str]] = ()
    counts: Mapping[str, Sequence[int]] = dataclasses.field(
        default_factory=lambda: MappingProxyType({"a": (1, 2)})
    )
    names: AbstractSet[str] = dataclasses.field(default_factory={"a": 1}.keys)

    def __post_init__(self) -> None: ...


@attrs.frozen
class Key:
    parts: Sequence[str]


def worker_of(annotation: Any) -> Worker[[Any], None]:
    def handler(it: Any) -> None: ...

    handler.__annotations__ = {"it": annotation}
    return worker(name="w")(handler)


def through(annotation: Any, value: Any) -> Any:
    one = worker_of(annotation)
    [found] = one.decode(one.request(value).payload)[1].values()
    return found


@pytest.mark.parametrize(
    ("annotation", "value", "found"),
    [
        (Sequence[str], ("a", "b"), ["a", "b"]),
        (Sequence[int], range(3), [0, 1, 2]),
        (Sequence[Sequence[int]], ((1,), [2]), [[1], [2]]),
        (MutableSequence[int], deque([1, 2]), [1, 2]),
        (MutableSequence[int], UserList([1]), [1]),
        (AbstractSet[str], {"b": 1, "a": 2}.keys(), frozenset({"a", "b"})),
        (AbstractSet[str], {"a"}, frozenset({"a"})),
        (MutableSet[int], {1}, {1}),
        (Mapping[str, int], MappingProxyType({"a": 1}), {"a": 1}),
        (Mapping[str, int], OrderedDict(a=1), {"a": 1}),
        (MutableMapping[str, int], defaultdict(int, a=1), {"a": 1}),
        (MutableMapping[str, int], UserDict({"a": 1}), {"a": 1}),
        (Mapping[str, int] | None, MappingProxyType({}), {}),
        (Post, Post(), Post([], {})),
        (Post, Post(("a",)), Post(["a"], {})),
        (Hooked, Hooked(), Hooked([], {"a": [1, 2]}, frozenset({"a"}))),
        (Hooked, Hooked((("a", "b"), ["c"])), Hooked([["a", "b"], ["c"]], {"a": [1, 2]}, {"a"})),
    ],
)  # fmt: skip
def test_what_an_abstract_class_takes_comes_back_with_the_same_contents(
    annotation: Any, value: Any, found: Any
) -> None:
    assert through(annotation, value) == found


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (list[str], ("a",), "it: expected list, found tuple"),
        (tuple[str, ...], ["a"], "it: expected tuple, found list"),
        (dict[str, int], MappingProxyType({"a": 1}), "it: expected dict, found mappingproxy"),
        (Sequence[str], "abc", "it: expected sequence, found str"),
        (Sequence[int], bytearray(b"a"), "it: expected sequence, found bytearray"),
        (Sequence[str], {"a"}, "it: expected sequence, found set"),
        (MutableSequence[int], (1,), "it: expected sequence, found tuple"),
        (MutableSet[int], frozenset({1}), "it: expected set, found frozenset"),
        (MutableMapping[str, int], MappingProxyType({}), "it: expected mapping, found mappingproxy"),
        (set[Sequence[str]], {("a",)}, "it: could not be read back: expected set of items that can be hashed"),
        (set[Key], {Key(("a",))}, "it: could not be read back: expected set of items that can be hashed"),
    ],
)  # fmt: skip
def test_a_concrete_class_stays_exact(annotation: Any, value: Any, problem: str) -> None:
    with pytest.raises(PayloadError) as caught:
        worker_of(annotation).request(value)
    assert list(caught.value.problems) == [problem]


class Failing(Mapping[str, int]):
    """It has keys, of which some have no value."""

    def __init__(self, *keys: str, listing: bool = True) -> None:
        self.keys_, self.listing = keys, listing

    def __getitem__(self, key: str) -> int:
        raise RuntimeError("a secret")

    def __iter__(self) -> Iterator[str]:
        if not self.listing:
            raise OSError("a secret")
        return iter(self.keys_)

    def __len__(self) -> int:
        return len(self.keys_)


class FailingSequence(Sequence[int]):
    def __getitem__(self, index: Any) -> Any:
        if index:
            raise ZeroDivisionError("a secret")
        return 1

    def __len__(self) -> int:
        return 2


class FailingZone(tzinfo):
    def utcoffset(self, when: object) -> Any:
        raise RuntimeError("a secret")

    dst = tzname = utcoffset


@dataclasses.dataclass
class Broken:
    size: int

    def __getattribute__(self, name: str) -> Any:
        if name == "size":
            raise RuntimeError("a secret")
        return object.__getattribute__(self, name)


class Liar:
    @property  # type: ignore[misc]  # the point
    def __class__(self) -> Any:
        raise RuntimeError("a secret")


BROKEN_TIME = datetime(2026, 1, 1, tzinfo=FailingZone())
RAISED = "expected a readable value, reading it raised"


@pytest.mark.parametrize(
    ("annotation", "value", "problems"),
    [
        (Mapping[str, int], Failing("a", "b"), [f"it['a']: {RAISED} RuntimeError", f"it['b']: {RAISED} RuntimeError"]),
        (Mapping[str, int], Failing(listing=False), [f"it: {RAISED} OSError"]),
        (list[Mapping[str, int]], [{}, Failing("a")], [f"it[1]['a']: {RAISED} RuntimeError"]),
        (Sequence[int], FailingSequence(), [f"it: {RAISED} ZeroDivisionError"]),
        (Broken, Broken(1), [f"it.size: {RAISED} RuntimeError"]),
        (list[Broken], [Broken(1)], [f"it[0].size: {RAISED} RuntimeError"]),
        (datetime, BROKEN_TIME, [f"it: {RAISED} RuntimeError"]),
        (dict[str, datetime], {"a": BROKEN_TIME}, [f"it['a']: {RAISED} RuntimeError"]),
    ],
)  # fmt: skip
def test_what_a_class_raises_while_it_is_read_is_told_with_the_place_and_without_the_value(
    annotation: Any, value: Any, problems: list[str]
) -> None:
    with pytest.raises(PayloadError) as caught:
        worker_of(annotation).request(value)
    assert list(caught.value.problems) == problems
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_object_that_hides_its_class_is_refused_too() -> None:
    with pytest.raises(PayloadError) as caught:
        worker_of(list[Sequence[int]]).request([Liar()])
    assert list(caught.value.problems) == [f"it[0]: {RAISED} RuntimeError"]
