# ruff: noqa: E501 - a table reads by its rows
"""Values are read back equal, or refused with the path to the part that would change."""

import dataclasses
import enum
import sys
from collections import OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
from collections.abc import (
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
)
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any, Literal, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest

from bgjobs.errors import PayloadError
from tests.unit.core.payloads.cases.containers import Level, Rights, Word
from tests.unit.core.payloads.cases.samples import (
    Blob,
    Clock,
    Day,
    Instant,
    Key,
    Number,
    Place,
    Price,
    Real,
    Span,
    Text,
)
from tests.unit.core.payloads.helpers import problems_of, problems_with, through, worker_of


class NoHash(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # the point


class Items(list[int]): ...


class Entries(dict[str, int]): ...


class Members(set[int]): ...


class Row(tuple[int, ...]):
    __slots__ = ()


class Open(enum.Enum):
    """Its `_missing_` makes members that it does not list."""

    A = "a"
    B = 2

    @classmethod
    def _missing_(cls, value: object) -> "Open":
        made = object.__new__(cls)
        made._name_, made._value_ = "X", value
        return made


class Strange(enum.IntFlag):
    """Its `_missing_` raises an unusual error."""

    ONE = 1

    @classmethod
    def _missing_(cls, value: object) -> "Strange":
        raise OSError(value)


Plain = namedtuple("Plain", ["x"])  # noqa: PYI024 - as collections makes it


class Loose(TypedDict, total=False):
    a: int


BERLIN = ZoneInfo("Europe/Berlin")
AN_ID = UUID("12345678-1234-5678-1234-567812345678")
ROUNDED = "expected a float, found an int that a float would round"
TINY = timezone(timedelta(microseconds=-1))
OFFSET = "a UTC offset of zero or at least one second, found a shorter one"


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (float, 2**53 + 1, f"it: {ROUNDED}"),
        (float | None, -(2**53) - 1, f"it: {ROUNDED}"),
        (list[float], [1, 2**60 + 1], f"it[1]: {ROUNDED}"),
        (str, Text("a"), "it: expected str, found Text"),
        (str, Word.YES, "it: expected str, found Word"),
        (int, Number(1), "it: expected int, found Number"),
        (int, Level.LOW, "it: expected int, found Level"),
        (float, Real(1), "it: expected float, found Real"),
        (float, Number(1), "it: expected float, found Number"),
        (bytes, Blob(b"a"), "it: expected bytes, found Blob"),
        (bytes, bytearray(b"a"), "it: expected bytes, found bytearray"),
        (datetime, Instant(2024, 1, 1, tzinfo=UTC), "it: expected datetime, found Instant"),
        (date, Day(2024, 1, 1), "it: expected date, found Day"),
        (time, Clock(1), "it: expected time, found Clock"),
        (timedelta, Span(1), "it: expected timedelta, found Span"),
        (UUID, Key(AN_ID.hex), "it: expected UUID, found Key"),
        (Decimal, Price(1), "it: expected Decimal, found Price"),
        (Decimal, Decimal("sNaN"), "it: expected a finite Decimal, found NaN or Infinity"),
        (list[int], Items([1]), "it: expected list, found Items"),
        (set[int], Members([1]), "it: expected set, found Members"),
        (frozenset[int], {1}, "it: expected frozenset, found set"),
        (tuple[int, ...], Row([1]), "it: expected tuple, found Row"),
        (tuple[int], Plain(1), "it: expected tuple of 1, found Plain"),
        (dict[str, int], Entries(a=1), "it: expected dict, found Entries"),
        (dict[str, int], defaultdict(int, a=1), "it: expected dict, found defaultdict"),
        (dict[str, int], {Text("a"): 1}, "it: key 'a': expected str, found Text"),
        (Loose, Entries(a=1), "it: expected Loose, found Entries"),
        (Loose, {Text("a"): 1}, "it: unexpected field 'a'"),
        (PurePath, PureWindowsPath(r"a\b"), "it: expected PurePath of this system, found PureWindowsPath"),
        (Path, PureWindowsPath(r"a\b"), "it: expected Path, found PureWindowsPath"),
        (Path, PurePosixPath("a"), "it: expected Path, found PurePosixPath"),
        (PurePosixPath, Place("a"), "it: expected PurePosixPath, found Place"),
        (PurePosixPath, PureWindowsPath("a"), "it: expected PurePosixPath, found PureWindowsPath"),
        (Literal["a"], Text("a"), "it: expected one of 'a', found Text"),
        (Literal["a"], NoHash("a"), "it: expected one of 'a', found NoHash"),
        (Literal["a"] | None, NoHash("a"), "it: expected one of 'a' or None, found NoHash"),
        (Literal[1], True, "it: expected one of 1, found bool"),
        (Open, Open("c"), "it: expected a member of Open, found one that is not declared"),
        (Open, Open(["c"]), "it: expected a member of Open, found one that is not declared"),
        (datetime, datetime(2026, 1, 1, tzinfo=TINY), f"it: expected datetime with {OFFSET}"),
        (time, time(1, tzinfo=TINY), f"it: expected time with {OFFSET}"),
        (set[int], {10**5000, 1}, "it: found an int of too many digits"),
    ],
)  # fmt: skip
def test_a_value_that_would_change_is_refused(
    annotation: Any, value: Any, problem: str
) -> None:
    assert problems_with(annotation, value) == [problem]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (float, 2**53),
        (float, -0.0),
        (float, 5e-324),
        (float, sys.float_info.max),
        (int, 2**53 + 1),
        (int | float, 2**53 + 1),
        (PurePath, PurePosixPath("a")),
        (PurePath, PosixPath("a")),
        (PurePosixPath, PosixPath("a")),
        (Path, Path()),
        (AbstractSet[str], {"a"}),
        (AbstractSet[str], frozenset({"a"})),
        (Decimal, Decimal("-0E-10")),
        (Decimal, Decimal("1E+999999")),
        (timedelta, timedelta.min),
        (timedelta, timedelta(days=999_999_999)),
        (datetime, datetime.max.replace(tzinfo=UTC)),
        (datetime, datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23, microseconds=1)))),
        (time, time(2, 30, fold=1)),
        (Open, Open.B),
        (Rights, Rights(8)),
        (Rights, Rights(0)),
        (Rights, ~Rights.READ),
        (Strange, Strange.ONE),
        (dict[date, int], {date(2024, 1, 1): 1}),
        (dict[Decimal, int], {Decimal("1.0"): 1, Decimal("1e3"): 2}),
    ],
)
def test_extreme_values_are_read_back_equal(annotation: Any, value: Any) -> None:
    assert through(annotation, value) == value


@pytest.mark.parametrize("fold", [0, 1])
def test_a_repeated_hour_keeps_its_instant(fold: int) -> None:
    # `==` between zones is always False in such an hour.
    twice = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold)
    found = through(datetime, twice)
    assert found.astimezone(UTC) == twice.astimezone(UTC)
    assert found.utcoffset() == twice.utcoffset()
    # A class with own code, so the arguments are compared.
    assert worker_of(tuple[datetime, Hooked]).request((twice, Hooked())).payload


def test_flags_that_their_class_refuses_raise_a_payload_error() -> None:
    assert problems_of(worker_of(Strange).decode, '{"it":8}') == [
        "it: expected a value of Strange, found another int"
    ]


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
class Parts:
    parts: Sequence[str]


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
def test_abstract_classes_are_read_back_with_equal_contents(
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
        (set[Parts], {Parts(("a",))}, "it: could not be read back: expected set of items that can be hashed"),
    ],
)  # fmt: skip
def test_a_concrete_class_accepts_no_other_class(
    annotation: Any, value: Any, problem: str
) -> None:
    assert problems_with(annotation, value) == [problem]


class Failing(Mapping[str, int]):
    """It raises when its values, or its keys, are read."""

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
def test_errors_of_user_code_have_a_path_and_no_value(
    annotation: Any, value: Any, problems: list[str]
) -> None:
    with pytest.raises(PayloadError) as caught:
        worker_of(annotation).request(value)
    assert list(caught.value.problems) == problems
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_object_that_hides_its_class_is_refused() -> None:
    assert problems_with(list[Sequence[int]], [Liar()]) == [f"it[0]: {RAISED} RuntimeError"]
