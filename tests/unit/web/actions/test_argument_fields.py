"""The fields that a form has for the parameters of a worker."""

import bgjobs
from bgjobs.web.actions.argument_fields import argument_fields
from tests.unit.web.actions.workers import defaults, each, pay, stars


def test_each_annotation_has_its_kind_of_field() -> None:
    found = {one.name: (one.kind, one.is_required) for one in argument_fields(each)}

    assert found == {
        "text": ("text", True),
        "whole": ("whole", True),
        "number": ("number", True),
        "flag": ("choice", True),
        "colour": ("choice", True),
        "level": ("choice", False),
        "day": ("line", True),
        "moment": ("instant", True),
        "wait": ("number", True),
        "data": ("line", True),
        "rights": ("whole", True),
        "items": ("json", True),
        "either": ("json", True),
        "maybe": ("line", False),
    }


def test_a_field_shows_how_its_value_is_written() -> None:
    fields = [*argument_fields(each), *argument_fields(stars)]

    assert {one.name: one.written for one in fields if one.written} == {
        "day": "Such as 2030-01-31",
        "moment": "Such as 2030-01-31 08:00, in UTC",
        "wait": "In seconds",
        "data": "In base64",
        "items": "In JSON",
        "either": "In JSON",
        "rest": "In JSON, as an array",
        "more": "In JSON, as an object",
    }


def test_choices_are_json_with_a_text_of_one_line() -> None:
    found = {one.name: one.choices for one in argument_fields(each) if one.choices}

    assert found == {
        "flag": [("true", "yes"), ("false", "no")],
        "colour": [
            ('"red"', "RED (red)"),
            ('"</option><script>"', "BLUE (</option><script>)"),
        ],
        "level": [('"low"', "low"), ("3", "3")],
    }


def test_defaults_are_filled_in_unless_they_are_private_long_invisible_or_wrong() -> None:
    fields = argument_fields(defaults)
    hidden = ["card", "odd", "wrong", "long"]

    assert [one.name for one in fields if one.is_required] == []
    assert [one.name for one in fields if one.hides_default] == hidden
    assert {one.name: one.filled for one in fields if not one.hides_default} == {
        "text": "a\nb",
        "count": "3",
        "share": "0.5",
        "on": "true",
        "colour": '"red"',
        "level": "5",
        "size": '{"width": 1, "height": 2}',
    }
    assert {one.filled for one in fields if one.hides_default} == {""}


def test_arguments_of_any_number_are_json_and_may_be_left_out() -> None:
    found = [(one.name, one.annotation, one.kind) for one in argument_fields(stars)]

    assert found == [
        ("first", "int", "whole"),
        ("second", "int", "whole"),
        ("rest", "*int", "json"),
        ("key", "str", "text"),
        ("more", "**int", "json"),
    ]
    assert [one.name for one in argument_fields(stars) if one.is_required] == ["first"]


def test_the_annotation_is_shown_as_it_is_written() -> None:
    card, note = argument_fields(pay)
    assert (card.annotation.rpartition(".")[2], note.annotation) == ("Card", "str")
    assert argument_fields(each)[0].annotation == "str"


def test_a_worker_without_parameters_has_no_fields() -> None:
    @bgjobs.worker
    def tick() -> None: ...

    assert argument_fields(tick) == []
