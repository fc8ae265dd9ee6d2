"""All that the command line writes: stdout for answers, stderr for the rest.

Nothing else in `bgjobs.cli` writes. Whatever a text holds, each of its characters arrives as
one that can be seen, and ends of lines are only where the output has them. Colours are for
terminals.
"""

import io
import json as json_format
import logging
import os
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, TextIO, cast

from bgjobs.visible import visible, visible_json, visible_lines

if TYPE_CHECKING:  # rich is imported when something is drawn; completion and JSON need none
    from rich.console import Console, RenderableType

_WIDTH_OF_A_FILE = 100_000
"""Columns where no terminal bounds them: a line of a table is one line of the file."""


def stdout() -> TextIO | None:
    """Return stdout as it is now; None where the shell has closed it.

    It is given back to `line`, `json` and `json_line` where stdout is another one meanwhile.
    """
    return sys.stdout


def line(text: str, *, out: TextIO | None = None) -> None:
    """Write one line to stdout."""
    _write(out or sys.stdout, f"{visible(text)}\n")


def lines(text: str, *, err: bool = False) -> None:
    """Write a text to stdout or stderr with the ends of lines that it has."""
    _write(sys.stderr if err else sys.stdout, f"{visible_lines(text)}\n")


def note(text: str) -> None:
    """Write one line to stderr."""
    _write(sys.stderr, f"{visible(text)}\n")


def trace(error: BaseException) -> None:
    """Write the traceback of an error to stderr."""
    lines("".join(traceback.format_exception(error)).rstrip("\n"), err=True)


def json(document: object, *, indent: int | None = 2, out: TextIO | None = None) -> None:
    """Write one JSON document to stdout; without an indent as one line."""
    stream = out or sys.stdout
    text = json_format.dumps(document, indent=indent, ensure_ascii=False)
    if not _takes(stream, text):
        text = json_format.dumps(document, indent=indent)
    _write(stream, f"{visible_json(text)}\n")


def json_line(text: str, *, out: TextIO | None = None) -> None:
    """Write one line of JSON that was made elsewhere to stdout, in UTF-8 as into a file."""
    stream, written = out or sys.stdout, f"{visible_json(text)}\n"
    raw: io.BufferedIOBase | None = getattr(stream, "buffer", None)
    if raw is None:
        _write(stream, written)
        return
    stream.flush()  # what was written before
    raw.write(written.encode())
    raw.flush()


def show(what: "RenderableType") -> None:
    """Draw a table or a text on stdout; into a file without blanks at the ends of lines."""
    drawn = console(sys.stdout)
    if draws():
        drawn.print(_seen(what))
        return
    with drawn.capture() as captured:
        drawn.print(_seen(what), soft_wrap=True)
    _write(sys.stdout, "".join(f"{one.rstrip()}\n" for one in captured.get().split("\n")[:-1]))


@contextmanager
def live() -> Generator[Callable[["RenderableType"], None]]:
    """Draw on one place of the terminal, over and over."""
    from rich.live import Live  # noqa: PLC0415 - only where it is drawn

    with Live(console=console(sys.stdout), auto_refresh=False) as drawn:
        yield lambda what: drawn.update(_seen(what), refresh=True)


@contextmanager
def bar(title: str, total: int | None) -> Generator[Callable[[int], None]]:
    """Draw how much is done on stderr; nothing where no person looks at it."""
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


def ask(question: str) -> bool:
    """Ask a person on the terminal, who has to agree."""
    import click  # noqa: PLC0415 - the message that it is missing is written without it

    return click.confirm(visible(question), err=True)


def log_handler(form: str) -> logging.Handler:
    """Return a handler that logs to stderr, each message as one line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(form))
    return handler


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        shown = copy(record)
        shown.msg, shown.args = visible(record.getMessage()), None
        shown.exc_text = None  # that of another formatter
        return visible_lines(super().format(shown))


def console(stream: TextIO | None) -> "Console":
    """Return a console that styles only what a person looks at."""
    from rich.console import Console  # noqa: PLC0415 - see above

    on_terminal = is_terminal(stream)
    coloured = on_terminal and not os.environ.get("NO_COLOR")
    return Console(
        file=None if stream is None else _forgiving(stream),
        force_terminal=on_terminal,
        color_system="auto" if coloured else None,
        width=None if on_terminal else _WIDTH_OF_A_FILE,
        highlight=False,
        markup=False,
        emoji=False,
    )


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at this stream, or types into it."""
    return stream is not None and stream.isatty()


def draws() -> bool:
    """Whether a person looks at stdout."""
    return is_terminal(sys.stdout)


def answer(
    document: Callable[[], object], drawn: Callable[[], "RenderableType"], *, with_json: bool
) -> None:
    """Show the same thing to a program or to a person."""
    if with_json:
        json(document())
    else:
        show(drawn())


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # Python has none where the shell has closed it
        _forgiving(stream).write(text)
        stream.flush()


def _forgiving(stream: TextIO) -> TextIO:
    """Return the stream, which from now on writes out what its encoding does not have."""
    if stream.errors != "backslashreplace" and hasattr(stream, "reconfigure"):
        cast("io.TextIOWrapper[Any]", stream).reconfigure(errors="backslashreplace")
    return stream


def _takes(stream: TextIO | None, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8", "surrogatepass")
    except UnicodeEncodeError:
        return False
    return True


def _seen(what: "RenderableType") -> "RenderableType":
    """Return the same drawing, but of characters that can be seen."""
    from bgjobs.cli.output.layout import Seen  # noqa: PLC0415 - as rich

    return Seen(what)
