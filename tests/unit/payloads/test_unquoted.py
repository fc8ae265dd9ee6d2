"""What is stored is in no error: not its values, and not its keys, which may be data, too."""

import json
from enum import Enum
from typing import Any, TypedDict

import pytest
from attrs import field, frozen, make_class

import bgjobs
from bgjobs.errors import PayloadError

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
def test_what_is_stored_is_not_quoted(stored: Any, problem: str) -> None:
    with pytest.raises(PayloadError) as caught:
        send.decode(json.dumps(stored))
    assert caught.value.problems[0].startswith(problem)
    assert SECRET not in str(caught.value)


def test_a_stored_payload_that_is_too_deep_is_not_quoted() -> None:
    deep = f'{{"{SECRET}":' * 70 + "1" + "}" * 70
    with pytest.raises(PayloadError, match="nested deeper than 64 levels") as caught:
        send.decode(deep)
    assert SECRET not in str(caught.value)


def test_who_passes_arguments_is_told_their_names() -> None:
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

    def take(it: object) -> None: ...

    take.__annotations__["it"] = wide
    with pytest.raises(PayloadError) as caught:
        bgjobs.worker(take).decode('{"it":{"x":1,"y":2}}')
    expected = ", ".join(map(repr, names[:10]))
    assert caught.value.problems == (
        f"it: found 2 unexpected fields, expected only {expected}, ...",
    )
