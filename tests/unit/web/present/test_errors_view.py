"""Errors begin with what was raised, and fold their traceback."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.text import error_text, visible
from bgjobs.web.present.errors_view import (
    MOST_FRAMES,
    TraceFrame,
    error,
    error_parts,
    headline,
)
from tests.unit.web.present.markup import HOSTILE, read, shown

TEXT = """\
ValueError: no such user: <b>
Did you mean 'ada'?

Traceback (most recent call last):
  File "/app/jobs.py", line 12, in visit
    send(user)
    ~~~~^^^^^^
  File "/venv/lib/python3.11/site-packages/mail/send.py", line 3, in send
    raise ValueError(user)
  File "/usr/lib/python3.11/json/decoder.py", line 337, in decode
ValueError: no such user: <b>"""

GROUP = """\
ExceptionGroup: two (2 sub-exceptions)

  + Exception Group Traceback (most recent call last):
  |   File "/app/jobs.py", line 1, in visit
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/jobs.py", line 2, in first
    |     raise ValueError
    | ValueError
    +------------------------------------"""


def test_the_parts_of_an_error_are_told_apart() -> None:
    found = error_parts(TEXT)
    assert found.headline == "ValueError: no such user: <b>"
    assert found.message == "Did you mean 'ada'?"
    own, mail, decoder = (one for one in found.trace if isinstance(one, TraceFrame))
    code = "send(user)\n~~~~^^^^^^"
    assert own == TraceFrame("/app/jobs.py", "12", "visit", code, 0)
    assert [own.is_library, mail.is_library, decoder.is_library] == [False, True, True]
    assert [one for one in found.trace if isinstance(one, str)] == [
        "Traceback (most recent call last):",
        "ValueError: no such user: <b>",
    ]


def test_the_frames_of_a_group_have_their_depth() -> None:
    found = [one for one in error_parts(GROUP).trace if isinstance(one, TraceFrame)]
    assert [(one.line, one.code, one.depth) for one in found] == [
        ("1", "", 1),
        ("2", "raise ValueError", 2),
    ]


def test_an_error_as_markup() -> None:
    text = (
        'KeyError: 1\n\nTraceback (most recent call last):\n  File "a.py", line 1, in f\n    x'
    )
    assert error(text) == (
        '<div class="error"><p class="error-headline"><bdi class="name">KeyError: 1</bdi></p>'
        '<details class="trace"><summary>1 frame</summary><pre class="trace-note"><bdi>'
        'Traceback (most recent call last):</bdi></pre><div class="trace-frame depth-0"><p>'
        '<span class="trace-path"><bdi class="name">a.py</bdi></span>, line 1, in '
        '<span class="trace-function"><bdi class="name">f</bdi></span></p>'
        '<pre class="trace-code"><bdi>x</bdi></pre></div></details></div>'
    )


def test_frames_of_libraries_are_folded_together() -> None:
    found = shown(error(TEXT))
    assert "3 frames, 2 of libraries" in found
    assert found.count("2 frames of libraries") == 1
    assert read(error(TEXT)).classes >= {"trace", "trace-library", "trace-frame"}


def test_a_text_without_a_traceback_is_shown_as_it_is() -> None:
    assert error("given up") == (
        '<div class="error"><p class="error-headline"><bdi class="name">given up</bdi></p>'
        "</div>"
    )
    assert shown(error("a\n b\n\nc")) == "ab\n\nc"
    assert shown(error("")) == ""


def test_the_first_line_is_the_headline() -> None:
    assert headline("\n a: b \r\nc") == "a: b"


def raised() -> str:
    try:
        try:
            raise KeyError("<inner>")
        except KeyError as inner:
            raise ExceptionGroup("many", [ValueError("a"), OSError("b")]) from inner
    except ExceptionGroup as group:
        return error_text(group)


def test_a_stored_error_is_shown_whole() -> None:
    text = raised()
    found = shown(error(text))
    for line in text.splitlines():
        assert (
            line.strip(" |+-").partition(" line ")[0].removeprefix("File ").strip('",') in found
        )


def test_what_is_cut_in_the_middle_is_shown() -> None:
    text = "E: x\n\nTraceback (most recent call last):\n  Fil\n... 9 characters cut ...\ny"
    assert "... 9 characters cut ..." in shown(error(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_text(text: str) -> None:
    read(error(text))
    line = visible(text).replace('"', "")
    frame = f'  File "{line}", line 1, in {line}\n    {text}\n'
    found = error(f"E: {line}\n{text}\n\nTraceback (most recent call last):\n{frame}{text}")
    assert shown(found).startswith(f"E: {line}")
    assert {"trace-path", "trace-function"} <= read(found).classes


@given(st.text())
def test_any_text_is_inert(text: str) -> None:
    read(error(text))


@given(
    st.lists(
        st.sampled_from(
            [
                "Traceback (most recent call last):",
                '  File "a", line 1, in f',
                '  |   File "<b>", line 1',
                "    code <i>",
                "  | ",
                "  +-+---------------- 1 ----------------",
                "",
                "x",
            ]
        )
    )
)
def test_lines_in_any_order_are_kept(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = shown(error(text))
    assert found.count("code <i>") == text.count("code <i>")
    assert found.count("----- 1 -----") == text.count("----- 1 -----")


FRAME = '  File "/x/<b>.py", line 1, in f\n'


@pytest.mark.parametrize(
    "line",
    [FRAME, "\n", "x", "\u202e", '  File "', "  | " * 50 + "\n", "Traceback (most recent"],
)
def test_an_error_of_a_megabyte_has_bounded_markup(line: str) -> None:
    text = "E: x\n\nTraceback (most recent call last):\n" + line * (1_000_000 // len(line))
    found = error(text)
    read(found)
    assert len(found) < 250_000
    assert "more characters" in found or not text.strip().count("\n")
    assert found.count('class="trace-frame') <= MOST_FRAMES
