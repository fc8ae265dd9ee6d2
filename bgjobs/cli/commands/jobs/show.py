"""`bgjobs jobs show`."""

import json
from datetime import UTC, datetime, tzinfo

import click
from rich.console import RenderableType
from rich.text import Text

import bgjobs
from bgjobs.cli.identifying import identified
from bgjobs.cli.options import job_id as an_id
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, tables
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session
from bgjobs.cli.states import AnyJob, last_error, state_of
from bgjobs.errors import UnreadableJobError
from bgjobs.story import story


@click.command()
@click.argument("wanted", metavar="ID", type=an_id)
@click.option("--payload", "with_payload", is_flag=True, help="Show its arguments, too.")
@json_option
@pass_session
def show(session: Session, wanted: str, *, with_payload: bool, with_json: bool) -> None:
    """Show one job: its state, its whole story, and its last error."""
    [job_id] = identified(session, [wanted])
    try:
        job = session.administered(lambda admin: admin.get(job_id))
    except UnreadableJobError as error:
        _show_unreadable(
            error.job, session.zone, with_payload=with_payload, with_json=with_json
        )
        return
    if with_json:
        state = state_of(job, datetime.now(UTC))
        screen.json(as_json.whole_job(job, state, story(job), with_payload=with_payload))
        return
    _draw(job, session.zone, with_payload=with_payload)


def _show_unreadable(
    found: bgjobs.UnreadableJob, zone: tzinfo | None, *, with_payload: bool, with_json: bool
) -> None:
    if with_json:
        screen.json(as_json.unreadable(found, with_payload=with_payload))
        return
    screen.show(tables.unreadable_job(found, datetime.now(UTC), zone))
    if with_payload:
        payload = tables.trace(tables.column(found.columns.get("payload")))
        screen.show(tables.several("", Text("payload", style="bold"), payload))


def _draw(job: AnyJob, zone: tzinfo | None, *, with_payload: bool) -> None:
    now = datetime.now(UTC)
    parts: list[RenderableType] = [
        tables.job(job, state_of(job, now), now, zone),
        tables.story(story(job), zone),
    ]
    error = last_error(job)
    screen.show(tables.several(*parts, *([tables.trace(error)] if error else [])))
    if with_payload:
        shown = json.dumps(as_json.payload(job.payload), indent=2, ensure_ascii=False)
        screen.show(tables.several("", Text("payload", style="bold"), tables.trace(shown)))
