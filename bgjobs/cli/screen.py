"""Where output goes: stdout for answers, stderr for the rest; colours on a terminal only."""

import json as json_format
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:  # rich is imported when something is drawn; completion and JSON need none
    from rich.console import Console, RenderableType

_WIDTH_OF_A_FILE = 10_000
"""Columns where no terminal bounds them: a line of a table is one line of the file."""


def line(text: str) -> None:
    """Write one line, or more, to stdout."""
    click.echo(text)


def json(document: object) -> None:
    """Write one JSON document to stdout."""
    click.echo(json_format.dumps(document, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Write a line to stderr."""
    click.echo(text, err=True)


def show(what: "RenderableType") -> None:
    """Draw a table or a text on stdout; into a file without blanks at the ends of lines."""
    drawn = console(sys.stdout)
    if is_terminal(sys.stdout):
        drawn.print(what)
        return
    with drawn.capture() as captured:
        drawn.print(what)
    for text in captured.get().splitlines():
        line(text.rstrip())


def console(stream: TextIO) -> "Console":
    """Give a console that styles only what a person looks at."""
    from rich.console import Console  # noqa: PLC0415 - see above

    on_terminal = is_terminal(stream)
    coloured = on_terminal and not os.environ.get("NO_COLOR")
    return Console(
        file=stream,
        force_terminal=on_terminal,
        color_system="auto" if coloured else None,
        width=None if on_terminal else _WIDTH_OF_A_FILE,
        highlight=False,
        markup=False,
        emoji=False,
    )


def is_terminal(stream: TextIO) -> bool:
    """Say whether a person looks at this stream."""
    return stream.isatty()


def answer(
    document: Callable[[], object], drawn: Callable[[], "RenderableType"], *, with_json: bool
) -> None:
    """Show the same thing to a program or to a person."""
    if with_json:
        json(document())
    else:
        show(drawn())
