"""The standard streams, and everything that the command line writes to them.

Answers go to stdout, notes and errors to stderr. No other module of `bgjobs.cli` writes. Every
character of a text is written as one that a person can see, and a text has no line ends but
those of the output. Colours are for terminals.
"""

import io
import json as json_format
import logging
import os
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stdout, suppress
from copy import copy
from typing import TYPE_CHECKING, Any, TextIO, cast

from bgjobs._core.text import visible, visible_json, visible_lines

if TYPE_CHECKING:  # rich is imported when something is drawn; completion and JSON need none
    from rich.console import Console, RenderableType

_STDOUT, _STDERR = 1, 2
_FILE_WIDTH = 100_000
"""Columns of a file, wide enough that each row of a table is one line."""
_LIBRARIES = ("bgjobs", "psycopg")
_NO_OUTPUT = logging.NullHandler()


def replace_closed_streams() -> bool:
    """Open the null device for each closed stream, and return whether stdout was closed.

    The next file that is opened, such as a database, would otherwise get the descriptor of a
    closed stream, and what is written to the stream would go into that file.
    """
    for descriptor, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest free descriptor, which is this one
    # Python sets a stream that was closed to None, whatever the type stubs say.
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        descriptor = os.open(os.devnull, os.O_RDWR)
        setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w"))
    return "stdout" in closed


def buffer_stdout() -> None:
    """Buffer stdout where it is unbuffered, as with ``PYTHONUNBUFFERED``.

    Python reports no error for an unbuffered text that was written in part because its reader
    ended.
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
def prints_to_stderr() -> Generator[None]:
    """Redirect what other code prints to stderr, so that stdout has only the answer."""
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def all_output_to_stderr() -> Generator[None]:
    """Redirect also what is written to the descriptor of stdout, such as by a child process."""
    sys.stdout.flush()
    try:
        kept = os.dup(_STDOUT)
    except OSError:
        with prints_to_stderr():
            yield
        return
    try:
        os.dup2(_STDERR, _STDOUT)
        with prints_to_stderr():
            yield
    finally:
        os.dup2(kept, _STDOUT)
        os.close(kept)


def flush_stdout() -> None:
    """Write what stdout has buffered; raise `BrokenPipeError` if its reader has ended."""
    sys.stdout.flush()


def discard_buffers() -> None:
    """Discard what stdout and stderr have buffered, because nothing reads it any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream without a descriptor
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def disable_last_resort_logging() -> None:
    """Keep Python from writing the libraries' logs where the application set up no logging."""
    for name in _LIBRARIES:
        logging.getLogger(name).addHandler(_NO_OUTPUT)


@contextmanager
def library_logs_disabled() -> Generator[None]:
    """Keep what libraries log from all handlers: they retry, and log each time they do."""
    kept = [(one, one.handlers, one.propagate) for one in _library_loggers()]
    for logger, _, _ in kept:
        is_top = logger.name in _LIBRARIES
        logger.handlers, logger.propagate = [_NO_OUTPUT] if is_top else [], not is_top
    try:
        yield
    finally:
        for logger, handlers, propagate in kept:
            logger.handlers, logger.propagate = handlers, propagate


def _library_loggers() -> list[logging.Logger]:
    tops = [logging.getLogger(name) for name in _LIBRARIES]
    below = tuple(f"{name}." for name in _LIBRARIES)
    known = [*logging.Logger.manager.loggerDict.items()]
    return tops + [
        one for name, one in known if name.startswith(below) and isinstance(one, logging.Logger)
    ]


def stdout() -> TextIO | None:
    """Return the present stdout, or None if the shell has closed it.

    Pass it to `line`, `json` or `json_line` where `sys.stdout` is redirected later.
    """
    return sys.stdout


def line(text: str, *, out: TextIO | None = None) -> None:
    """Write one line to stdout."""
    _write(out or sys.stdout, f"{visible(text)}\n")


def lines(text: str, *, err: bool = False) -> None:
    """Write a text to stdout or stderr, with the line ends that it has."""
    _write(sys.stderr if err else sys.stdout, f"{visible_lines(text)}\n")


def note(text: str) -> None:
    """Write one line to stderr."""
    _write(sys.stderr, f"{visible(text)}\n")


def trace(error: BaseException) -> None:
    """Write the traceback of an error to stderr."""
    lines("".join(traceback.format_exception(error)).rstrip("\n"), err=True)


def json(document: object, *, indent: int | None = 2, out: TextIO | None = None) -> None:
    """Write one JSON document to stdout, on one line if there is no indent."""
    stream = out or sys.stdout
    text = json_format.dumps(document, indent=indent, ensure_ascii=False)
    if not _can_encode(stream, text):
        text = json_format.dumps(document, indent=indent)
    _write(stream, f"{visible_json(text)}\n")


def json_line(text: str, *, out: TextIO | None = None) -> None:
    """Write one line of JSON to stdout in UTF-8, whatever the encoding of stdout is."""
    stream, written = out or sys.stdout, f"{visible_json(text)}\n"
    raw: io.BufferedIOBase | None = getattr(stream, "buffer", None)
    if raw is None:
        _write(stream, written)
        return
    stream.flush()  # keeps the order with what was written as text
    raw.write(written.encode())
    raw.flush()


def draw(what: "RenderableType") -> None:
    """Draw a table or a text on stdout; in a file, lines have no trailing blanks."""
    drawn = console(sys.stdout)
    if is_drawn():
        drawn.print(_escaped(what))
        return
    with drawn.capture() as captured:
        drawn.print(_escaped(what), soft_wrap=True)
    _write(sys.stdout, "".join(f"{one.rstrip()}\n" for one in captured.get().split("\n")[:-1]))


def answer(
    document: Callable[[], object], drawn: Callable[[], "RenderableType"], *, with_json: bool
) -> None:
    """Write a document as JSON, or draw the same facts for a person."""
    if with_json:
        json(document())
    else:
        draw(drawn())


@contextmanager
def live() -> Generator[Callable[["RenderableType"], None]]:
    """Draw repeatedly in the same place of the terminal."""
    from rich.live import Live  # noqa: PLC0415 - only where it is drawn

    with Live(console=console(sys.stdout), auto_refresh=False) as drawn:
        yield lambda what: drawn.update(_escaped(what), refresh=True)


@contextmanager
def progress_bar(title: str, total: int | None) -> Generator[Callable[[int], None]]:
    """Draw on stderr how much is done, if stderr is a terminal."""
    if not is_terminal(sys.stderr):
        yield lambda _: None
        return
    from rich import progress  # noqa: PLC0415 - only where it is drawn

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns, console=console(sys.stderr)) as bars:
        task = bars.add_task(visible(title), total=total)
        yield lambda done: bars.update(task, completed=done)


def confirm(question: str) -> bool:
    """Ask a question on the terminal, and return whether the answer was yes."""
    import click  # noqa: PLC0415 - the note that click is missing is written without it

    return click.confirm(visible(question), err=True)


def log_handler(form: str) -> logging.Handler:
    """Return a handler that logs to stderr, with each message on one line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(form))
    return handler


def log_to_stderr() -> None:
    """Log to stderr, unless the application has set up its own logging."""
    logging.basicConfig(handlers=[log_handler("%(asctime)s %(levelname)s %(message)s")])


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        shown = copy(record)
        shown.msg, shown.args = visible(record.getMessage()), None
        shown.exc_text = None  # another formatter may have cached its own
        return visible_lines(super().format(shown))


def console(stream: TextIO | None) -> "Console":
    """Return a console that styles its output only on a terminal."""
    from rich.console import Console  # noqa: PLC0415 - see above

    on_terminal = is_terminal(stream)
    coloured = on_terminal and not os.environ.get("NO_COLOR")
    return Console(
        file=None if stream is None else _with_escapes(stream),
        force_terminal=on_terminal,
        color_system="auto" if coloured else None,
        width=None if on_terminal else _FILE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is open and is a terminal."""
    return stream is not None and stream.isatty()


def is_drawn() -> bool:
    """Whether stdout is a terminal."""
    return is_terminal(sys.stdout)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # Python has None for a stream that the shell has closed
        _with_escapes(stream).write(text)
        stream.flush()


def _with_escapes(stream: TextIO) -> TextIO:
    """Make a stream escape the characters that its encoding does not have."""
    if stream.errors != "backslashreplace" and hasattr(stream, "reconfigure"):
        cast("io.TextIOWrapper[Any]", stream).reconfigure(errors="backslashreplace")
    return stream


def _can_encode(stream: TextIO | None, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8", "surrogatepass")
    except UnicodeEncodeError:
        return False
    return True


def _escaped(what: "RenderableType") -> "RenderableType":
    from bgjobs.cli.output.layout import Escaped  # noqa: PLC0415 - it imports rich

    return Escaped(what)
