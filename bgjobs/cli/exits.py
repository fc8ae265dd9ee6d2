"""What the exit codes of `bgjobs` mean."""

from enum import IntEnum
from typing import final


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
    UNREAD = 141


MEANINGS = {
    ExitCode.DONE: "done; `run` stopped in order",
    ExitCode.NOT_DONE: "not done, or only in part; `doctor` found problems",
    ExitCode.USAGE: "wrong use: an option, a name, the application or its configuration",
    ExitCode.UNKNOWN_JOB: "there is no job with this id",
    ExitCode.STORE: "the store cannot be reached, or refuses",
    ExitCode.SCHEMA: "the schema is older or newer than this version needs",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.UNREAD: "the reader of the output ended first, as `head` does",
}
"""In the order of the help."""


def table() -> str:
    """Give one line for each code."""
    return "\n".join(f"{code:>4}  {meaning}" for code, meaning in MEANINGS.items())
