"""`bgjobs watch`: a live view on a terminal, and lines or JSON elsewhere."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import Protocol, TextIO, final

import anyio
import click
from attrs import define, evolve, frozen
from rich.console import RenderableType

import bgjobs
from bgjobs._core.exceptions import unwrapped
from bgjobs.cli import snapshot as snapshots
from bgjobs.cli.errors import one_line
from bgjobs.cli.names import short_ids
from bgjobs.cli.output import as_json, overview, tables, terminal
from bgjobs.cli.output.formats import absolute_time, iso_time, short_duration
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.cli.snapshot import Ended, Outage, Snapshot, rate
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import Event, StoreFailed

_NO_ANSWER_AFTER = 2.0
"""Seconds, at least, after which a store that has not answered is shown as an outage."""
_ENDED: tuple[Ended, ...] = ("succeeded", "failed")


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two snapshots.",
)
@click.option("--count", type=click.IntRange(min=1), help="End after this many snapshots.")
@click.option(
    "--json", "with_json", is_flag=True, help="Print one JSON object for each snapshot."
)
@pass_session
def watch(
    session: CommandSession, interval: float, count: int | None, *, with_json: bool
) -> None:
    """Watch queues, running jobs, rates and failures until Ctrl-C."""
    config = session.config
    with terminal.library_logs_disabled(), _view(session.zone, with_json=with_json) as view:
        loop = _WatchLoop(config, view, interval, count)
        try:
            session.run(loop.run, loop.on_event)
        except KeyboardInterrupt:
            return  # the usual end of this command


@final
@define
class _WatchLoop:
    """Takes snapshots and shows them until the count is reached."""

    config: bgjobs.Config
    view: "_View"
    interval: float
    left: int | None
    """Snapshots until the end; None if there is no end."""
    last: Snapshot | None = None
    away_since: datetime | None = None
    reason: str = ""
    """Why the store failed during the present snapshot."""

    def on_event(self, event: Event) -> None:
        if isinstance(event, StoreFailed):
            self.reason = str(event.error)

    async def run(self, client: bgjobs.Client) -> None:
        with anyio.CancelScope() as scope:
            while True:
                await self._show_next(client, datetime.now(UTC), scope)
                self._count_down(scope)
                await anyio.sleep(self.interval)

    async def _show_next(
        self, client: bgjobs.Client, began: datetime, scope: anyio.CancelScope
    ) -> None:
        self.reason = "there is no answer yet"
        try:
            found = await self._take(client, began, scope)
        except StoreUnavailableError as error:
            self.away_since = self.away_since or began
            self.view.outage(Outage(self.away_since, datetime.now(UTC), str(error)))
        else:
            self.view.snapshot(self.last, found)
            self.last, self.away_since = found, None

    async def _take(
        self, client: bgjobs.Client, began: datetime, scope: anyio.CancelScope
    ) -> Snapshot:
        """Take a snapshot, and show an outage while the call to the store is retried."""
        answers: list[Snapshot] = []
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._show_outage, self.away_since or began, scope)
                found = await snapshots.take_snapshot(client, self.config)
                answers.append(
                    await _with_short_ids(client, found)
                    if isinstance(self.view, _LiveView)
                    else found
                )
                group.cancel_scope.cancel()
        except BaseExceptionGroup as several:
            raise unwrapped(several) from None
        return answers[0]

    async def _show_outage(self, since: datetime, scope: anyio.CancelScope) -> None:
        is_live = isinstance(self.view, _LiveView)
        while True:
            wait = _NO_ANSWER_AFTER if is_live else max(self.interval, _NO_ANSWER_AFTER)
            await anyio.sleep(wait)
            self.view.outage(Outage(since, datetime.now(UTC), self.reason))
            if not is_live:
                self._count_down(scope)

    def _count_down(self, scope: anyio.CancelScope) -> None:
        """End the loop after the number of snapshots that was asked for."""
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                scope.cancel()


async def _with_short_ids(client: bgjobs.Client, found: Snapshot) -> Snapshot:
    ids = [job.id for job in (*found.running, *found.parents, *found.failed)]
    return evolve(found, ids=await short_ids(client, ids))


class _View(Protocol):
    """Shows snapshots and outages."""

    def snapshot(self, before: Snapshot | None, now: Snapshot) -> None: ...

    def outage(self, outage: Outage) -> None: ...


@contextmanager
def _view(zone: tzinfo | None, *, with_json: bool) -> Generator[_View]:
    if with_json:
        yield _JsonView(terminal.stdout())
    elif not terminal.is_drawn():
        yield _LineView(terminal.stdout(), zone)
    else:
        with terminal.live() as draw:
            yield _LiveView(draw, zone)


@final
@frozen
class _JsonView:
    out: TextIO | None

    def snapshot(self, before: Snapshot | None, now: Snapshot) -> None:
        terminal.json(snapshot_json(before, now), indent=None, out=self.out)

    def outage(self, outage: Outage) -> None:
        terminal.json(_outage_json(outage), indent=None, out=self.out)


@final
@frozen
class _LineView:
    out: TextIO | None
    zone: tzinfo | None

    def snapshot(self, before: Snapshot | None, now: Snapshot) -> None:
        terminal.line(snapshot_line(before, now, self.zone), out=self.out)

    def outage(self, outage: Outage) -> None:
        terminal.line(_outage_line(outage, self.zone), out=self.out)


@final
@define
class _LiveView:
    draw: Callable[[RenderableType], None]
    zone: tzinfo | None
    seen: tuple[Snapshot | None, Snapshot | None] = (None, None)
    """The last two snapshots, the older one first."""

    def snapshot(self, before: Snapshot | None, now: Snapshot) -> None:
        self.seen = (before, now)
        self.draw(overview.frame(before, now, self.zone, None))

    def outage(self, outage: Outage) -> None:
        self.draw(overview.frame(*self.seen, self.zone, outage))


def snapshot_json(before: Snapshot | None, now: Snapshot) -> dict[str, as_json.Json]:
    """Return a snapshot as JSON, with the rates since the one before."""
    return {
        "at": iso_time(now.at),
        "jobs": {**as_json.all_counts(now.counts, now.waits), **_rates_json(before, now)},
        "queues": [
            {**as_json.queue(row), **_rates_json(before, now, row.name)} for row in now.queues
        ],
        "running": [as_json.job(job) for job in now.running],
        "waiting_for_children": [
            as_json.job(job, now.waits_since[job.id]) for job in now.parents
        ],
        "failed": [as_json.job(job) for job in now.failed],
        "unhandled": [as_json.unhandled(jobs) for jobs in now.unhandled],
        "waiting_for": None if now.waiting_for is None else now.waiting_for.total_seconds(),
        "last_hour": [as_json.activity(found) for found in now.activity],
        "next_runs": [as_json.schedule(state) for state in now.next_runs],
    }


def _rates_json(
    before: Snapshot | None, now: Snapshot, queue: str | None = None
) -> dict[str, as_json.Json]:
    found = {state: rate(state, before, now, queue) for state in _ENDED}
    return {
        f"{state}_per_second": None if one is None else one.per_second
        for state, one in found.items()
    }


def snapshot_line(before: Snapshot | None, now: Snapshot, zone: tzinfo | None) -> str:
    """Return a snapshot as one line."""
    succeeded, failed = (tables.rate_text(rate(state, before, now)) for state in _ENDED)
    parts = [
        f"{absolute_time(now.at, zone)}: {tables.counts_text(now.counts, now.waits)}",
        f"{succeeded} succeeded/s, {failed} failed/s",
    ]
    if now.activity:
        parts.append(tables.activity_text(now.activity))
    if now.waiting_for is not None:
        parts.append(overview.waiting_text(now))
    idle = overview.unhandled_text(now)
    return "; ".join([*parts, f"unhandled: {idle}"] if idle else parts)


def _outage_line(outage: Outage, zone: tzinfo | None) -> str:
    length = short_duration(outage.at - outage.since)
    return (
        f"{absolute_time(outage.at, zone)}: the store has been unreachable since "
        f"{absolute_time(outage.since, zone)} ({length}): {one_line(outage.reason)}"
    )


def _outage_json(outage: Outage) -> dict[str, as_json.Json]:
    return {
        "at": iso_time(outage.at),
        "unreachable_since": iso_time(outage.since),
        "error": outage.reason,
    }
