"""Every error as one line and an exit code."""

from pathlib import Path
from uuid import UUID

import click
import pytest

from bgjobs import errors
from bgjobs.cli.errors import (
    EXIT_CODE_MEANINGS,
    CommandError,
    ExitCode,
    exit_code_table,
    explain,
    one_line,
)

JOB = UUID("01890000-0000-7000-8000-000000000000")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (CommandError("two\nlines"), 2, "two lines"),
        (click.UsageError("No such thing."), 2, "no such thing (see bgjobs --help)"),
        (click.ClickException("it broke"), 1, "it broke"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (errors.ConfigError(["a", "b"]), 2, "invalid configuration: a; b"),
        (
            errors.SchemaMismatchError("SQLite x.db", 0, 3),
            5,
            "SQLite x.db: expected schema version 3, found none; run bgjobs migrate up",
        ),
        (
            errors.SchemaMismatchError("SQLite x.db", 4, 3),
            5,
            (
                "SQLite x.db: expected schema version 3, found 4; "
                "a newer version of bgjobs created it: upgrade this one"
            ),
        ),
        (
            errors.StoreUnavailableError("PostgreSQL: no\nroute"),
            4,
            "the store cannot be reached: PostgreSQL: no route",
        ),
        (errors.StoreError("denied"), 4, "denied"),
        (
            errors.UnknownNameError("queue", "mial", ["mail"]),
            2,
            "no queue 'mial'; known queues: 'mail', did you mean 'mail'?",
        ),
        (
            errors.PayloadError("greet", ["times: expected int, found str"]),
            2,
            "payload of worker 'greet': times: expected int, found str",
        ),
        (ExceptionGroup("all", [errors.StoreError("denied")]), 4, "denied"),
        (
            ExceptionGroup("two", [ValueError("a"), KeyError("b")]),
            1,
            "two: ValueError: a; KeyError: 'b'",
        ),
        (
            PermissionError(13, "Permission denied", "out.jsonl"),
            1,
            "out.jsonl: Permission denied",
        ),
        (PermissionError(13, "No", Path("out.jsonl")), 1, "out.jsonl: No"),
        (ZeroDivisionError("by 0"), 1, "ZeroDivisionError: by 0 (--traceback shows where)"),
        (ZeroDivisionError(), 1, "ZeroDivisionError (--traceback shows where)"),
    ],
)
def test_an_error_becomes_one_line_and_an_exit_code(
    error: BaseException, code: int, message: str
) -> None:
    explained = explain(error)

    assert explained.message == message
    assert explained.code == code


def test_an_unknown_job_has_its_own_exit_code() -> None:
    assert explain(errors.UnknownJobError(JOB)).code == ExitCode.UNKNOWN_JOB


def test_an_error_line_is_escaped_and_limited() -> None:
    assert one_line("a\x1b[31mb\r\nc\td") == "a\\x1b[31mb c d"
    assert one_line("x" * 5_000) == "x" * 1_000 + "..."


def test_every_exit_code_is_explained() -> None:
    assert set(EXIT_CODE_MEANINGS) == set(ExitCode)
    assert exit_code_table().splitlines()[-2] == " 130  interrupted (Ctrl-C)"
