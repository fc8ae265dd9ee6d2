"""Work on many jobs: asked for first, with progress, and interrupted in order."""

import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import bgjobs
from bgjobs.cli.errors import Fault
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session

T = TypeVar("T")
Progress = Callable[[int], None]
"""Told how many are done so far."""


def confirm(question: str, *, yes: bool) -> None:
    """Go on only if a person says so, or said so before."""
    if yes:
        return
    if not screen.is_terminal(sys.stdin):
        raise Fault("there is no terminal to ask on: add --yes")
    if not screen.ask(question):
        raise Fault("nothing was changed", ExitCode.NOT_DONE)


def in_bulk(
    session: Session,
    title: str,
    total: int | None,
    work: Callable[[bgjobs.Admin, Progress], Awaitable[T]],
    *listeners: bgjobs.Listener,
    rest: str = "the batch under way may be done, the rest is as it was",
) -> T:
    """Return what long work behind a progress bar does; Ctrl-C tells how far it came."""
    so_far = 0
    try:
        with screen.bar(title, total) as show:

            def progress(done: int) -> None:
                nonlocal so_far
                so_far = done
                show(done)

            return session.administered(lambda admin: work(admin, progress), *listeners)
    except KeyboardInterrupt:
        raise Fault(f"interrupted after {so_far:,}; {rest}", ExitCode.INTERRUPTED) from None
