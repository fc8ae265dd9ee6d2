"""`bgjobs watch`: a live view on a terminal, and lines where there is none."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import tzinfo
from itertools import count as counted

import anyio
import click

import bgjobs
from bgjobs.cli import looks, screen, views
from bgjobs.cli.faults import fault_of
from bgjobs.cli.session import Session, pass_session
from bgjobs.errors import StoreUnavailableError

Show = Callable[[looks.Look | None, looks.Look], None]
"""Told of a look, and of the one before."""


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--count", type=click.IntRange(min=1), help="End after so many looks.")
@click.option("--json", "with_json", is_flag=True, help="Print one JSON object for each look.")
@pass_session
def watch(session: Session, interval: float, count: int | None, *, with_json: bool) -> None:
    """Watch queues, running jobs, rates and failures until Ctrl-C."""
    config = session.config
    with _shown(session.zone, with_json=with_json) as show:
        try:
            session.administered(lambda admin: _watch(admin, config, show, interval, count))
        except KeyboardInterrupt:
            return  # how it is meant to end


async def _watch(
    admin: bgjobs.Admin, config: bgjobs.Config, show: Show, interval: float, most: int | None
) -> None:
    before: looks.Look | None = None
    for done in counted(1):
        try:
            now = await looks.look(admin, config)
        except StoreUnavailableError as error:
            screen.note(fault_of(error).message)
        else:
            show(before, now)
            before = now
        if done == most:
            return
        await anyio.sleep(interval)


@contextmanager
def _shown(zone: tzinfo | None, *, with_json: bool) -> Generator[Show]:
    if with_json:
        yield lambda before, now: _flushed(json.dumps(views.as_json(before, now)))
    elif not screen.is_terminal(sys.stdout):
        yield lambda before, now: _flushed(views.as_line(before, now, zone))
    else:
        from rich.live import Live  # noqa: PLC0415 - only where it is drawn

        with Live(console=screen.console(sys.stdout), auto_refresh=False) as live:
            yield lambda before, now: live.update(views.drawn(before, now, zone), refresh=True)


def _flushed(text: str) -> None:
    screen.line(text)
    sys.stdout.flush()
