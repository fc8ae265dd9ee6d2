"""Texts of errors are short and storable, and invisible characters in them are escaped."""

import json
import unicodedata
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.text import (
    clean_text,
    error_text,
    is_visible,
    visible,
    visible_json,
    visible_lines,
)

E = TypeVar("E", bound=BaseException)


def raised(error: E) -> E:
    try:
        raise error
    except BaseException:  # noqa: BLE001 - any error is taken
        return error


class ExplodingError(Exception):
    def __init__(self, bomb: BaseException) -> None:
        self.bomb = bomb

    def __str__(self) -> str:
        raise self.bomb

    __repr__ = __str__


def test_the_summary_comes_first_and_the_traceback_follows() -> None:
    text = error_text(raised(ValueError("no such user")))
    assert text.startswith("ValueError: no such user\n\nTraceback (most recent call last):\n")
    assert text.endswith("ValueError: no such user")


def test_an_error_without_message_is_its_type() -> None:
    assert error_text(ValueError()).splitlines()[0] == "ValueError"


def test_causes_and_members_of_groups_are_complete() -> None:
    cause = raised(KeyError("inner cause"))
    group = ExceptionGroup("many", [raised(ValueError("first")), raised(OSError("second"))])
    group.__cause__ = cause
    text = error_text(raised(group))
    for part in ("inner cause", "many", "first", "second", "direct cause"):
        assert part in text


def test_unstorable_characters_are_replaced() -> None:
    text = error_text(raised(ValueError("a\0b\ud800c\udfffd")))
    assert text.startswith("ValueError: a\ufffdb\ufffdc\ufffdd")
    assert "\0" not in text
    text.encode()


def test_a_message_of_ten_mebibytes_is_cut_in_the_middle() -> None:
    text = error_text(raised(ValueError("x" * 10 * 2**20)))
    assert len(text) <= 8_192
    assert text.startswith("ValueError: xxx")
    assert " characters cut ...\n" in text
    assert text.endswith("xxx")


@pytest.mark.parametrize(
    "bomb", [RuntimeError("boom"), KeyboardInterrupt(), SystemExit(1), RecursionError()]
)
def test_a_message_that_raises_is_replaced(bomb: BaseException) -> None:
    text = error_text(raised(ExplodingError(bomb)))
    assert text.startswith(
        f"ExplodingError: <no message: __str__ raised {type(bomb).__name__}>\n\n"
    )


def test_a_str_that_gives_no_text() -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            return 5  # type: ignore[return-value]  # noqa: PLE0307 - that is the point

    assert error_text(OddError()).splitlines()[0].endswith("__str__ raised TypeError>")


def test_a_metaclass_that_hides_the_name() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> object:
            raise RuntimeError

    class HiddenError(Exception, metaclass=Meta):
        pass

    assert error_text(HiddenError("a")).startswith("an error without a name: a")


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 5, "short"),
        ("", 0, ""),
        ("abcdef", 3, "abc"),
        ("a\0b", 8, "a\ufffdb"),
        ("a" * 50 + "z" * 50, 40, "aaaaaa\n... 88 characters cut ...\nzzzzzz"),
    ],
)
def test_clean_text(text: str, limit: int, expected: str) -> None:
    assert clean_text(text, limit) == expected


@given(st.text(st.characters(exclude_categories=()), max_size=300), st.integers(0, 120))
def test_clean_text_always_fits_and_is_storable(text: str, limit: int) -> None:
    cleaned = clean_text(text, limit)
    assert len(cleaned) <= limit
    assert "\0" not in cleaned
    cleaned.encode()


ALL = [chr(code) for code in range(0x110000)]
HIDDEN = [one for one in ALL if not is_visible(one)]
HOSTILE = (
    "\0\x07\x08\t\n\v\f\r\x1b\x7f\x80\x85\x9b\x9d\xad"
    "\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2066\u2067\u2068\u2069\ufeff\ufff9\ud800\ue000\udfff\uffff"
    "\u034f\u115f\u3164\ufe0f\U000e0041\U000e0101\U0010ffff\xa0"
)


def test_control_and_format_characters_are_invisible() -> None:
    categories = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    expected = {one for one in ALL if unicodedata.category(one) in categories}

    assert expected <= set(HIDDEN)
    assert set(HOSTILE) <= set(HIDDEN)
    assert not set(HIDDEN) & set(map(chr, range(0x20, 0x7F)))


@pytest.mark.parametrize("text", ["", "plain", "naïve café", "日本語", "שלום", "🦉", "\\x1b[m"])
def test_visible_text_stays_as_it_is(text: str) -> None:
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
def test_invisible_characters_are_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_no_invisible_character_is_left() -> None:
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
