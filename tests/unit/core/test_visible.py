"""What cannot be seen is written out: on one line, over lines, in JSON of the same value."""

import json
import unicodedata

import pytest

from bgjobs._core.text import is_visible, visible, visible_json, visible_lines

ALL = [chr(code) for code in range(0x110000)]
HIDDEN = [one for one in ALL if not is_visible(one)]
HOSTILE = (
    "\0\x07\x08\t\n\v\f\r\x1b\x7f\x80\x85\x9b\x9d\xad"
    "\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2066\u2067\u2068\u2069\ufeff\ufff9\ud800\ue000\udfff\uffff"
    "\u034f\u115f\u3164\ufe0f\U000e0041\U000e0101\U0010ffff\xa0"
)


def test_all_that_moves_turns_or_hides_is_hidden() -> None:
    categories = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    expected = {one for one in ALL if unicodedata.category(one) in categories}

    assert expected <= set(HIDDEN)
    assert set(HOSTILE) <= set(HIDDEN)
    assert not set(HIDDEN) & set(map(chr, range(0x20, 0x7F)))


@pytest.mark.parametrize("text", ["", "plain", "naïve café", "日本語", "שלום", "🦉", "\\x1b[m"])
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert visible(text) == visible_lines(text) == text
    assert json.loads(visible_json(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("é\u200bé\x9b2J", "é\\u200bé\\x9b2J"),
        ("\ud800\U000e0041", "\\ud800\\U000e0041"),
    ],
)
def test_the_rest_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_nothing_hidden_is_left() -> None:
    text = "".join(HIDDEN)

    assert is_visible(visible(text))
    assert visible(visible(text)) == visible(text)
    assert is_visible(visible_lines(text).replace("\n", ""))
    assert is_visible(visible_json(json.dumps(text, ensure_ascii=False)))


def test_lines_stay_lines() -> None:
    assert visible_lines("a\n  b\r\nc\rd\u2028e\n") == "a\n  b\nc\\rd\\u2028e\n"


def test_json_keeps_its_value_and_its_lines() -> None:
    document = {HOSTILE: [HOSTILE, 1, None]}

    for indent in (None, 2):
        written = visible_json(json.dumps(document, indent=indent, ensure_ascii=False))
        assert json.loads(written) == document
        assert is_visible(written.replace("\n", ""))
        assert written.count("\n") == (6 if indent else 0)
