"""`bgjobs jobs list`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import click

import bgjobs
from bgjobs.cli import names
from bgjobs.cli.errors import Fault
from bgjobs.cli.identifying import identified, shortened
from bgjobs.cli.options import json_option, pair, place, search_option, worker_option
from bgjobs.cli.output import as_json, tables
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session
from bgjobs.cli.states import AnyJob, State

_STATES: Mapping[State, str] = {
    "running": "Those that run now.",
    "waiting": "Those that are due.",
    "delayed": "Those that wait for their time.",
    "failed": "Those that failed for good.",
    "succeeded": "Those that succeeded.",
}
_UNLESS_SAID: tuple[State, ...] = ("running", "failed", "waiting", "delayed")


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
    type=pair,
    multiple=True,
    metavar="KEY=VALUE",
    help="Only jobs with this in their metadata; may be repeated. It reads the jobs.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="At most so many of each state.",
)
@click.option("--after", type=place, metavar="ID", help="Begin behind this job.")
@click.option("--unreadable", is_flag=True, help="Stored rows that are no jobs, set apart.")
@json_option
@pass_session
def list_jobs(
    session: Session,
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
    """List jobs; unless you say which, all but those that succeeded.

    Failed and succeeded ones come newest first, the others oldest first.
    """
    if unreadable:
        if states or worker or search or metadata:
            raise Fault("--unreadable goes with --limit, --after and --json alone")
        _list_unreadable(session, _page(session, limit, after), with_json=with_json)
        return
    wanted = _wanted(states, search, after)
    if search is not None and after is not None and "@" not in after:
        raise Fault("--after of a search: expected what jobs list has told, found an id")
    page = _page(session, limit, after)
    more: dict[State, bgjobs.Cursor | UUID | None] = {}
    ids: dict[UUID, str] = {}
    is_drawn = screen.draws() and not with_json

    async def ask(admin: bgjobs.Admin) -> list[tuple[State, AnyJob]]:
        found: list[tuple[State, AnyJob]] = []
        for state in wanted:
            listed = await admin.list(
                state, name=worker, search=search, metadata=dict(metadata), page=page
            )
            found.extend((state, job) for job in listed)
            more[state] = page.behind(listed).after if len(listed) == limit else None
        if is_drawn:
            ids.update(await shortened(admin, [job.id for _, job in found]))
        return found

    found = session.administered(ask)
    names.check_found(session.config, worker, len(found))
    if with_json:
        screen.json([as_json.job(job, state) for state, job in found])
        return
    _show(found, wanted, more, ids)


def _wanted(states: Sequence[State], search: str | None, after: str | None) -> Sequence[State]:
    if search is not None:
        if set(states) - {"failed"}:
            raise Fault("--search looks in the errors of failed jobs, not at other states")
        return ("failed",)
    if after is not None and len(states) != 1:
        raise Fault("--after continues the list of one state; say which, such as --failed")
    return tuple(dict.fromkeys(states)) or _UNLESS_SAID


def _show(
    found: Sequence[tuple[State, AnyJob]],
    wanted: Sequence[State],
    more: Mapping[State, bgjobs.Cursor | UUID | None],
    ids: Mapping[UUID, str],
) -> None:
    if not found:
        screen.note(f"no job is {' or '.join(wanted)}")
        return
    screen.show(tables.jobs(found, datetime.now(UTC), ids))
    for state in wanted:
        if (after := more.get(state)) is not None:
            screen.note(f"more {state} ones: --{state} --after {after}")


def _page(session: Session, limit: int, after: str | None) -> bgjobs.Page:
    if after is None:
        return bgjobs.Page(limit)
    if "@" in after:
        return bgjobs.Page(limit, bgjobs.Cursor.of(after))
    return bgjobs.Page(limit, identified(session, [after])[0])


def _list_unreadable(session: Session, page: bgjobs.Page, *, with_json: bool) -> None:
    ids: dict[UUID, str] = {}
    is_drawn = screen.draws() and not with_json

    async def ask(admin: bgjobs.Admin) -> Sequence[bgjobs.UnreadableJob]:
        found = await admin.unreadable(page)
        if is_drawn:
            ids.update(await shortened(admin, [one.id for one in found]))
        return found

    found = session.administered(ask)
    if with_json:
        screen.json([as_json.unreadable(one) for one in found])
    elif not found:
        screen.note("no stored row is unreadable")
    else:
        screen.show(tables.unreadable(found, datetime.now(UTC), ids))
        if len(found) == page.limit:
            screen.note(f"more of them: --unreadable --after {found[-1].id}")
