"""Stored texts are escaped, cut, and have no character that cannot be seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.text import is_visible, visible, visible_lines
from bgjobs.web.present.text import label, left_out, lines, marked, name, passage
from tests.unit.web.present.markup import HOSTILE, read, shown

ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]))


@given(ANY_TEXT)
def test_a_name_is_read_as_the_visible_form_of_its_text(text: str) -> None:
    assert shown(name(text, len(text))) == visible(text)


@given(ANY_TEXT)
def test_a_passage_is_read_as_the_visible_form_of_its_lines(text: str) -> None:
    assert shown(passage(text, len(text))) == visible_lines(text)


@given(ANY_TEXT, st.integers(1, 50))
def test_a_label_is_visible_and_not_too_long(text: str, longest: int) -> None:
    found = label(text, longest)
    assert len(found) <= longest
    assert is_visible(found)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_text(text: str) -> None:
    assert shown(name(text, 1_000)) == visible(text)
    assert read(passage(text)).classes <= {"passage", "invisible"}


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("a", "a"),
        ("<b>", "&lt;b&gt;"),
        ("a\u202eb", 'a<span class="invisible">\\u202e</span>b'),
        ("\\u202e", "\\u202e"),
        ("\n\0", '<span class="invisible">\\n\\x00</span>'),
        ("\ud800", '<span class="invisible">\\ud800</span>'),
    ],
)
def test_invisible_characters_are_set_apart(text: str, markup: str) -> None:
    assert marked(text) == markup


def test_a_name_is_isolated_and_cut() -> None:
    assert name("abcd", 4) == '<bdi class="name">abcd</bdi>'
    cut = '<span class="cut">… 2 more characters</span>'
    assert name("abcdef", 4) == f'<bdi class="name">abcd{cut}</bdi>'


def test_a_passage_keeps_its_lines() -> None:
    assert lines("a\r\nb\nc") == "a\nb\nc"
    cut = '<span class="cut">… 1 more character</span>'
    assert passage("\na", 1) == f'<pre class="passage"><bdi>\n</bdi></pre>{cut}'


def test_a_long_label_ends_with_an_ellipsis() -> None:
    assert label("abcd", 4) == "abcd"
    assert label("abcde", 4) == "abc…"


def test_nothing_is_remarked_if_all_is_shown() -> None:
    assert left_out(0) == ""
    assert left_out(-5) == ""
    assert left_out(2_000, "row") == '<span class="cut">… 2,000 more rows</span>'


@pytest.mark.parametrize("unit", ["x", "<", "\u202e", "a\u202e", "\n", "\r\n", "&\0"])
def test_a_text_of_a_megabyte_has_bounded_markup(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert len(passage(text)) < 300_000
    assert len(name(text)) < 5_000
