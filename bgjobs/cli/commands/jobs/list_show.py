"""`bgjobs jobs list` and `show`."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import final
from uuid import UUID

import click
from attrs import define, field
from rich.console import RenderableType
from rich.text import Text

import bgjobs
from bgjobs._core.timeline import timeline
from bgjobs.cli.errors import CommandError
from bgjobs.cli.names import check_worker_or_jobs, resolve_ids, short_ids
from bgjobs.cli.options import (
    job_id,
    json_option,
    key_value,
    list_position,
    search_option,
    worker_option,
)
from bgjobs.cli.output import as_json, tables, terminal
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.cli.states import AnyJob, State, last_error, state_of
from bgjobs.errors import UnreadableJobError

_STATES: Mapping[State, str] = {
    "running": "Jobs that are running.",
    "waiting": "Jobs that are due and wait to run.",
    "delayed": "Jobs that are due later.",
    "failed": "Jobs that failed and will not be retried.",
    "succeeded": "Jobs that succeeded.",
}
_DEFAULT_STATES: tuple[State, ...] = ("running", "failed", "waiting", "delayed")


def _state_options(command: "click.decorators.FC") -> "click.decorators.FC":
    for state, meaning in reversed([*_STATES.items()]):
        option = click.option(
            f"--{state}", "states", flag_value=state, multiple=True, help=meaning
        )
        command = option(command)
    return command


@click.command("list")
@_state_options
@worker_option
@search_option
@click.option(
    "--metadata",
    "metadata",
    type=key_value,
    multiple=True,
    metavar="KEY=VALUE",
    help="Only jobs with this metadata; may be repeated. No index helps, so it may be slow.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="At most this many jobs of each state.",
)
@click.option("--after", type=list_position, metavar="ID", help="Begin after this job.")
@click.option("--unreadable", is_flag=True, help="Stored rows that are no jobs.")
@json_option
@pass_session
def list_jobs(
    session: CommandSession,
    states: tuple[State, ...],
    worker: str | None,
    search: str | None,
    metadata: tuple[tuple[str, str], ...],
    limit: int,
    after: str | None,
    *,
    unreadable: bool,
    with_json: bool,
) -> None:
    """List jobs, by default those of all states but succeeded.

    Failed and succeeded jobs are listed newest first, the others oldest first.
    """
    if unreadable:
        if states or worker or search or metadata:
            raise CommandError("--unreadable goes with --limit, --after and --json alone")
        _list_unreadable(session, _page(session, limit, after), with_json=with_json)
        return
    wanted = _wanted(states, search, after)
    page = _page(session, limit, after)
    found = _List()
    # Decided here, because `session.run` redirects stdout.
    is_drawn = terminal.is_drawn() and not with_json

    async def read(admin: bgjobs.Admin) -> None:
        for state in wanted:
            listed = await admin.list(
                state, name=worker, search=search, metadata=dict(metadata), page=page
            )
            found.add(state, listed, page)
        if is_drawn:
            found.ids = await short_ids(admin, [job.id for _, job in found.jobs])

    session.run(read)
    check_worker_or_jobs(session.config, worker, len(found.jobs))
    if with_json:
        terminal.json([as_json.job(job, state) for state, job in found.jobs])
    elif found.jobs:
        found.draw()
    else:
        terminal.note(f"no job is {' or '.join(wanted)}")


def _wanted(states: Sequence[State], search: str | None, after: str | None) -> Sequence[State]:
    if search is not None:
        if set(states) - {"failed"}:
            raise CommandError(
                "--search looks in the errors of failed jobs, not at other states"
            )
        if after is not None and "@" not in after:
            raise CommandError(
                "--after of a search: expected a position that jobs list has shown, found an id"
            )
        return ("failed",)
    if after is not None and len(states) != 1:
        raise CommandError(
            "--after continues the list of one state: add its option, such as --failed"
        )
    return tuple(dict.fromkeys(states)) or _DEFAULT_STATES


def _page(session: CommandSession, limit: int, after: str | None) -> bgjobs.Page:
    if after is None:
        return bgjobs.Page(limit)
    if "@" in after:
        return bgjobs.Page(limit, bgjobs.Cursor.of(after))
    return bgjobs.Page(limit, resolve_ids(session, [after])[0])


@final
@define
class _List:
    """Jobs of several states, and where the list of each state continues."""

    jobs: list[tuple[State, AnyJob]] = field(factory=list[tuple[State, AnyJob]])
    next_pages: dict[State, object] = field(factory=dict[State, object])
    ids: Mapping[UUID, str] = field(factory=dict[UUID, str])
    """The short forms of ids, for people."""

    def add(self, state: State, jobs: Sequence[AnyJob], page: bgjobs.Page) -> None:
        """Add a page of the jobs of a state; if it is full, the list may continue after it."""
        self.jobs.extend((state, job) for job in jobs)
        if len(jobs) == page.limit:
            self.next_pages[state] = page.behind(jobs).after

    def draw(self) -> None:
        """Draw the jobs, and note how to list more of them."""
        terminal.draw(tables.jobs(self.jobs, datetime.now(UTC), self.ids))
        for state, after in self.next_pages.items():
            terminal.note(f"more {state} jobs: --{state} --after {after}")


def _list_unreadable(session: CommandSession, page: bgjobs.Page, *, with_json: bool) -> None:
    ids: dict[UUID, str] = {}
    # Decided here, because `session.run` redirects stdout.
    is_drawn = terminal.is_drawn() and not with_json

    async def read(admin: bgjobs.Admin) -> Sequence[bgjobs.UnreadableJob]:
        found = await admin.unreadable(page)
        if is_drawn:
            ids.update(await short_ids(admin, [one.id for one in found]))
        return found

    found = session.run(read)
    if with_json:
        terminal.json([as_json.unreadable(one) for one in found])
    elif not found:
        terminal.note("no stored row is unreadable")
    else:
        terminal.draw(tables.unreadable(found, datetime.now(UTC), ids))
        if len(found) == page.limit:
            terminal.note(f"more unreadable rows: --unreadable --after {found[-1].id}")


@click.command()
@click.argument("text", metavar="ID", type=job_id)
@click.option("--payload", "with_payload", is_flag=True, help="Show also its arguments.")
@json_option
@pass_session
def show(session: CommandSession, text: str, *, with_payload: bool, with_json: bool) -> None:
    """Show one job: its state, its timeline and its last error."""
    [wanted] = resolve_ids(session, [text])
    try:
        job = session.run(lambda admin: admin.get(wanted))
    except UnreadableJobError as error:
        _show_unreadable(
            error.job, session.zone, with_payload=with_payload, with_json=with_json
        )
        return
    if with_json:
        state = state_of(job, datetime.now(UTC))
        terminal.json(as_json.whole_job(job, state, timeline(job), with_payload=with_payload))
        return
    _draw_job(job, session.zone, with_payload=with_payload)


def _draw_job(job: AnyJob, zone: tzinfo | None, *, with_payload: bool) -> None:
    now = datetime.now(UTC)
    parts: list[RenderableType] = [
        tables.job(job, state_of(job, now), now, zone),
        tables.timeline(timeline(job), zone),
    ]
    error = last_error(job)
    terminal.draw(tables.stacked(*parts, *([tables.trace(error)] if error else [])))
    if with_payload:
        _draw_payload(json.dumps(as_json.payload(job.payload), indent=2, ensure_ascii=False))


def _show_unreadable(
    found: bgjobs.UnreadableJob, zone: tzinfo | None, *, with_payload: bool, with_json: bool
) -> None:
    if with_json:
        terminal.json(as_json.unreadable(found, with_payload=with_payload))
        return
    terminal.draw(tables.unreadable_job(found, datetime.now(UTC), zone))
    if with_payload:
        _draw_payload(tables.column(found.columns.get("payload")))


def _draw_payload(text: str) -> None:
    terminal.draw(tables.stacked("", Text("payload", style="bold"), tables.trace(text)))
