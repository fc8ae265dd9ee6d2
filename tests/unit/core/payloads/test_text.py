# ruff: noqa: E501 - a table reads by its rows
"""The JSON text: its limits, the order of sets, and what errors quote."""

import dataclasses
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any, TypedDict
from zoneinfo import ZoneInfo

import pytest
from attrs import field, frozen, make_class

import bgjobs
from bgjobs.errors import PayloadError
from tests.unit.core.payloads.helpers import problems_of, problems_with, through, worker_of
from tests.unit.core.payloads.test_values import Tree


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert through(str, "\\u0000") == "\\u0000"


def test_exactly_one_mebibyte_passes() -> None:
    one = worker_of(str)
    room = 1_048_576 - len('{"it":""}')
    for text in ("x" * room, "é" * (room // 2) + "x" * (room % 2)):
        payload = one.request(text).payload
        assert len(payload.encode()) == 1_048_576
        assert one.decode(payload)[1] == {"it": text}
        expected = ["expected at most 1,048,576 bytes of JSON, found 1,048,577"]
        assert problems_of(one.request, text + "x") == expected
        assert problems_of(one.decode, payload + " ") == expected


def nested(levels: int) -> Tree:
    tree = Tree({})
    for _ in range(levels):
        tree = Tree({}, tree)
    return tree


def test_nesting_of_64_levels_passes() -> None:
    deepest = nested(61)  # 64 with the arguments around it and the empty dict inside
    assert through(Tree, deepest) == deepest
    [problem] = problems_with(Tree, nested(62))
    assert problem.startswith("it.next.next.next.")
    assert problem.endswith("...: nested deeper than 64 levels")


def test_a_value_deeper_than_the_recursion_limit_is_refused() -> None:
    deep = nested(100_000)
    try:
        expected = ["nested deeper than the recursion limit of Python"]
        assert problems_with(Tree, deep) == expected
    finally:
        while deep.next is not None:  # or its deletion would recurse too
            deep = deep.next


def test_a_hostile_row_is_refused() -> None:
    one = worker_of(Tree)
    for levels in (65, 5_000, 300_000):
        payload = "[" * levels + "]" * levels
        [problem] = problems_of(one.decode, payload)
        assert problem.endswith("nested deeper than 64 levels")


def test_an_int_with_too_many_digits_is_refused() -> None:
    assert problems_with(int, 10**5000) == ["it: found an int of too many digits"]
    several = {"a b": [1, 10**5000, None, -(10**5000)]}
    assert problems_with(dict[str, list[int | None]], several) == [
        "it['a b'][1]: found an int of too many digits",
        "it['a b'][3]: found an int of too many digits",
    ]


SECRET = "hunter2"


class Colour(Enum):
    RED = "red"


class Options(TypedDict, total=False):
    size: int


@frozen
class Mail:
    to: str
    size: int = 0


@frozen
class Cat:
    kind: str
    lives: int


@frozen
class Dog:
    kind: str
    tricks: int


@bgjobs.worker
def send(
    mail: Mail | None = None,
    options: Options | None = None,
    counts: dict[str, int] | None = None,
    by_colour: dict[Colour, dict[str, Mail]] | None = None,
    pet: Cat | Dog | None = None,
    many: list[dict[str, Mail]] | None = None,
    text: str = "",
) -> None:
    """Never run."""


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ({SECRET: 1}, "found 1 unexpected argument, expected only 'mail', 'options', "),
        (
            {"mail": {"to": "a", SECRET: 1}},
            "mail: found 1 unexpected field, expected only 'to'",
        ),
        ({"options": {SECRET: 1}}, "options: found 1 unexpected field, expected only 'size'"),
        ({"counts": {"a": 1, SECRET: SECRET}}, "counts[1]: expected int, found str"),
        ({"by_colour": {SECRET: {}}}, "by_colour: key 0: expected a value of Colour"),
        (
            {"by_colour": {"red": {SECRET: {"to": SECRET, "size": SECRET}}}},
            "by_colour[0][0].size: expected int, found str",
        ),
        ({"pet": {SECRET: 1}}, "pet: expected Cat or Dog, found an object of other fields"),
        ({"pet": {"kind": "cat", "lives": 9, SECRET: 1}}, "pet: found 1 unexpected field"),
        ({"many": [{SECRET: {"to": 5}}]}, "many[0][0].to: expected str, found int"),
        ({"counts": {f"{SECRET}\0": 1}}, "counts: found a NUL character"),
        ({f"{SECRET}\0": 1}, "found a NUL character"),
        ({SECRET: "\0"}, "found a NUL character"),
        ({"text": f"{SECRET}\0"}, "text: found a NUL character"),
        ({"text": f"{SECRET}\ud800"}, "text: found a lone surrogate"),
        ([{SECRET: "\0"}], "found a NUL character"),
    ],
)
def test_errors_do_not_quote_stored_payloads(stored: Any, problem: str) -> None:
    with pytest.raises(PayloadError) as caught:
        send.decode(json.dumps(stored))
    assert caught.value.problems[0].startswith(problem)
    assert SECRET not in str(caught.value)


def test_the_error_of_a_deep_payload_does_not_quote_it() -> None:
    deep = f'{{"{SECRET}":' * 70 + "1" + "}" * 70
    with pytest.raises(PayloadError, match="nested deeper than 64 levels") as caught:
        send.decode(deep)
    assert SECRET not in str(caught.value)


def test_errors_of_requests_name_unknown_fields_and_keys() -> None:
    wrong: Any = {"siez": 5}
    with pytest.raises(PayloadError, match="options: unexpected field 'siez'"):
        send.request(options=wrong)
    with pytest.raises(PayloadError, match=r"counts\['a'\]: expected int, found dict"):
        send.request(counts={"a": wrong})
    with pytest.raises(TypeError, match="unexpected keyword argument 'mial'"):
        send.request(mial=5)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] - the point


def test_at_most_ten_of_the_expected_names_are_listed() -> None:
    names = [f"field_{number}" for number in range(12)]
    wide: Any = make_class("Wide", {name: field(type=int, default=0) for name in names})
    expected = ", ".join(map(repr, names[:10]))
    assert problems_of(worker_of(wide).decode, '{"it":{"x":1,"y":2}}') == [
        f"it: found 2 unexpected fields, expected only {expected}, ..."
    ]


PROGRAM = """
import enum
from collections.abc import Set

import attrs
import bgjobs

class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"

@attrs.frozen
class Tag:
    name: str
    labels: frozenset[str] = frozenset()

@bgjobs.worker
async def mark(
    names: set[str],
    colours: frozenset[Colour],
    tags: Set[Tag],
    pairs: dict[str, set[tuple[str, int]]],
) -> None: ...

print(mark.request(
    {"b", "a", "a!", "é", ""},
    frozenset(Colour),
    {Tag("x", frozenset("cba")), Tag("y"), Tag("x")},
    {"a": {("a", 2), ("a", 10), ("b", 1)}},
).payload)
"""


def printed(seed: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def test_sets_have_the_same_text_under_any_hash_seed() -> None:
    texts = {printed(seed) for seed in (1, 2, 3, 4)}
    expected = (
        '{"names":["","a!","a","b","é"],"colours":["blue","red"],'
        '"tags":[{"name":"x","labels":["a","b","c"]},{"name":"x","labels":[]},'
        '{"name":"y","labels":[]}],"pairs":{"a":[["a",10],["a",2],["b",1]]}}\n'
    )
    assert texts == {expected}


@pytest.mark.parametrize("annotation", [set[int], set[int | str], set[float | None]])
def test_equal_sets_have_the_same_text(annotation: Any) -> None:
    one = worker_of(annotation)
    # A set that was larger keeps its capacity, and so another order.
    filled = set(range(1000))
    for number in range(1000):
        if number % 100:
            filled.remove(number)
    small = {0, 900, 100, 800, 200, 700, 300, 600, 400, 500}
    assert filled == small
    assert one.request(filled).payload == one.request(small).payload


def test_a_set_is_read_from_items_in_any_order() -> None:
    assert worker_of(set[int]).decode('{"it":[3,1,2,1]}') == ((), {"it": {1, 2, 3}})


PARIS = ZoneInfo("Europe/Paris")
SKIPPED = datetime(2026, 3, 29, 2, 30, tzinfo=PARIS)
SKIPPED_TOO = datetime(2026, 3, 29, 3, 30, tzinfo=PARIS)
REPEATED = datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1)
EQUAL = "expected items that still differ when read back, found two that would be equal"
EQUAL_KEYS = "found two keys that are equal when read back"


@dataclasses.dataclass(frozen=True)
class Visit:
    at: datetime


@dataclasses.dataclass(frozen=True)
class HookedVisit:
    at: datetime

    def __post_init__(self) -> None: ...


@dataclasses.dataclass
class Diary:
    notes: dict[datetime, int]

    def __post_init__(self) -> None: ...


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (set[datetime], {SKIPPED, SKIPPED_TOO}, f"it: {EQUAL}"),
        (frozenset[datetime], frozenset({SKIPPED, SKIPPED_TOO}), f"it: {EQUAL}"),
        (set[datetime], {REPEATED, REPEATED.astimezone(UTC)}, f"it: {EQUAL}"),
        (set[datetime | int], {SKIPPED, SKIPPED_TOO, 3}, f"it: {EQUAL}"),
        (frozenset[tuple[datetime, int]], frozenset({(SKIPPED, 1), (SKIPPED_TOO, 1)}), f"it: {EQUAL}"),
        (set[Visit], {Visit(SKIPPED), Visit(SKIPPED_TOO)}, f"it: {EQUAL}"),
        (set[HookedVisit], {HookedVisit(SKIPPED), HookedVisit(SKIPPED_TOO)}, f"it: {EQUAL}"),
        (list[set[Visit]], [set(), {Visit(SKIPPED), Visit(SKIPPED_TOO)}], f"it[1]: {EQUAL}"),
        (set[frozenset[datetime]], {frozenset({SKIPPED}), frozenset({SKIPPED_TOO})}, f"it: {EQUAL}"),
        (dict[datetime, int], {SKIPPED: 1, SKIPPED_TOO: 2}, f"it: key '2026-03-29T03:30:00+02:00': {EQUAL_KEYS}"),
        (dict[datetime, int], {REPEATED: 1, REPEATED.astimezone(UTC): 2}, f"it: key '2026-10-25T01:30:00+00:00': {EQUAL_KEYS}"),
        (list[dict[datetime, int]], [{SKIPPED: 1, SKIPPED_TOO: 2}], f"it[0]: key '2026-03-29T03:30:00+02:00': {EQUAL_KEYS}"),
    ],
)  # fmt: skip
def test_items_and_keys_that_would_become_equal_are_refused(
    annotation: Any, value: Any, problem: str
) -> None:
    assert problems_with(annotation, value) == [problem]


def test_different_instants_stay_different() -> None:
    days = {SKIPPED, REPEATED, REPEATED.replace(fold=0).astimezone(UTC)}
    found = through(set[datetime], days)
    assert {each.timestamp() for each in found} == {each.timestamp() for each in days}
    visits = frozenset(map(Visit, days))
    found = through(frozenset[Visit], visits)
    assert len(found) == 3


def test_a_repeated_hour_may_be_a_key_in_a_compared_class() -> None:
    diary = Diary({REPEATED: 1, SKIPPED: 2})
    found = through(Diary, diary)
    assert [key.timestamp() for key in found.notes] == [key.timestamp() for key in diary.notes]


def test_items_and_keys_with_the_same_text_are_refused() -> None:
    twice = datetime(2024, 10, 27, 2, 30, tzinfo=PARIS)
    fixed = twice.replace(tzinfo=timezone(timedelta(hours=2)))
    assert len({twice, fixed}) == 2
    assert problems_with(set[datetime], {twice, fixed}) == [
        "it: expected items that differ in JSON, found two with the same JSON"
    ]
    assert problems_with(dict[datetime, int], {twice: 1, fixed: 2}) == [
        "it: key '2024-10-27T02:30:00+02:00': found two keys with this text"
    ]
