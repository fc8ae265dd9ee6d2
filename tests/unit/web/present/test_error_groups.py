"""Failed jobs with errors that differ only in ids and numbers are one group."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bgjobs
from bgjobs.web.present.error_groups import (
    LONGEST_PATTERN,
    ErrorGroup,
    error_groups,
    error_pattern,
)

T0 = datetime(2030, 1, 1, tzinfo=UTC)


def failed(number: int, error: str) -> bgjobs.FailedJob[Any]:
    at = T0 + timedelta(seconds=number)
    return bgjobs.FailedJob(
        id=UUID(int=number),
        name="mail",
        payload="{}",
        created_at=T0,
        available_at=T0,
        failed_at=at,
        error=error,
    )


def test_the_most_frequent_error_comes_first() -> None:
    jobs = [
        failed(3, "KeyError: 17\n\ntraceback"),
        failed(9, "OSError: refused"),
        failed(5, "KeyError: 4\n\nanother traceback"),
        failed(2, "ValueError: x"),
    ]
    assert error_groups(jobs) == [
        ErrorGroup("KeyError: <number>", 2, T0 + timedelta(seconds=5), UUID(int=5)),
        ErrorGroup("OSError: refused", 1, T0 + timedelta(seconds=9), UUID(int=9)),
        ErrorGroup("ValueError: x", 1, T0 + timedelta(seconds=2), UUID(int=2)),
    ]
    assert error_groups([]) == []


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("no user 12,345.6 in 7", "no user <number> in <number>"),
        ("job 0192f0c1-2345-7abc-8def-0123456789ab", "job <id>"),
        ("job 0192F0C123457ABC8DEF0123456789AB", "job <id>"),
        ("<X object at 0x7f2a22b3d200>", "<X object at <address>>"),
        ("connect to 10.0.0.1:5432 refused", "connect to <address> refused"),
        ("connect to [fe80::1:2:3]", "connect to <address>"),
        ("no mailbox ada@example.org", "no mailbox <address>"),
        ("commit 64de0b64de0b64de missing", "commit <hex> missing"),
        ("sha256 of utf8 in python3.11", "sha256 of utf8 in python3.11"),
        ("user_17 of 5s", "user_<number> of <number>s"),
        ("at 12:30:05", "at <number>:<number>:<number>"),
        ("defaced facade", "defaced facade"),
    ],
)
def test_what_differs_in_each_job_is_replaced(line: str, pattern: str) -> None:
    assert error_pattern(line) == pattern


@given(st.text())
def test_any_text_has_one_line_of_pattern(text: str) -> None:
    assert "\n" not in error_pattern(text)


@pytest.mark.parametrize("unit", ["a", "1", ":", "a@", "1.", "0x", "\u202e", "-0123abcd"])
def test_a_text_of_a_megabyte_has_a_short_pattern(unit: str) -> None:
    found = error_pattern(unit * (1_000_000 // len(unit)))
    assert len(found) <= 10 * LONGEST_PATTERN
