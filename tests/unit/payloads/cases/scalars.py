# ruff: noqa: E501 - a table reads by its rows
"""Single values: numbers, texts and clocks at their limits, and what only looks like them."""

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.unit.payloads.cases.samples import (
    Case,
    Samples,
    Values,
    becomes,
    evenly,
    fits,
    kinds,
    misfits,
    mostly,
)


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
"""Up to here a float has every int."""
SECONDS = timedelta(microseconds=2**52)
"""Up to here seconds as a float have every microsecond."""
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
"""What may be given by mistake. No int: it is right where a float is."""

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
    datetime(2026, 3, 29, 2, 30, tzinfo=PARIS),  # an hour that is left out
    datetime(2026, 3, 29, 3, 30, tzinfo=PARIS),
    datetime(2026, 10, 25, 2, 30, tzinfo=PARIS),  # one that occurs twice
    datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1),
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC, fold=1),
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=PARIS),
])  # fmt: skip
tiny = timezone(timedelta(microseconds=1))  # Python cannot read what it writes of it
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
    """Keep the offset, as the documents say, and neither the zone's name nor its fold."""
    offset = one.utcoffset()
    zone = None if offset is None else UTC if not offset else timezone(offset)
    return one.replace(tzinfo=zone, fold=0)


def case(annotation: Any, kind: str, good: Values, *odd: Values) -> Case:
    return _case(annotation, kind, fits(good), odd, converts=False)


def converting(annotation: Any, kind: str, good: Samples, *odd: Values) -> Case:
    """Make a case of an annotation that takes what comes back as another type."""
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
