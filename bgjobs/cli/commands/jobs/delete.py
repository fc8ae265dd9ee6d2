"""`bgjobs jobs delete`."""

from collections.abc import Sequence
from uuid import UUID

import click

import bgjobs
from bgjobs.cli import chosen
from bgjobs.cli.bulk import confirm
from bgjobs.cli.identifying import identified
from bgjobs.cli.options import dry_run_option, job_id, json_option, yes_option
from bgjobs.cli.session import Session, pass_session
from bgjobs.cli.states import UNREADABLE, State

_DELETED: tuple[State, ...] = ("waiting", "delayed", "succeeded", "failed")
_REASONS: dict[State, str] = {"running": "it runs: cancel it first"}


@click.command()
@click.argument("wanted", metavar="ID...", type=job_id, nargs=-1, required=True)
@dry_run_option
@yes_option
@json_option
@pass_session
def delete(
    session: Session, wanted: tuple[str, ...], *, dry_run: bool, yes: bool, with_json: bool
) -> None:
    """Delete jobs for ever, whether they wait or have ended; running ones are refused."""
    job_ids = tuple(dict.fromkeys(identified(session, wanted)))
    if dry_run:
        chosen.tell_found(session, job_ids, _DELETED, also=[UNREADABLE], with_json=with_json)
        return
    confirm(f"Delete {_shown(job_ids)} for ever?", yes=yes)

    async def delete_them(admin: bgjobs.Admin) -> chosen.Done:
        deleted = await admin.delete(*job_ids)
        return await chosen.done(admin, job_ids, {"deleted": deleted}, _REASONS)

    chosen.tell(session.administered(delete_them), with_json=with_json)


def _shown(job_ids: Sequence[UUID]) -> str:
    return f"job {job_ids[0]}" if len(job_ids) == 1 else f"{len(job_ids):,} jobs"
