"""Typed texts as JSON arguments, and what is wrong with them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bgjobs import Worker
from bgjobs.web.actions.argument_fields import argument_fields
from bgjobs.web.actions.argument_texts import json_arguments, request_of
from tests.unit.web.actions.workers import defaults, each, pay, stars

ALL = {
    "text": " a ",
    "whole": "7",
    "number": "2.5",
    "flag": "false",
    "colour": '"red"',
    "level": "3",
    "day": "2030-01-31",
    "moment": "2030-01-31 08:00",
    "wait": "90",
    "data": "AAE=",
    "rights": "3",
    "items": "[1, 2]",
    "either": '"x"',
    "maybe": "",
}


def read(
    worker: Worker[..., Any], typed: Mapping[str, str]
) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    fields = argument_fields(worker)
    return json_arguments(fields, {one.name: typed.get(one.name, one.filled) for one in fields})


def test_texts_become_the_json_of_their_types() -> None:
    arguments, problems = read(each, ALL)
    request, unfit = request_of(each, arguments)

    assert (problems, unfit) == ({}, {})
    assert request is not None
    assert json.loads(request.payload) == {
        "text": " a ",
        "whole": 7,
        "number": 2.5,
        "flag": False,
        "colour": "red",
        "level": 3,
        "day": "2030-01-31",
        "moment": "2030-01-31T08:00:00+00:00",
        "wait": 90,
        "data": "AAE=",
        "rights": 3,
        "items": [1, 2],
        "either": "x",
    }


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("text", "", "expected a value, found none"),
        ("whole", "7.5", "expected a whole number, found '7.5'"),
        ("whole", "\u0667", "expected a whole number, found '\u0667'"),
        ("number", "1e999", "expected a number such as 2.5, found '1e999'"),
        ("number", "nan", "expected a number such as 2.5, found 'nan'"),
        ("flag", "", "expected a value, found none"),
        ("moment", "today", "expected a time in UTC such as 2030-01-31 08:00, found 'today'"),
        ("items", "[1", "expected JSON, found another text at character 3"),
        ("items", "[NaN]", "expected JSON, found another text"),
        ("items", "[" * 60_000, "expected JSON, found another text"),
    ],
    ids=str,
)
def test_a_text_that_is_no_such_value_is_a_problem_of_its_field(
    field: str, text: str, problem: str
) -> None:
    assert read(each, {**ALL, field: text})[1] == {field: problem}


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("colour", '"green"', "expected a value of Colour, found another str"),
        ("day", "tomorrow", "expected date as text, found other text"),
        ("data", "?", "expected bytes as text, found other text"),
        ("rights", "64", "expected a value of Rights, found another int"),
        ("items", '[1, "x"]', "items[1]: expected int, found str"),
        ("either", "[]", "expected int or str, found list"),
        ("text", "\0", "found a NUL character, which a database cannot store"),
        ("wait", "1" + "0" * 30, "expected timedelta as seconds, found a number out of range"),
    ],
    ids=ascii,
)
def test_a_value_that_does_not_fit_is_a_problem_of_its_field(
    field: str, text: str, problem: str
) -> None:
    arguments, problems = read(each, {**ALL, field: text})

    assert problems == {}
    assert request_of(each, arguments) == (None, {field: problem})


def test_what_is_as_it_was_filled_in_is_left_out() -> None:
    assert read(defaults, {}) == ({}, {})
    changed = {"text": "", "count": "", "level": "", "on": "false", "size": '{"width": 4}'}
    assert read(defaults, changed) == (
        {"text": "", "level": None, "on": False, "size": {"width": 4}},
        {},
    )


def test_arguments_of_any_number_come_last_and_by_their_names() -> None:
    arguments, problems = read(stars, {"first": "1", "rest": "[3, 4]", "more": '{"a b": 5}'})
    request, unfit = request_of(stars, arguments)

    assert (problems, unfit) == ({}, {})
    assert request is not None
    stored = {"first": 1, "second": 2, "rest": [3, 4], "more": {"a b": 5}}
    assert json.loads(request.payload) == stored


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"rest": "{}"}, {"rest": "expected tuple, found dict"}),
        ({"rest": '["x"]'}, {"rest": "rest[0]: expected int, found str"}),
        ({"more": "[]"}, {"more": "expected dict, found list"}),
        (
            {"more": '{"key": 1}'},
            {"more": "expected names without a field of their own, found 'key'"},
        ),
    ],
    ids=str,
)
def test_wrong_arguments_of_any_number_are_explained(
    typed: Mapping[str, str], problem: Mapping[str, str]
) -> None:
    arguments, problems = read(stars, {"first": "1", "key": "x", **typed})

    assert problems == {}
    assert request_of(stars, arguments) == (None, problem)


def test_the_problem_of_a_private_value_does_not_quote_it() -> None:
    arguments, _ = read(pay, {"card": '{"holder": "Ada", "number": ["4111"]}'})
    _, problems = request_of(pay, arguments)

    [(field, problem)] = problems.items()
    assert field == "card"
    assert problem.startswith("card.number: expected str, found list")
    assert "4111" not in problem
