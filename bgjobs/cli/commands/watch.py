"""`bgjobs watch`: a live view on a terminal, and lines where there is none."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import Protocol, TextIO, final

import anyio
import click
from attrs import define, evolve, frozen
from rich.console import RenderableType

import bgjobs
from bgjobs.cli import quiet, views
from bgjobs.cli import snapshot as looks
from bgjobs.cli.identifying import shortened
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session
from bgjobs.cli.snapshot import Away, Look
from bgjobs.errors import StoreUnavailableError, unwrapped
from bgjobs.events import Event, StoreFailed

_PATIENCE = 2.0
"""Seconds, at least, after which a look that is not answered is shown as such."""


class _Form(Protocol):
    """How it is shown."""

    def look(self, before: Look | None, now: Look) -> None: ...

    def away(self, away: Away) -> None: ...


@final
@frozen
class _Json:
    out: TextIO | None

    def look(self, before: Look | None, now: Look) -> None:
        screen.json(views.as_json(before, now), indent=None, out=self.out)

    def away(self, away: Away) -> None:
        screen.json(views.away_json(away), indent=None, out=self.out)


@final
@frozen
class _Lines:
    out: TextIO | None
    zone: tzinfo | None

    def look(self, before: Look | None, now: Look) -> None:
        screen.line(views.as_line(before, now, self.zone), out=self.out)

    def away(self, away: Away) -> None:
        screen.line(views.away_line(away, self.zone), out=self.out)


@final
@define
class _Frame:
    draw: Callable[[RenderableType], None]
    zone: tzinfo | None
    seen: tuple[Look | None, Look | None] = (None, None)
    """The last look but one, and the last."""

    def look(self, before: Look | None, now: Look) -> None:
        self.seen = (before, now)
        self.draw(views.drawn(before, now, self.zone))

    def away(self, away: Away) -> None:
        self.draw(views.drawn(*self.seen, self.zone, away))


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
    with quiet.quieted(), _form(session.zone, with_json=with_json) as form:
        watching = _Watching(config, form, interval, count)
        try:
            session.administered(watching.watch, watching.hear)
        except KeyboardInterrupt:
            return  # how it is meant to end


@contextmanager
def _form(zone: tzinfo | None, *, with_json: bool) -> Generator[_Form]:
    if with_json:
        yield _Json(screen.stdout())
    elif not screen.draws():
        yield _Lines(screen.stdout(), zone)
    else:
        with screen.live() as draw:
            yield _Frame(draw, zone)


@final
@define
class _Watching:
    """What was seen so far."""

    config: bgjobs.Config
    form: _Form
    interval: float
    left: int | None
    """Looks until the end; None where there is none."""
    last: Look | None = None
    away_since: datetime | None = None
    reason: str = ""
    """Why the store failed while it was last asked."""

    def hear(self, event: Event) -> None:
        if isinstance(event, StoreFailed):
            self.reason = str(event.error)

    async def watch(self, admin: bgjobs.Admin) -> None:
        with anyio.CancelScope() as scope:
            while True:
                await self._look(admin, datetime.now(UTC), scope)
                self._count(scope)
                await anyio.sleep(self.interval)

    async def _look(
        self, admin: bgjobs.Admin, began: datetime, scope: anyio.CancelScope
    ) -> None:
        self.reason = "there is no answer yet"
        try:
            found = await self._found(admin, began, scope)
        except StoreUnavailableError as error:
            self.away_since = self.away_since or began
            self.form.away(Away(self.away_since, datetime.now(UTC), str(error)))
        else:
            self.form.look(self.last, found)
            self.last, self.away_since = found, None

    async def _found(
        self, admin: bgjobs.Admin, began: datetime, scope: anyio.CancelScope
    ) -> Look:
        """Look, and tell meanwhile that there is no answer yet: a store is asked again."""
        answers: list[Look] = []
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._wait, self.away_since or began, scope)
                found = await looks.look(admin, self.config)
                answers.append(
                    await _short(admin, found) if isinstance(self.form, _Frame) else found
                )
                group.cancel_scope.cancel()
        except BaseExceptionGroup as several:
            raise unwrapped(several) from None
        return answers[0]

    async def _wait(self, since: datetime, scope: anyio.CancelScope) -> None:
        is_drawn = isinstance(self.form, _Frame)
        while True:
            await anyio.sleep(_PATIENCE if is_drawn else max(self.interval, _PATIENCE))
            self.form.away(Away(since, datetime.now(UTC), self.reason))
            if not is_drawn:
                self._count(scope)

    def _count(self, scope: anyio.CancelScope) -> None:
        """End it after as many looks as were asked for."""
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                scope.cancel()


async def _short(admin: bgjobs.Admin, found: Look) -> Look:
    ids = [job.id for job in (*found.running, *found.failed)]
    return evolve(found, ids=await shortened(admin, ids))
