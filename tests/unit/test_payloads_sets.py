"""Equal sets have one text, in every process and in whatever way they were filled."""

import os
import subprocess
import sys
from typing import Any

import pytest

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
