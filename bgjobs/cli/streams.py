"""The streams of the process: closed ones, those that are not read, and who may write."""

import io
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout, suppress

_STDOUT, _STDERR = 1, 2


def fill() -> bool:
    """Put nothing in the place of closed streams; return whether stdout was closed.

    A file that is opened next, a database perhaps, would else have the number of one.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # has the lowest number that is free, which is this one
    # Python has None in the place of what was closed, whatever their types say.
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        number = os.open(os.devnull, os.O_RDWR)
        setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w"))
    return "stdout" in closed


def write_as_a_whole() -> None:
    """Put a buffer before stdout where it has none, as with PYTHONUNBUFFERED.

    A text that was written in part, because its reader ended, is else taken for written.
    """
    buffer = getattr(sys.stdout, "buffer", None)
    if isinstance(buffer, io.RawIOBase):
        sys.stdout = io.TextIOWrapper(
            os.fdopen(buffer.fileno(), "wb", closefd=False),
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors,
            line_buffering=True,
        )


@contextmanager
def kept_for_answers() -> Generator[None]:
    """Send what others print to stderr: stdout has the answer of the command alone."""
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def kept_for_answers_by_all() -> Generator[None]:
    """Do the same for what is written past `sys.stdout`, such as by another program."""
    sys.stdout.flush()
    try:
        kept = os.dup(_STDOUT)
    except OSError:
        with kept_for_answers():
            yield
        return
    try:
        os.dup2(_STDERR, _STDOUT)
        with kept_for_answers():
            yield
    finally:
        os.dup2(kept, _STDOUT)
        os.close(kept)


def finish() -> None:
    """Write what is left in stdout; `BrokenPipeError` where its reader has gone."""
    sys.stdout.flush()


def abandon() -> None:
    """Drop what is left in stdout and stderr, as it is not read any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # one that is no file of the system
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
