"""What went wrong, in one line and an exit code."""

import re
from pathlib import Path
from typing import final

import click

from bgjobs.cli.exits import ExitCode
from bgjobs.errors import (
    BgJobsError,
    ConfigError,
    NoWorkerForJobError,
    PayloadError,
    SchemaMismatchError,
    SearchError,
    StoreError,
    StoreUnavailableError,
    UnknownJobError,
    UnknownNameError,
    unwrapped,
)
from bgjobs.visible import visible

_LONGEST = 1_000
_BLANKS = re.compile(r"[ \t\r\n]+")
"""The lines of a message become one, with a blank for each end."""
_BEFORE_THE_COMMAND = ("--app", "--traceback")


_Kinds = tuple[type[BaseException], ...]
_CODES: tuple[tuple[_Kinds, ExitCode], ...] = (
    ((KeyboardInterrupt, click.Abort), ExitCode.INTERRUPTED),
    ((SchemaMismatchError,), ExitCode.SCHEMA),
    ((StoreError,), ExitCode.STORE),
    ((UnknownJobError,), ExitCode.UNKNOWN_JOB),
    ((ConfigError, UnknownNameError, NoWorkerForJobError, PayloadError), ExitCode.USAGE),
    ((SearchError, click.UsageError), ExitCode.USAGE),
)
"""The first that fits; all else is `NOT_DONE`."""


@final
class Fault(Exception):  # noqa: N818 - it is told to people, not handled by programs
    """A reason to stop that its text explains."""

    def __init__(self, message: str, code: ExitCode = ExitCode.USAGE) -> None:
        self.message: str = one_line(message)
        self.code = code
        super().__init__(self.message)


def fault_of(error: BaseException) -> Fault:
    """Explain any error."""
    error = unwrapped(error)
    return error if isinstance(error, Fault) else Fault(_message(error), _code(error))


def _message(error: BaseException) -> str:
    match error:
        case click.UsageError():
            text = _usage(error)
        case click.ClickException():
            text = error.format_message()
        case KeyboardInterrupt() | click.Abort():
            text = "interrupted"
        case BgJobsError():
            text = _own(error)
        case BaseExceptionGroup():
            text = _several(error)
        case OSError(filename=str() | bytes() | Path() as file):
            text = f"{file!s}: {error.strerror}"
        case _:
            text = f"{summary(error)} (--traceback shows where)"
    return text


def _code(error: BaseException) -> ExitCode:
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code
    return ExitCode.NOT_DONE


def one_line(text: str) -> str:
    """Return an error as one line of characters that can be seen, and not endless."""
    line = visible(_BLANKS.sub(" ", text).strip())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def summary(error: BaseException) -> str:
    """Give type and text of an error."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _usage(error: click.UsageError) -> str:
    command = "" if error.ctx is None else error.ctx.command_path.removeprefix("bgjobs")
    message = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption) and error.option_name in _BEFORE_THE_COMMAND:
        message = (
            f"{error.option_name} stands before the command: bgjobs {error.option_name} ..."
        )
    where = f"{command.strip()}: " if command else ""
    more = f"see bgjobs{command} --help"
    message = f"{message[:1].lower()}{message[1:]}"
    return f"{where}{message} ({more})"


def _own(error: BgJobsError) -> str:
    if isinstance(error, ConfigError):
        return f"invalid configuration: {'; '.join(error.problems)}"
    if isinstance(error, SchemaMismatchError):
        return _schema(error)
    if isinstance(error, StoreUnavailableError):
        return f"the store cannot be reached: {error}"
    return str(error)


def _schema(error: SchemaMismatchError) -> str:
    if error.found > error.expected:
        advice = "a newer version of bgjobs made it: upgrade this one"
    else:
        advice = "run bgjobs migrate up"
    return (
        f"{error.store}: expected schema version {error.expected}, "
        f"found {error.found or 'none'}; {advice}"
    )


def _several(group: BaseExceptionGroup[BaseException]) -> str:
    found = [summary(unwrapped(one)) for one in group.exceptions]
    return f"{group.message}: {'; '.join(found)}"
