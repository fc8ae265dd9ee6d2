"""JSON of rows becomes a tree of bounded size, without what is hidden."""

import json
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bgjobs
from bgjobs._core.text import visible
from bgjobs.web.present.json_view import (
    LONGEST_STRING,
    MOST_DEPTH,
    MOST_ENTRIES,
    json_outline,
    json_tree,
)
from tests.unit.web.present.markup import HOSTILE, read, shown

SECRET = "hunter2"
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@attrs.frozen
class Login:
    user: str
    password: str = attrs.field(repr=False)
    codes: dict[str, int] = attrs.field(repr=False, factory=dict[str, int])


@attrs.frozen
class Receipt:
    number: int
    token: str = attrs.field(repr=False)


@bgjobs.worker
def visit(logins: list[Login]) -> None: ...


@bgjobs.worker(keep_result=True)
def enter(login: Login) -> Receipt | None:
    return None


def test_a_small_value_is_open() -> None:
    assert json_tree('{"a": [1, "x"], "b": {}}', ()) == (
        '<details class="json" open><summary>object, 2 members</summary>'
        '<ul class="json-entries"><li><bdi class="name">a</bdi>: '
        '<details class="json" open><summary>array, 2 items</summary>'
        '<ul class="json-entries"><li><span class="json-number">1</span></li>'
        '<li><span class="json-string"><bdi>"x"</bdi></span></li></ul></details></li>'
        '<li><bdi class="name">b</bdi>: '
        '<span class="json-empty">object, 0 members</span></li></ul></details>'
    )


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "-0",
        "1.10",
        "1e400",
        "0.1000000000000000055511151231257827",
        "123456789012345678901234567890",
        "NaN",
        "-Infinity",
        "true",
        "false",
        "null",
    ],
)
def test_scalars_are_shown_as_they_are_stored(text: str) -> None:
    assert shown(json_tree(text, ())) == text


def test_an_int_of_any_length_is_shown_in_part() -> None:
    found = shown(json_tree("9" * 10_000, ()))
    assert found == "9" * 399 + "…"


def test_members_of_the_same_name_are_all_shown() -> None:
    assert shown(json_tree('{"a":1,"a":2}', ())) == "object, 2 membersa: 1a: 2"


@settings(max_examples=30)
@given(JSON)
def test_any_value_is_inert(value: Any) -> None:
    read(json_tree(json.dumps(value), ()))
    read(json_outline(json.dumps(value)))


@given(st.text(max_size=LONGEST_STRING))
def test_a_string_is_read_as_its_visible_form(text: str) -> None:
    assert shown(json_tree(json.dumps(text), ())) == f'"{visible(text)}"'


@given(st.text(max_size=100))
def test_a_name_is_read_as_its_visible_form(name: str) -> None:
    found = shown(json_tree(json.dumps({name: 1}), ()))
    assert found == f"object, 1 member{visible(name)}: 1"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_text(text: str) -> None:
    for document in (text, json.dumps(text), json.dumps({text: [text]})):
        read(json_tree(document, ()))
        read(json_outline(document))


@pytest.mark.parametrize("document", ["", "{", '{"a":}', "[" * 100_000, "1 2", "{'a': 1}"])
def test_what_is_no_json_is_shown_as_text(document: str) -> None:
    found = shown(json_tree(document, ()))
    assert found.startswith(f"no readable JSON: {len(document):,} character")
    assert document[:10_000] in found


def test_what_is_no_json_is_not_shown_if_something_is_hidden() -> None:
    found = shown(json_tree(f'{{"password":"{SECRET}"', {"password"}))
    assert found == "no readable JSON: 21 characters"


def test_workers_know_the_hidden_fields_of_arguments_and_results() -> None:
    assert visit.redacted == {"password", "codes"}
    assert enter.redacted == {"password", "codes", "token"}


def test_hidden_fields_are_not_in_the_markup() -> None:
    request = visit.request([Login("ada", SECRET, {SECRET: 1}), Login("bob", SECRET)])
    found = json_tree(request.payload, visit.redacted)
    assert SECRET not in found
    assert shown(found).count("password: hidden") == 2
    assert "ada" in found


@settings(max_examples=30)
@given(JSON)
def test_nothing_below_a_hidden_name_is_shown(value: Any) -> None:
    document = json.dumps([{"password": value}, {"password": SECRET}])
    tree = shown(json_tree(document, {"password"}))
    object_ = "object, 1 memberpassword: hidden"
    assert tree == f"array, 2 items{object_}{object_}"


def test_an_outline_has_names_and_types_only() -> None:
    document = '{"a":1,"b":"x","c":[{"d":2}],"e":{"f":3},"g":null,"h":true,"<i":4}'
    assert json_outline(document).startswith(
        '<dl class="outline"><dt><bdi class="name">a</bdi></dt><dd>number</dd>'
    )
    assert shown(json_outline(document)) == (
        "anumberbstringcarray, 1 itemeobject, 1 membergnullhboolanother namenumber"
    )


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("{", "no readable JSON: 1 character"),
        ('"hunter2"', "string"),
        ("[1,2]", "array, 2 items"),
    ],
)
def test_an_outline_of_another_value_is_its_type(document: str, text: str) -> None:
    assert json_outline(document) == f'<span class="cut">{text}</span>'


def test_long_values_are_cut_with_a_remark() -> None:
    found = shown(json_tree(json.dumps(["x" * 1_500, *range(1_000)]), ()))
    assert "… 500 more characters" in found
    assert found.endswith(f"{MOST_ENTRIES - 2}… 901 more items")


def test_what_is_nested_too_deep_is_not_shown() -> None:
    found = shown(json_tree("[" * 100 + "]" * 100, ()))
    assert found == "array, 1 item" * (MOST_DEPTH + 1) + ", not shown"


@pytest.mark.parametrize(
    "value",
    [
        ["x"] * 250_000,
        [["x"] * 1_000] * 250,
        [[[["x"] * 40] * 40] * 40] * 4,
        {str(one): {"<" * 90: "&" * 900} for one in range(1_000)},
        ["\u202ex" * 500] * 400,
        "\u202e" * 1_000_000,
        {"\u202ex" * 100: 1},
    ],
    ids=range(7),
)
def test_a_value_of_a_megabyte_has_bounded_markup(value: Any) -> None:
    found = json_tree(json.dumps(value), ())
    read(found)
    assert len(found) < 600_000


def test_a_text_beyond_the_bound_is_not_parsed() -> None:
    found = json_tree(f'["{"x" * 2**20}"]', ())
    assert shown(found).startswith("no readable JSON: 1,048,580 characters")
    assert len(found) < 11_000
