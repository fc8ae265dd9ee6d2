"""`bgjobs jobs delete`."""

from collections.abc import Sequence
from uuid import UUID

import click

import bgjobs
from bgjobs.cli.bulk import Progress, confirm, in_bulk
from bgjobs.cli.commands.jobs import selection as chosen
from bgjobs.cli.counting import AT_MOST, Count
from bgjobs.cli.errors import Fault
from bgjobs.cli.identifying import identified
from bgjobs.cli.options import dry_run_option, job_id, json_option, yes_option
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.refusals import Refusals
from bgjobs.cli.session import Session, pass_session
from bgjobs.cli.states import UNREADABLE, State

_DELETED: tuple[State, ...] = ("waiting", "delayed", "succeeded", "failed")
_REASONS: dict[State, str] = {"running": "it runs: cancel it first"}


@click.command()
@click.argument("wanted", metavar="[ID]...", type=job_id, nargs=-1)
@click.option("--unreadable", is_flag=True, help="All stored rows that are no jobs.")
@dry_run_option
@yes_option
@json_option
@pass_session
def delete(
    session: Session,
    wanted: tuple[str, ...],
    *,
    unreadable: bool,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Delete jobs for ever, whether they wait or have ended; running ones are refused."""
    if bool(wanted) == unreadable:
        raise Fault(f"expected ids, or --unreadable; found {'both' if wanted else 'neither'}")
    if unreadable:
        _delete_unreadable(session, dry_run=dry_run, yes=yes, with_json=with_json)
        return
    job_ids = tuple(dict.fromkeys(identified(session, wanted)))
    if dry_run:
        chosen.tell_found(session, job_ids, _DELETED, also=[UNREADABLE], with_json=with_json)
        return
    confirm(f"Delete {_shown(job_ids)} for ever?", yes=yes)

    refusals = Refusals()

    async def delete_them(admin: bgjobs.Admin) -> chosen.Done:
        deleted = await admin.delete(*job_ids)
        changed = {"deleted": deleted}
        return await chosen.done(admin, job_ids, changed, _REASONS, refusals.reasons)

    chosen.tell(session.administered(delete_them, refusals), with_json=with_json)


def _delete_unreadable(session: Session, *, dry_run: bool, yes: bool, with_json: bool) -> None:
    async def count_them(admin: bgjobs.Admin) -> Count:
        found = (await admin.count((), at_most=AT_MOST)).unreadable
        return Count(min(found, AT_MOST), "unreadable row")

    count = session.administered(count_them)
    if dry_run:
        chosen.tell_count("would_delete", "would delete", count, with_json=with_json)
        return
    if count.least:
        confirm(f"Delete {count} for ever?", yes=yes)
    done = in_bulk(session, "deleting", count.exactly, _delete_each) if count.least else 0
    if with_json:
        screen.json({"deleted": done})
    else:
        screen.line(f"deleted {done:,}")


async def _delete_each(admin: bgjobs.Admin, progress: Progress) -> int:
    """Delete what was set apart before; what is set apart meanwhile has newer ids, mostly."""
    done = 0
    page = bgjobs.Page()
    while found := await admin.unreadable(page):
        done += len(await admin.delete(*(one.id for one in found)))
        progress(done)
        page = page.behind(found)
    return done


def _shown(job_ids: Sequence[UUID]) -> str:
    return f"job {job_ids[0]}" if len(job_ids) == 1 else f"{len(job_ids):,} jobs"
