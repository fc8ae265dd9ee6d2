# ruff: noqa: E501 - a table reads by its rows
"""What `request` takes comes back equal; all else is refused, with the place where it is."""

import dataclasses
import enum
import math
import sys
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Literal, NamedTuple, Self, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest

from bgjobs.errors import PayloadError
from bgjobs.payloads.equality import is_rebuilt_from_fields
from bgjobs.workers import Worker, worker
from tests.unit.payloads.cases.scalars import (
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


class Word(enum.StrEnum):
    YES = "yes"


class Level(enum.IntEnum):
    LOW = 1


class Open(enum.Enum):
    """It makes members of all values, which no list of members has."""

    A = "a"
    B = 2

    @classmethod
    def _missing_(cls, value: object) -> "Open":
        made = object.__new__(cls)
        made._name_, made._value_ = "X", value
        return made


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Strange(enum.IntFlag):
    """Its `_missing_` raises what no enumeration does."""

    ONE = 1

    @classmethod
    def _missing_(cls, value: object) -> "Strange":
        raise OSError(value)


Plain = namedtuple("Plain", ["x"])  # noqa: PYI024 - as collections makes it


class Pair(NamedTuple):
    left: int
    right: list[int]


@attrs.frozen
class Base:
    a: int


@attrs.frozen
class Sub(Base):
    b: int = 0


class Loose(TypedDict, total=False):
    a: int


@attrs.define
class Counted:
    """With a field that its constructor does not take."""

    a: int
    seen: bool = attrs.field(default=False, init=False)


@attrs.define
class Cached:
    """With a field that is no part of its value."""

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
    """Equal to others with other notes."""

    a: int
    note: str = attrs.field(converter=grown, eq=False)


@attrs.frozen
class Frozen:
    """Makes tuples, and such, of what JSON gives."""

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
    """Its hidden field is read again, for a class with code of its own is compared."""

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


Described.__dataclass_fields__["size"].type = int  # what it gives


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
    """Its instances are equal to themselves only, so their fields are compared."""

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


def worker_of(annotation: Any) -> Worker[[Any], None]:
    def handler(it: Any) -> None: ...

    handler.__annotations__ = {"it": annotation}
    return worker(name="w")(handler)


BERLIN = ZoneInfo("Europe/Berlin")
AN_ID = UUID("12345678-1234-5678-1234-567812345678")
CHANGED = "expected a value that is read back unchanged, found one that would change"
ROUNDED = "expected a float, found an int that a float would round"
TINY = timezone(timedelta(microseconds=-1))
OFFSET = "a UTC offset of zero or at least one second, found a shorter one"
UNREAD = "could not be read back: expected fields that"


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
        (datetime, datetime(2026, 1, 1, tzinfo=TINY), f"it: expected datetime with {OFFSET}"),
        (time, time(1, tzinfo=TINY), f"it: expected time with {OFFSET}"),
        (set[int], {10**5000, 1}, "it: found an int of too many digits"),
    ],
)  # fmt: skip
def test_what_would_not_come_back_is_refused(annotation: Any, value: Any, problem: str) -> None:
    one = worker_of(annotation)
    with pytest.raises(PayloadError) as caught:
        one.request(value)
    assert list(caught.value.problems) == [problem]


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
        (Pair, Pair(1, [2])),
        (Counted, Counted(1)),
        (Cached, changed(Cached(1), text="kept by nobody")),
        (Derived, changed(Derived(1), cached=5)),
        (Frozen, Frozen(["a"], {"b": [1]})),
        (Validated, Validated(18)),
        (Sorting, Sorting([2, 1])),
        (frozenset[Concealed], frozenset({Concealed({"a": [1]}), Concealed({})})),
        (dict[date, int], {date(2024, 1, 1): 1}),
        (dict[Decimal, int], {Decimal("1.0"): 1, Decimal("1e3"): 2}),
    ],
)
def test_the_limits_of_what_comes_back(annotation: Any, value: Any) -> None:
    one = worker_of(annotation)
    [found] = one.decode(one.request(value).payload)[1].values()
    assert found == value


def test_zero_keeps_its_sign() -> None:
    one = worker_of(float)
    assert math.copysign(1, one.decode(one.request(-0.0).payload)[1]["it"]) == -1


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_occurs_twice_comes_back_as_the_right_one(fold: int) -> None:
    # `==` between zones is always False in such an hour.
    twice = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold)
    one = worker_of(datetime)
    found = one.decode(one.request(twice).payload)[1]["it"]
    assert found.astimezone(UTC) == twice.astimezone(UTC)
    assert found.utcoffset() == twice.utcoffset()
    beside = worker_of(tuple[datetime, Counted])
    assert beside.request((twice, Counted(1))).payload  # compared with what is read back


def test_two_that_are_written_the_same_are_refused() -> None:
    twice = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)
    fixed = twice.replace(tzinfo=timezone(timedelta(hours=2)))
    assert len({twice, fixed}) == 2
    with pytest.raises(PayloadError) as caught:
        worker_of(set[datetime]).request({twice, fixed})
    assert list(caught.value.problems) == [
        "it: expected items that differ in JSON, found two with the same JSON"
    ]
    with pytest.raises(PayloadError) as caught:
        worker_of(dict[datetime, int]).request({twice: 1, fixed: 2})
    assert list(caught.value.problems) == [
        "it: key '2024-10-27T02:30:00+02:00': found two keys with this text"
    ]


def test_instances_that_know_no_equality_come_back_field_by_field() -> None:
    one = worker_of(list[Identity])
    [found] = one.decode(one.request([Identity([1]), Identity([2])]).payload)[1].values()
    assert [each.items for each in found] == [[1], [2]]
    several = worker_of(tuple[Counted, frozenset[Identity]])
    twins = frozenset([Identity([1]), Identity([1])])
    [found] = several.decode(several.request((Counted(1), twins)).payload)[1].values()
    assert [each.items for each in found[1]] == [[1], [1]]


def test_classes_with_code_of_their_own_are_made_once_more_by_a_request() -> None:
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
def test_other_classes_are_not(kind: type) -> None:
    assert is_rebuilt_from_fields(kind)


def test_flags_that_a_class_refuses_are_refused_in_words() -> None:
    with pytest.raises(PayloadError) as caught:
        worker_of(Strange).decode('{"it":8}')
    assert list(caught.value.problems) == ["it: expected a value of Strange, found another int"]
