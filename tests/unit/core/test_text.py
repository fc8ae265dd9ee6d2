from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.text import clean_text, error_text

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


def test_the_chain_and_the_group_are_whole() -> None:
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
def test_an_exploding_message_does_not_explode_here(bomb: BaseException) -> None:
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
