"""The exit codes of `bgjobs`, and how any error becomes one line and an exit code."""

import re
from enum import IntEnum
from pathlib import Path
from typing import final

import click

from bgjobs._core.exceptions import unwrapped
from bgjobs._core.text import visible
from bgjobs.errors import (
    AmbiguousScheduleError,
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
)

_MAX_LENGTH = 1_000
_BLANKS = re.compile(r"[ \t\r\n]+")
_BEFORE_THE_COMMAND = ("--app", "--utc", "--traceback")


@final
class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    NOT_DONE = 1
    USAGE = 2
    UNKNOWN_JOB = 3
    STORE = 4
    SCHEMA = 5
    INTERRUPTED = 130
    BROKEN_PIPE = 141


EXIT_CODE_MEANINGS = {
    ExitCode.DONE: "done; `run` stopped in an orderly way",
    ExitCode.NOT_DONE: "not done, or only in part; `doctor` found problems",
    ExitCode.USAGE: "wrong use: an option, a name, the application or its configuration",
    ExitCode.UNKNOWN_JOB: "there is no job with this id",
    ExitCode.STORE: "the store cannot be reached, or refused the call",
    ExitCode.SCHEMA: "the schema is older or newer than this version needs",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.BROKEN_PIPE: "the reader of the output ended first, as `head` does",
}
"""In the order of the help."""


def exit_code_table() -> str:
    """Return one line for each exit code."""
    return "\n".join(f"{code:>4}  {meaning}" for code, meaning in EXIT_CODE_MEANINGS.items())


_Kinds = tuple[type[BaseException], ...]
_CODES: tuple[tuple[_Kinds, ExitCode], ...] = (
    ((KeyboardInterrupt, click.Abort), ExitCode.INTERRUPTED),
    ((SchemaMismatchError,), ExitCode.SCHEMA),
    ((StoreError,), ExitCode.STORE),
    ((UnknownJobError,), ExitCode.UNKNOWN_JOB),
    ((ConfigError, UnknownNameError, NoWorkerForJobError, PayloadError), ExitCode.USAGE),
    ((AmbiguousScheduleError, SearchError, click.UsageError), ExitCode.USAGE),
)
"""The first row that matches applies; any other error is `NOT_DONE`."""


@final
class CommandError(Exception):
    """An error whose text explains it, so that no traceback is needed."""

    def __init__(self, message: str, code: ExitCode = ExitCode.USAGE) -> None:
        self.message: str = one_line(message)
        self.code = code
        super().__init__(self.message)


def explain(error: BaseException) -> CommandError:
    """Return any error as one line and an exit code."""
    error = unwrapped(error)
    if isinstance(error, CommandError):
        return error
    return CommandError(_message(error), _code(error))


def _message(error: BaseException) -> str:
    match error:
        case click.UsageError():
            text = _usage(error)
        case click.ClickException():
            text = error.format_message()
        case KeyboardInterrupt() | click.Abort():
            text = "interrupted"
        case BgJobsError():
            text = _bgjobs_error(error)
        case BaseExceptionGroup():
            text = _group(error)
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
    """Return a text on one line, with invisible characters escaped and its length limited."""
    line = visible(_BLANKS.sub(" ", text).strip())
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}..."


def summary(error: BaseException) -> str:
    """Return the type and the text of an error."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _usage(error: click.UsageError) -> str:
    command = "" if error.ctx is None else error.ctx.command_path.removeprefix("bgjobs")
    message = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption) and error.option_name in _BEFORE_THE_COMMAND:
        message = f"{error.option_name} goes before the command: bgjobs {error.option_name} ..."
    where = f"{command.strip()}: " if command else ""
    more = f"see bgjobs{command} --help"
    message = f"{message[:1].lower()}{message[1:]}"
    return f"{where}{message} ({more})"


def _bgjobs_error(error: BgJobsError) -> str:
    if isinstance(error, ConfigError):
        return f"invalid configuration: {'; '.join(error.problems)}"
    if isinstance(error, SchemaMismatchError):
        return _schema(error)
    if isinstance(error, StoreUnavailableError):
        return f"the store cannot be reached: {error}"
    return str(error)


def _schema(error: SchemaMismatchError) -> str:
    if error.found > error.expected:
        advice = "a newer version of bgjobs created it: upgrade this one"
    else:
        advice = "run bgjobs migrate up"
    return (
        f"{error.store}: expected schema version {error.expected}, "
        f"found {error.found or 'none'}; {advice}"
    )


def _group(group: BaseExceptionGroup[BaseException]) -> str:
    found = [summary(unwrapped(one)) for one in group.exceptions]
    return f"{group.message}: {'; '.join(found)}"
