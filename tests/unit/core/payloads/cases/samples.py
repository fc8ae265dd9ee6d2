# ruff: noqa: E501 - a table reads by its rows
"""Samples: values with what they are read back as, single values, and their comparison."""

import dataclasses
import inspect
from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import cached_property
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
from attrs import field, frozen
from hypothesis import strategies as st

Values = st.SearchStrategy[Any]
HERE = ("",)
"""The path to the whole value."""


class Lost:
    """The value of a sample that must be refused; no value is equal to it."""


@frozen(eq=False)
class Sample:
    """A value, and the value that the handler must receive for it."""

    given: Any
    back: Any
    """It has the same types at every depth, except where the documentation names another."""
    misfits: tuple[str, ...] = ()
    """Paths to parts that may be refused; without any, the value must be read back."""

    def below(self, step: str) -> tuple[str, ...]:
        """Return the paths with `step` in front of them."""
        return tuple(step + path for path in self.misfits)


Samples = st.SearchStrategy[Sample]


@frozen(eq=False)
class Case:
    """An annotation, and samples for it."""

    annotation: Any
    values: Samples = field(repr=False)
    called: str
    kinds: frozenset[str]
    """The JSON kinds of its values; members of a union may not share one."""
    is_sure: bool = True
    """Whether it can be declared and its classes do not change their values."""
    converts: bool = False
    """Whether it accepts values that are read back as another type."""
    odd: Samples = field(factory=st.nothing, repr=False)
    """Samples that do not fit."""


def fits(values: Values) -> Samples:
    """Return samples of values that are read back unchanged."""
    return values.map(lambda one: Sample(one, one))


def becomes(values: Values, change: Callable[[Any], Any]) -> Samples:
    """Return samples of values that are read back as an equal value of another type."""
    return values.map(lambda one: Sample(one, change(one)))


def misfits(values: Values) -> Samples:
    """Return samples of values that are refused or read back unchanged."""
    return values.map(lambda one: Sample(one, one, HERE))


def mostly(good: Samples, *others: Samples) -> Samples:
    """Draw samples that fit three times as often as all others together."""
    return evenly(good, good, good, evenly(*others))


def evenly(*strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw from each with the same frequency; `one_of` would flatten nested strategies."""
    return st.sampled_from(strategies).flatmap(_itself)


def _itself(one: Any) -> Any:
    return one


def kinds(*names: str) -> frozenset[str]:
    return frozenset(names)


def can_be_hashed(value: Any) -> bool:
    try:
        hash(value)
    except Exception:  # noqa: BLE001 - a signalling NaN has an error of its own
        return False
    return True


def all_misfits(parts: Iterable[tuple[str, Sample]]) -> tuple[str, ...]:
    """Return the paths of all parts, each below its step."""
    return tuple(path for step, one in parts for path in one.below(step))


def each_once(samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples without those equal to an earlier one."""
    found: dict[Hashable, Sample] = {}
    for one in samples:
        if can_be_hashed(one.given):
            found.setdefault(one.given, one)
    return list(found.values())


def of(kind: Any, *arguments: Any) -> Any:
    """Return `kind[arguments]`, which a type checker would take for a type annotation."""
    return kind[arguments]


MISSING = object()
KEPT = ("__orig_class__", "_attrs_cached_hash")
"""Attributes that `Generic` and attrs set in an instance."""


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same in every respect, which is stricter than `==`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and _is_each_in(list(one), list(other))
    parts = _parts_of(one)
    if parts is None:
        return bool(one == other)
    others = _parts_of(other) or []
    return len(parts) == len(others) and all(map(is_same, parts, others))


def _is_each_in(some: list[Any], others: list[Any]) -> bool:
    for one in some:
        like = next((n for n, other in enumerate(others) if is_same(one, other)), None)
        if like is None:
            return False
        del others[like]
    return True


def _parts_of(value: Any) -> list[Any] | None:
    """Return the parts of a value; None if `==` decides."""
    if isinstance(value, float):
        return [value.hex()]
    if isinstance(value, Decimal):
        return [str(value)]
    if isinstance(value, datetime | time):
        return [value.isoformat(), value.fold, type(value.tzinfo).__name__]
    if isinstance(value, dict):
        return [*value, *value.values()]
    names = _fields_of(type(value))
    if names is not None:
        return [*(getattr(value, name, MISSING) for name in names), _state(value)]
    return [*value, _state(value)] if isinstance(value, list | tuple) else None


def _fields_of(kind: Any) -> list[str] | None:
    if attrs.has(kind):
        return [one.name for one in attrs.fields(kind)]
    if dataclasses.is_dataclass(kind):
        return [one.name for one in dataclasses.fields(kind)]
    return None


def _state(value: Any) -> dict[str, Any]:
    """Return the attributes of an instance, without cached results."""
    found = getattr(value, "__dict__", {})
    return {
        name: found[name]
        for name in sorted(found)
        if name not in KEPT
        and not isinstance(inspect.getattr_static(type(value), name, None), cached_property)
    }


class Text(str):
    __slots__ = ()


class Number(int): ...


class Real(float): ...


class Blob(bytes): ...


class Instant(datetime): ...


class Day(date): ...


class Clock(time): ...


class Span(timedelta): ...


class Key(UUID): ...


class Price(Decimal): ...


class Place(PurePosixPath): ...


EXACT = 2**53
"""The limit up to which a float represents every int."""
SECONDS = timedelta(microseconds=2**52)
"""The limit up to which seconds as a float represent every microsecond."""
DAYS = timedelta.max.days

characters = st.characters(codec="utf-8", exclude_characters="\0")
words = st.sampled_from(
    ["", "a", "b", "a!", 'a"', "'", "é", "\\u0000", "\u2028", "\ufeff", "😀"]
)
text = st.text(characters, max_size=4) | words
broken_text = st.sampled_from(["\0", "a\0", "\ud800", "\udcff!", "\ud83d\ude00"])
integers = st.integers() | st.sampled_from([0, 1, EXACT + 1, -EXACT - 1, 2**64, -(10**40)])
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1.0, 5e-324, 1.7976931348623157e308, 0.1, 1e16, 1e22]
)
round_integers = st.integers(-EXACT, EXACT) | st.sampled_from([2**60, -(2**100), 10**22])
unround_integers = st.sampled_from([EXACT + 1, -EXACT - 1, 2**60 + 1, 10**400])
others = st.sampled_from([None, True, 1.5, "a", b"a", ..., int])
"""Values passed by mistake, without an int, which fits a float."""

ZONES = [
    "Europe/Paris", "Europe/Dublin", "Asia/Kathmandu", "Africa/Monrovia", "America/St_Johns",
    "Australia/Lord_Howe", "Pacific/Apia",
]  # fmt: skip
offsets = st.sampled_from([
    UTC,
    timezone(timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999)),
    timezone(-timedelta(hours=23, minutes=59)),
    timezone(timedelta(seconds=-1, microseconds=-1), "odd"),
    timezone(timedelta(0), "called otherwise"),
])  # fmt: skip
zones: st.SearchStrategy[tzinfo] = offsets | st.sampled_from(ZONES).map(ZoneInfo)
PARIS = ZoneInfo("Europe/Paris")
instants = st.datetimes(timezones=zones) | st.sampled_from([
    datetime(2026, 3, 29, 2, 30, tzinfo=PARIS),  # a skipped hour
    datetime(2026, 3, 29, 3, 30, tzinfo=PARIS),
    datetime(2026, 10, 25, 2, 30, tzinfo=PARIS),  # a repeated hour
    datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1),
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC, fold=1),
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=PARIS),
])  # fmt: skip
tiny = timezone(timedelta(microseconds=1))  # Python does not read back what it writes
clocks = st.times() | st.times(timezones=offsets) | st.just(time(2, 30, fold=1))
spans = (
    st.timedeltas(-SECONDS, SECONDS)
    | st.integers(-DAYS, DAYS).map(lambda days: timedelta(days=days))
    | st.sampled_from([timedelta.min, timedelta(DAYS, 86_399), timedelta(microseconds=-1)])
)
decimals = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from([
    Decimal(0), Decimal("-0"), Decimal("-0E-10"), Decimal("1E+999999"), Decimal("1.0"),
    Decimal("1.00"), Decimal("1" * 60), Decimal("1e3"),
])  # fmt: skip
odd_decimals = st.sampled_from(["NaN", "sNaN", "Infinity", "-Infinity"]).map(Decimal)
names = st.sampled_from(["", "a", "/", "//a", "a/../b", "é", "~", ".", "a b", "a.txt"])


def fixed(one: Any) -> Any:
    """Return the value with its offset, but without the name of its zone and its fold."""
    offset = one.utcoffset()
    zone = None if offset is None else UTC if not offset else timezone(offset)
    return one.replace(tzinfo=zone, fold=0)


def case(annotation: Any, kind: str, good: Values, *odd: Values) -> Case:
    return _case(annotation, kind, fits(good), odd, converts=False)


def converting(annotation: Any, kind: str, good: Samples, *odd: Values) -> Case:
    """Make a case of an annotation whose values may be read back as another type."""
    return _case(annotation, kind, good, odd, converts=True)


def _case(
    annotation: Any, kind: str, good: Samples, odd: tuple[Values, ...], *, converts: bool
) -> Case:
    unfit = evenly(*map(misfits, [*odd, *odd, others]))
    called = getattr(annotation, "__name__", str(annotation))
    values = mostly(good, unfit)
    return Case(annotation, values, called, kinds(*kind.split()), converts=converts, odd=unfit)


numbers = fits(floats) | becomes(round_integers, float)
odd_numbers = st.sampled_from([float("nan"), float("inf"), -float("inf")]) | floats.map(Real)
SCALARS: list[Case] = [
    case(None, "null", st.none()),
    case(bool, "bool", st.booleans(), st.sampled_from([0, 1])),
    case(int, "int", integers, integers.map(Number), st.builds(lambda: 10**5000)),
    converting(float, "float", numbers, unround_integers, odd_numbers),
    converting(float | None, "float null", numbers | fits(st.none()), unround_integers, odd_numbers),
    case(str, "string", text, words.map(Text), broken_text),
    case(bytes, "string", st.binary(max_size=4), st.binary(max_size=4).map(bytearray), st.just(Blob(b"a"))),
    converting(datetime, "string", becomes(instants, fixed), st.datetimes(), st.just(Instant(2026, 1, 1, tzinfo=UTC)), st.dates(), st.datetimes(timezones=st.just(tiny))),
    case(date, "string", st.dates(), st.datetimes(), st.just(Day(2026, 1, 1))),
    converting(time, "string", becomes(clocks, fixed), st.just(Clock(1)), st.just(time(1, tzinfo=PARIS)), st.just(time(1, tzinfo=tiny))),
    case(timedelta, "int float", spans, st.timedeltas(), st.just(timedelta.max), st.just(Span(1))),
    case(UUID, "string", st.uuids(), st.uuids().map(lambda one: Key(one.hex))),
    case(Decimal, "string", decimals, odd_decimals, decimals.map(Price)),
    case(Path, "string", names.map(Path), names.map(PurePosixPath), st.just(Path("\udcff"))),
    case(PosixPath, "string", names.map(PosixPath), names.map(PurePosixPath)),
    converting(PurePath, "string", becomes(names.map(PurePosixPath) | names.map(Path), PurePosixPath), names.map(PureWindowsPath), names.map(Place)),
    converting(PurePosixPath, "string", becomes(names.map(PurePosixPath) | names.map(Path), PurePosixPath), names.map(PureWindowsPath), names.map(Place)),
]  # fmt: skip
