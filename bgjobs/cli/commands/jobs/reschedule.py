"""`bgjobs jobs reschedule`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import click

import bgjobs
from bgjobs.cli.commands.jobs import selection as chosen
from bgjobs.cli.errors import Fault
from bgjobs.cli.identifying import identified
from bgjobs.cli.options import (
    PRIORITY,
    at_option,
    delay_option,
    dry_run_option,
    job_id,
    json_option,
)
from bgjobs.cli.session import Session, pass_session


@click.command()
@click.argument("wanted", metavar="ID...", type=job_id, nargs=-1, required=True)
@delay_option
@at_option
@click.option("--priority", type=PRIORITY, help="Lower runs first.")
@dry_run_option
@json_option
@pass_session
def reschedule(
    session: Session,
    wanted: tuple[str, ...],
    delay: timedelta | None,
    at: datetime | None,
    priority: int | None,
    *,
    dry_run: bool,
    with_json: bool,
) -> None:
    """Change when waiting jobs run, or before which others."""
    if delay is not None and at is not None:
        raise Fault("expected --in or --at, found both")
    if delay is None and at is None and priority is None:
        raise Fault("expected --in, --at or --priority, found none of them")
    job_ids = identified(session, wanted)
    if dry_run:
        chosen.tell_found(session, job_ids, ("waiting", "delayed"), with_json=with_json)
        return

    async def change(admin: bgjobs.Admin) -> chosen.Done:
        changed: Sequence[UUID] = job_ids
        if delay is not None or at is not None:
            changed = await admin.reschedule(*changed, at=at, in_=delay)
        if priority is not None and changed:
            changed = await admin.change_priority(*changed, priority=priority)
        return await chosen.done(admin, job_ids, {"changed": changed})

    chosen.tell(session.administered(change), with_json=with_json)
