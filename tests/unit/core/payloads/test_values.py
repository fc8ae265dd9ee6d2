# ruff: noqa: E501 - a table reads by its rows
"""The JSON of values of all annotations, and the errors for values that do not fit."""

import dataclasses
import enum
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest

from bgjobs.errors import PayloadError
from tests.unit.core.payloads.cases.containers import Word
from tests.unit.core.payloads.helpers import problems_of, problems_with, through, worker_of

T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@attrs.frozen
class Mail:
    to: list[str]
    _size: int = 0
    made: datetime | None = attrs.field(default=None, kw_only=True)
    seen: bool = attrs.field(default=False, init=False)


@dataclasses.dataclass
class Point:
    x: int
    converter: float = 0.0
    cl: "Point | None" = None


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Options(TypedDict):
    name: str
    size: NotRequired[int]


Odd = TypedDict("Odd", {"content-type": int, "a b": int, "it's\n": int}, total=False)


@attrs.frozen
class Tree:
    leaves: "dict[str, Tree]"
    next: "Tree | None" = None


@attrs.frozen
class Box(Generic[T]):
    item: T
    items: list[T] = attrs.field(factory=list)


@attrs.frozen
class IntBox(Box[int]):
    name: str = ""


@attrs.frozen
class Cat:
    kind: Literal["cat"]
    lives: int = 9


@attrs.frozen
class Dog:
    kind: Literal["dog"]


@attrs.frozen
class Fallback:
    to: int = 0


@attrs.frozen
class Picky:
    age: int = attrs.field(validator=attrs.validators.ge(18))


PLUS_TWO = timezone(timedelta(hours=2))
NOON = datetime(2024, 5, 1, 12, tzinfo=PLUS_TWO)
SOME_ID = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("annotation", "value", "json"),
    [
        (None, None, "null"),
        (bool, True, "true"),
        (int, -5, "-5"),
        (int, 10**30, "1" + "0" * 30),
        (float, 1.5, "1.5"),
        (float, 3, "3.0"),
        (str, "é\n", '"é\\n"'),
        (bytes, b"\x00\xff", '"AP8="'),
        (datetime, NOON, '"2024-05-01T12:00:00+02:00"'),
        (date, date(2024, 5, 1), '"2024-05-01"'),
        (time, time(12, 30), '"12:30:00"'),
        (time, time(12, 30, tzinfo=PLUS_TWO), '"12:30:00+02:00"'),
        (timedelta, timedelta(minutes=1), "60"),
        (timedelta, timedelta(milliseconds=-1500), "-1.5"),
        (UUID, SOME_ID, f'"{SOME_ID}"'),
        (Decimal, Decimal("1.10"), '"1.10"'),
        (Path, Path("/a/b"), '"/a/b"'),
        (PurePosixPath, PurePosixPath("a"), '"a"'),
        (Colour, Colour.RED, '"red"'),
        (Level, Level.HIGH, "2"),
        (Word, Word.YES, '"yes"'),
        (Rights, Rights.READ | Rights.WRITE, "3"),
        (Literal["a", 1, Colour.BLUE] | None, Colour.BLUE, '"blue"'),
        (Literal["a", 1, True], True, "true"),
        (Literal["a", 1, True], 1, "1"),
        (list[int], [1, 2], "[1,2]"),
        (list[list[str]], [["a"], []], '[["a"],[]]'),
        (Sequence[int], [1], "[1]"),
        (tuple[int, str], (1, "a"), '[1,"a"]'),
        (tuple[int, ...], (1, 2, 3), "[1,2,3]"),
        (tuple[()], (), "[]"),
        (set[int], {1}, "[1]"),
        (set[str], {"b", "a!", "a", 'a"'}, '["a!","a","a\\"","b"]'),
        (frozenset[int | str], frozenset({10, 9, "1"}), '["1",10,9]'),
        (frozenset[UUID], frozenset({SOME_ID}), f'["{SOME_ID}"]'),
        (AbstractSet[str], frozenset({"a"}), '["a"]'),
        (dict[str, int], {"a": 1}, '{"a":1}'),
        (Mapping[Colour, list[int]], {Colour.RED: [1]}, '{"red":[1]}'),
        (dict[UUID, int], {SOME_ID: 1}, f'{{"{SOME_ID}":1}}'),
        (UserId, 5, "5"),
        (Annotated[int, "unit", []], 5, "5"),
        (Optional[int], None, "null"),  # noqa: UP045 - the old spelling
        (Union[int, str], "5", '"5"'),  # noqa: UP007 - the old spelling
        (int | float, 5, "5"),
        (int | float, 5.0, "5.0"),
        (float | str, 5.5, "5.5"),
        (bool | int | str | None | list[int] | dict[str, int], True, "true"),
        (list[int] | int, [5], "[5]"),
        (Level | float, Level.LOW, "1"),
        (Literal["a"] | Literal["b"] | int, "b", '"b"'),  # noqa: PYI030 - unions of named literals look so
        (Pair | list[int], Pair(1), '{"left":1,"right":"r"}'),
        (tuple[int, str] | Pair, Pair(1, "a"), '{"left":1,"right":"a"}'),
        (Mail, Mail(["a"], 3, made=NOON), '{"to":["a"],"_size":3,"made":"2024-05-01T12:00:00+02:00"}'),
        (Point, Point(1, 2.0, Point(3)), '{"x":1,"converter":2.0,"cl":{"x":3,"converter":0.0,"cl":null}}'),
        (Pair, Pair(1, "a"), '{"left":1,"right":"a"}'),
        (Options, {"name": "a"}, '{"name":"a"}'),
        (Options, {"name": "a", "size": 1}, '{"name":"a","size":1}'),
        (Options, {"size": 1, "name": "a"}, '{"name":"a","size":1}'),
        (Odd, {"content-type": 1, "a b": 2}, '{"content-type":1,"a b":2}'),
        (Odd, {"it's\n": 3}, '{"it\'s\\n":3}'),
        (Tree, Tree({"a": Tree({})}, Tree({})), '{"leaves":{"a":{"leaves":{},"next":null}},"next":{"leaves":{},"next":null}}'),
        (Box[str], Box("a", ["b"]), '{"item":"a","items":["b"]}'),
        (Box[Box[int]], Box(Box(1)), '{"item":{"item":1,"items":[]},"items":[]}'),
        (IntBox, IntBox(1, [2], "a"), '{"item":1,"items":[2],"name":"a"}'),
        (Cat | Dog, Dog("dog"), '{"kind":"dog"}'),
        (list[Cat | Dog | None], [Cat("cat"), None], '[{"kind":"cat","lives":9},null]'),
        (Point | Cat, Cat("cat"), '{"kind":"cat","lives":9}'),
        (Point | Fallback, Fallback(3), '{"to":3}'),
    ],
)  # fmt: skip
def test_a_value_is_stored_as_json_and_read_back(
    annotation: Any, value: Any, json: str
) -> None:
    one = worker_of(annotation)
    payload = one.request(value).payload
    assert payload == f'{{"it":{json}}}'
    (_, kwargs) = one.decode(payload)
    assert kwargs == {"it": value}
    assert type(kwargs["it"]) is type(value) or annotation is float


@pytest.mark.parametrize(
    ("annotation", "value", "problems"),
    [
        (int, "5", ["it: expected int, found str"]),
        (int, True, ["it: expected int, found bool"]),
        (int, 5.0, ["it: expected int, found float"]),
        (int, None, ["it: expected int, found None"]),
        (bool, 1, ["it: expected bool, found int"]),
        (None, 0, ["it: expected None, found int"]),
        (float, "5", ["it: expected float, found str"]),
        (float, False, ["it: expected float, found bool"]),
        (float, math.nan, ["it: expected a finite float, found NaN, Infinity or an int beyond it"]),
        (float, 10**400, ["it: expected a finite float, found NaN, Infinity or an int beyond it"]),
        (str, b"a", ["it: expected str, found bytes"]),
        (bytes, "a", ["it: expected bytes, found str"]),
        (datetime, datetime(2024, 1, 1), ["it: expected datetime with a time zone, found a naive one"]),  # noqa: DTZ001 - the point
        (datetime, date(2024, 1, 1), ["it: expected datetime, found date"]),
        (date, NOON, ["it: expected date, found datetime"]),
        (time, time(1, tzinfo=ZoneInfo("Europe/Berlin")), ["it: expected time with a fixed offset or none, found a named zone"]),
        (timedelta, 5, ["it: expected timedelta, found int"]),
        (timedelta, timedelta.max, ["it: expected timedelta that seconds as a float keep exactly, found a longer one"]),
        (Decimal, Decimal("NaN"), ["it: expected a finite Decimal, found NaN or Infinity"]),
        (Decimal, 1.0, ["it: expected Decimal, found float"]),
        (UUID, str(SOME_ID), ["it: expected UUID, found str"]),
        (Path, "a", ["it: expected Path, found str"]),
        (Colour, "red", ["it: expected Colour, found str"]),
        (Literal["a", "b"], "c", ["it: expected one of 'a', 'b', found another str"]),
        (Literal["a", "b"], ["a"], ["it: expected one of 'a', 'b', found list"]),
        (list[int], (1,), ["it: expected list, found tuple"]),
        (Sequence[str], "abc", ["it: expected sequence, found str"]),
        (list[str], ["a", 1, "b", None], ["it[1]: expected str, found int", "it[3]: expected str, found None"]),
        (tuple[int, str], (1,), ["it: expected tuple of 2, found 1 items"]),
        (tuple[int, str], ("a", 1), ["it[0]: expected int, found str", "it[1]: expected str, found int"]),
        (dict[str, int], {"a b": "c"}, ["it['a b']: expected int, found str"]),
        (dict[str, int], {5: 5}, ["it: key int: expected str, found int"]),
        (dict[str, int], {"x" * 50: ""}, [f"it['{'x' * 40}...']: expected int, found str"]),
        (int | str | None, 1.0, ["it: expected int or str or None, found float"]),
        (Mail, {"to": []}, ["it: expected Mail, found dict"]),
        (Mail, Mail(["a", 5]), ["it.to[1]: expected str, found int"]),  # type: ignore[list-item]  # the point
        (Point, Point("a", "b"), ["it.x: expected int, found str", "it.converter: expected float, found str"]),  # type: ignore[arg-type]  # the point
        (Box[int], IntBox(5), ["it: expected Box, found IntBox"]),
        (Options, {"size": "a", "more": 1}, ["it: missing field 'name'", "it.size: expected int, found str", "it: unexpected field 'more'"]),
        (Options, [], ["it: expected Options, found list"]),
        (list[int], ["x"] * 50, [f"it[{index}]: expected int, found str" for index in range(10)]),
        (Cat | Dog, Point(1), ["it: expected Cat or Dog, found Point"]),
        (list[list[str]], [["a", "b\0"]], ["it[0][1]: found a NUL character, which a database cannot store"]),
        (Mail, Mail(["a\ud800"]), ["it.to[0]: found a lone surrogate, which UTF-8 cannot encode"]),
        (dict[str, int], {"a\0": 1}, ["it keys: found a NUL character, which a database cannot store"]),
    ],
)  # fmt: skip
def test_encoding_refuses_values_that_do_not_fit(
    annotation: Any, value: Any, problems: list[str]
) -> None:
    assert problems_with(annotation, value) == problems


@pytest.mark.parametrize(
    ("annotation", "json", "problems"),
    [
        (int, '"5"', ["it: expected int, found str"]),
        (int, "1.0", ["it: expected int, found float"]),
        (int, "true", ["it: expected int, found bool"]),
        (float, "NaN", ["expected JSON, found NaN"]),
        (float, "1e999", ["it: expected a finite float, found NaN, Infinity or an int beyond it"]),
        (datetime, '"2024-05-01T12:00:00"', ["it: expected datetime with a time zone, found a naive one"]),
        (datetime, '"soon"', ["it: expected datetime as text, found other text"]),
        (datetime, "5", ["it: expected datetime as text, found int"]),
        (timedelta, '"5"', ["it: expected timedelta as seconds, found str"]),
        (timedelta, "1e300", ["it: expected timedelta as seconds, found a number out of range"]),
        (UUID, '"{12345678-1234-5678-1234-567812345678}"', ["it: expected UUID as text, found other text"]),
        (Decimal, '"Infinity"', ["it: expected Decimal as text, found other text"]),
        (Decimal, '"x"', ["it: expected Decimal as text, found other text"]),
        (bytes, '"a*=="', ["it: expected bytes as text, found other text"]),
        (Colour, '"green"', ["it: expected a value of Colour, found another str"]),
        (Colour, "5", ["it: expected a value of Colour, found int"]),
        (Level, "true", ["it: expected a value of Level, found bool"]),
        (Rights, "8", ["it: expected a value of Rights, found another int"]),
        (Literal[1], "true", ["it: expected one of 1, found bool"]),
        (list[int], '{"a":1}', ["it: expected list, found dict"]),
        (set[int], '"abc"', ["it: expected set, found str"]),
        (tuple[int, int], "[1,2,3]", ["it: expected tuple of 2, found 3 items"]),
        (dict[Colour, int], '{"green":1}', ["it: key 0: expected a value of Colour, found another str"]),
        (dict[str, int], '{"a":1,"secret":"x"}', ["it[1]: expected int, found str"]),
        (int | None, '"a"', ["it: expected int or None, found str"]),
        (Mail, "[]", ["it: expected Mail, found list"]),
        (Mail, '{"to":["a",1],"_size":"b","x":1,"y":2}', ["it.to[1]: expected str, found int", "it._size: expected int, found str", "it: found 2 unexpected fields, expected only 'to', '_size', 'made'"]),
        (Mail, "{}", ["it: missing field 'to'"]),
        (Point, '{"x":1,"cl":{"x":1,"cl":{}}}', ["it.cl.cl: missing field 'x'"]),
        (Pair, '{"left":1,"middle":1}', ["it: found 1 unexpected field, expected only 'left', 'right'"]),
        (Options, '{"size":1}', ["it: missing field 'name'"]),
        (Odd, '{"a b":"a"}', ["it.a b: expected int, found str"]),
        (Tree, '{"leaves":{"a":{"leaves":5}}}', ["it.leaves[0].leaves: expected dict, found int"]),
        (Picky, '{"age":5}', ["it: expected fields that Picky accepts, it raised ValueError"]),
        (Cat | Dog, '{"kind":"cow"}', ["it: expected Cat or Dog, found an object of other fields"]),
        (Cat | Dog, '{"kind":["cow"]}', ["it: expected Cat or Dog, found an object of other fields"]),
        (Cat | Dog, "{}", ["it: expected Cat or Dog, found an object of other fields"]),
        (str, '"a\\u0000"', ["it: found a NUL character, which a database cannot store"]),
        (str, '"\\ud800"', ["it: found a lone surrogate, which UTF-8 cannot encode"]),
        (int, "1" * 5000, ["expected JSON, found other text"]),
    ],
)  # fmt: skip
def test_decoding_refuses_json_that_does_not_fit(
    annotation: Any, json: str, problems: list[str]
) -> None:
    assert problems_of(worker_of(annotation).decode, f'{{"it":{json}}}') == problems


def test_errors_do_not_show_values() -> None:
    one = worker_of(Picky)
    with pytest.raises(PayloadError) as caught:
        one.decode('{"it":{"age":17}}')
    error = caught.value
    assert "17" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_instants_keep_their_offset() -> None:
    berlin = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    again = through(datetime, berlin)
    assert again == berlin
    assert again.utcoffset() == timedelta(hours=2)
    assert worker_of(datetime).decode('{"it":"2024-07-01T10:00:00Z"}')[1]["it"].tzinfo == UTC


def test_zero_keeps_its_sign() -> None:
    assert math.copysign(1, through(float, -0.0)) == -1
