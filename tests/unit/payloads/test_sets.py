# ruff: noqa: E501 - a table reads by its rows
"""Equal sets have one text, in every process and in whatever way they were filled."""

import dataclasses
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bgjobs.errors import PayloadError
from bgjobs.workers import Worker, worker

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


def test_processes_with_different_hash_seeds_write_one_text() -> None:
    texts = {printed(seed) for seed in (1, 2, 3, 4)}
    expected = (
        '{"names":["","a!","a","b","é"],"colours":["blue","red"],'
        '"tags":[{"name":"x","labels":["a","b","c"]},{"name":"x","labels":[]},'
        '{"name":"y","labels":[]}],"pairs":{"a":[["a",10],["a",2],["b",1]]}}\n'
    )
    assert texts == {expected}


def worker_of(annotation: Any) -> Worker[[Any], None]:
    def handler(it: Any) -> None: ...

    handler.__annotations__ = {"it": annotation}
    return worker(name="w")(handler)


@pytest.mark.parametrize("annotation", [set[int], set[int | str], set[float | None]])
def test_equal_sets_have_one_text_whatever_their_history(annotation: Any) -> None:
    one = worker_of(annotation)
    # A set keeps the room that it had, and with it another order of the same items.
    filled = set(range(1000))
    for number in range(1000):
        if number % 100:
            filled.remove(number)
    small = {0, 900, 100, 800, 200, 700, 300, 600, 400, 500}
    assert filled == small
    assert one.request(filled).payload == one.request(small).payload


def test_a_row_in_another_order_is_read_as_ever() -> None:
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
class Hooked:
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
        (set[Hooked], {Hooked(SKIPPED), Hooked(SKIPPED_TOO)}, f"it: {EQUAL}"),
        (list[set[Visit]], [set(), {Visit(SKIPPED), Visit(SKIPPED_TOO)}], f"it[1]: {EQUAL}"),
        (set[frozenset[datetime]], {frozenset({SKIPPED}), frozenset({SKIPPED_TOO})}, f"it: {EQUAL}"),
        (dict[datetime, int], {SKIPPED: 1, SKIPPED_TOO: 2}, f"it: key '2026-03-29T03:30:00+02:00': {EQUAL_KEYS}"),
        (dict[datetime, int], {REPEATED: 1, REPEATED.astimezone(UTC): 2}, f"it: key '2026-10-25T01:30:00+00:00': {EQUAL_KEYS}"),
        (list[dict[datetime, int]], [{SKIPPED: 1, SKIPPED_TOO: 2}], f"it[0]: key '2026-03-29T03:30:00+02:00': {EQUAL_KEYS}"),
    ],
)  # fmt: skip
def test_what_would_be_equal_when_it_is_read_back_is_refused(
    annotation: Any, value: Any, problem: str
) -> None:
    one = worker_of(annotation)
    with pytest.raises(PayloadError) as caught:
        one.request(value)
    assert list(caught.value.problems) == [problem]


def test_instants_that_differ_come_back_as_they_were() -> None:
    days = {SKIPPED, REPEATED, REPEATED.replace(fold=0).astimezone(UTC)}
    one = worker_of(set[datetime])
    [found] = one.decode(one.request(days).payload)[1].values()
    assert {each.timestamp() for each in found} == {each.timestamp() for each in days}
    visits = frozenset(map(Visit, days))
    several = worker_of(frozenset[Visit])
    [found] = several.decode(several.request(visits).payload)[1].values()
    assert len(found) == 3


def test_a_repeated_hour_may_be_a_key_where_what_is_read_back_is_compared() -> None:
    diary = Diary({REPEATED: 1, SKIPPED: 2})
    one = worker_of(Diary)
    [found] = one.decode(one.request(diary).payload)[1].values()
    assert [key.timestamp() for key in found.notes] == [key.timestamp() for key in diary.notes]
