"""`bgjobs jobs list` and `show`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, final
from uuid import UUID

import click
from attrs import define, field, frozen
from rich.console import RenderableType
from rich.text import Text

import bgjobs
from bgjobs._core.job_tree import waits_text
from bgjobs._core.timeline import WAITS
from bgjobs.cli.commands.jobs.filters import Selection, selection_options
from bgjobs.cli.errors import CommandError
from bgjobs.cli.names import (
    check_queue_or_jobs,
    check_worker_or_jobs,
    resolve_ids,
    short_ids,
)
from bgjobs.cli.options import job_id, json_option, list_position
from bgjobs.cli.output import as_json, tables, terminal, tree
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.cli.states import Row, find, last_error, noun_of, parent_of

_STATES: Mapping[bgjobs.State, str] = {
    "running": "Jobs that are running.",
    "waiting": "Jobs that are due and wait to run.",
    "delayed": "Jobs that are due later.",
    "failed": "Jobs that failed and will not be retried.",
    "cancelled": "Jobs that an operator cancelled.",
    "succeeded": "Jobs that succeeded.",
    "unreadable": "Stored rows that are no jobs.",
}
_DEFAULT_STATES: Sequence[bgjobs.State] = ("running", "failed", "waiting", "delayed")
_SEARCHED: Sequence[bgjobs.State] = ("failed",)
"""The default states with --search."""
_RESERVED: Sequence[bgjobs.State] = ("running", "failed")
"""The default states with --queue."""


def _state_options(command: "click.decorators.FC") -> "click.decorators.FC":
    for state, meaning in reversed([*_STATES.items()]):
        option = click.option(
            f"--{state}", "states", flag_value=state, multiple=True, help=meaning
        )
        command = option(command)
    return command


@click.command("list")
@_state_options
@selection_options()
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="At most this many jobs of each state.",
)
@click.option("--after", type=list_position, metavar="ID", help="Begin after this job.")
@json_option
@pass_session
def list_jobs(
    session: CommandSession,
    states: tuple[bgjobs.State, ...],
    selection: Selection,
    limit: int,
    after: str | None,
    *,
    with_json: bool,
) -> None:
    """List jobs, by default the running, failed, waiting and delayed ones.

    Running, waiting and delayed jobs are listed oldest first, the others newest first. No index
    finds a queue, metadata or a time: 10,000 jobs of each state are looked at then.
    """
    wanted = [selection.of(state) for state in _wanted(states, selection, after)]
    page = _page(session, limit, after)
    found = _List(page, is_searched=selection.is_narrowed)
    # Decided here, because `session.run` redirects stdout.
    is_drawn = terminal.is_drawn() and not with_json

    async def read(client: bgjobs.Client) -> None:
        for one in wanted:
            found.pages[one.state] = await client.list(one, page)
        found.waits_since = await client.waits(*found.pages.get("running", ()))
        if is_drawn:
            found.ids = await short_ids(client, [row.id for row in found.rows])

    session.run(read)
    count = len(found.rows)
    check_worker_or_jobs(session.config, selection.name, count)
    check_queue_or_jobs(session.config, selection.queue, count)
    if with_json:
        since = found.waits_since
        terminal.json([as_json.row(row, since.get(row.id)) for row in found.rows])
    else:
        found.draw()
    for note in found.notes():
        terminal.note(note)


def _wanted(
    states: Sequence[bgjobs.State], selection: Selection, after: str | None
) -> Sequence[bgjobs.State]:
    if selection.search is not None:
        if after is not None and "@" not in after:
            raise CommandError(
                "--after of a search: expected a position that jobs list has shown, found an id"
            )
        return tuple(dict.fromkeys(states)) or _SEARCHED
    if after is not None and len(set(states)) != 1:
        raise CommandError(
            "--after continues the list of one state: add its option, such as --failed"
        )
    default = _DEFAULT_STATES if selection.queue is None else _RESERVED
    return tuple(dict.fromkeys(states)) or default


def _page(session: CommandSession, limit: int, after: str | None) -> bgjobs.Page:
    if after is None:
        return bgjobs.Page(limit)
    if "@" in after:
        return bgjobs.Page(limit, bgjobs.Cursor.of(after))
    return bgjobs.Page(limit, resolve_ids(session, [after])[0])


@final
@define
class _List:
    """One page of each of several states."""

    page: bgjobs.Page
    is_searched: bool = field(kw_only=True)
    """Whether rows were left out that have the state, but not other properties."""
    pages: dict[bgjobs.State, bgjobs.Listing[Any]] = field(
        factory=dict[bgjobs.State, bgjobs.Listing[Any]]
    )
    ids: Mapping[UUID, str] = field(factory=dict[UUID, str])
    """The short forms of ids, for people."""
    waits_since: Mapping[UUID, datetime] = field(factory=dict[UUID, datetime])
    """Since when running jobs wait for children."""

    @property
    def rows(self) -> Sequence[Row]:
        """The rows of all states."""
        return [row for page in self.pages.values() for row in page]

    def draw(self) -> None:
        """Draw the rows, or note that there are none."""
        now = datetime.now(UTC)
        apart = [one for one in self.rows if isinstance(one, bgjobs.UnreadableJob)]
        jobs = [one for one in self.rows if not isinstance(one, bgjobs.UnreadableJob)]
        parts: list[RenderableType] = []
        parts += [tables.jobs(jobs, now, self.ids, self.waits_since)] if jobs else []
        parts += [tables.unreadable(apart, now, self.ids)] if apart else []
        ended = [state for state, page in self.pages.items() if page.after is None]
        if parts:
            terminal.draw(tables.stacked(*parts))
        elif ended:
            terminal.note(f"no job is {' or '.join(ended)}")

    def notes(self) -> Iterator[str]:
        """Yield how to list more rows, for each state that has more."""
        for state, page in self.pages.items():
            if page.after is None:
                continue
            more = f"--{state} --after {page.after}"
            if self.is_searched and len(page) < self.page.limit:
                what = "first" if self.page.after is None else "next"
                matches = {0: "no match", 1: "1 match"}.get(len(page), f"{len(page)} matches")
                yield f"{matches} among the {what} 10,000 {noun_of(state)}s; more: {more}"
            else:
                yield f"more {noun_of(state)}s: {more}"


@click.command()
@click.argument("text", metavar="ID", type=job_id)
@click.option(
    "--payload", "with_payload", is_flag=True, help="Show its arguments and result, too."
)
@json_option
@pass_session
def show(session: CommandSession, text: str, *, with_payload: bool, with_json: bool) -> None:
    """Show one job: its state, its timeline, its children and its last error.

    The timeline has each reservation with its queue and node and how it ended, and who
    cancelled and retried the job. Of a job whose nurseries have started others, up to 50
    descendants are shown.
    """
    [wanted] = resolve_ids(session, [text])

    async def read(client: bgjobs.Client) -> bgjobs.UnreadableJob | _Shown:
        found = await find(client, wanted)
        if isinstance(found, bgjobs.UnreadableJob):
            return found
        family = await client.tree(found)
        entries = await client.timeline(found, tree=family)
        return _Shown(found, entries, family, await parent_of(client, found))

    found = session.run(read)
    if isinstance(found, bgjobs.UnreadableJob):
        _show_unreadable(found, session.zone, with_payload=with_payload, with_json=with_json)
    elif with_json:
        whole = as_json.whole_job(found.job, found.entries, with_payload=with_payload)
        kind = tree.parent_kind(found.parent)
        terminal.json({**whole, "parent": kind, "children": tree.as_json(found.tree)})
    else:
        _draw_job(found, session.zone, with_payload=with_payload)


@final
@frozen
class _Shown:
    """A job and what is shown with it."""

    job: bgjobs.AnyJob
    entries: Sequence[bgjobs.TimelineEntry]
    tree: bgjobs.JobTree
    parent: Row | bgjobs.Owner | None

    @property
    def waits(self) -> str:
        """For what its handler waits; empty if it does not."""
        is_waiting = any(entry.what == WAITS for entry in self.entries)
        return waits_text(self.tree) if is_waiting else ""


def _draw_job(found: _Shown, zone: tzinfo | None, *, with_payload: bool) -> None:
    job, parent = found.job, tree.parent_text(found.job, found.parent)
    parts: list[RenderableType] = [
        tables.job(job, datetime.now(UTC), zone, waits=found.waits, parent=parent),
        tables.timeline(found.entries, zone),
    ]
    parts += [tree.drawn(found.tree)] if found.tree.children else []
    error = last_error(job)
    terminal.draw(tables.stacked(*parts, *([tables.trace(error)] if error else [])))
    if found.tree.is_cut:
        terminal.note("it has more descendants")
    if with_payload:
        _draw_json("payload", job.payload)
        if isinstance(job, bgjobs.SucceededJob) and job.result_json is not None:
            _draw_json("result", job.result_json)


def _draw_json(title: str, text: str) -> None:
    _draw_text(title, json.dumps(as_json.value(text), indent=2, ensure_ascii=False))


def _show_unreadable(
    found: bgjobs.UnreadableJob, zone: tzinfo | None, *, with_payload: bool, with_json: bool
) -> None:
    if with_json:
        terminal.json(as_json.unreadable(found, with_payload=with_payload))
        return
    terminal.draw(tables.unreadable_job(found, datetime.now(UTC), zone))
    if with_payload:
        _draw_text("payload", tables.column(found.columns.get("payload")))


def _draw_text(title: str, text: str) -> None:
    terminal.draw(tables.stacked("", Text(title, style="bold"), tables.trace(text)))
