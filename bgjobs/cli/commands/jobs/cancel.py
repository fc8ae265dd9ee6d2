"""`bgjobs jobs cancel`."""

from collections.abc import Sequence
from uuid import UUID

import click

import bgjobs
from bgjobs.cli import names
from bgjobs.cli.bulk import Progress, confirm, in_bulk
from bgjobs.cli.commands.jobs import selection as chosen
from bgjobs.cli.counting import AT_MOST, Count
from bgjobs.cli.errors import Fault
from bgjobs.cli.identifying import identified
from bgjobs.cli.options import (
    dry_run_option,
    ids_argument,
    json_option,
    worker_option,
    yes_option,
)
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.refusals import Refusals
from bgjobs.cli.session import Session, pass_session


@click.command()
@ids_argument
@click.option("--all", "all_of_them", is_flag=True, help="All that wait; of --worker, if said.")
@worker_option
@click.option(
    "--reason", default="by hand", show_default=True, help="Kept with the job, as its error."
)
@dry_run_option
@yes_option
@json_option
@pass_session
def cancel(
    session: Session,
    job_ids: tuple[str, ...],
    worker: str | None,
    reason: str,
    *,
    all_of_them: bool,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Cancel jobs: those that wait fail at once, those that run are stopped where they run."""
    if not reason.strip():
        raise Fault("--reason: expected a text, found an empty one")
    chosen.check(job_ids, all_of_them=all_of_them, is_narrowed=worker is not None)
    if job_ids:
        _some(
            session, identified(session, job_ids), reason, dry_run=dry_run, with_json=with_json
        )
    else:
        _all(session, worker, reason, dry_run=dry_run, yes=yes, with_json=with_json)


def _some(
    session: Session, ids: Sequence[UUID], reason: str, *, dry_run: bool, with_json: bool
) -> None:
    if dry_run:
        chosen.tell_found(session, ids, ("waiting", "delayed", "running"), with_json=with_json)
        return

    refusals = Refusals()

    async def cancel_them(admin: bgjobs.Admin) -> chosen.Done:
        found = await admin.cancel(*ids, reason=reason)
        changed = {"cancelled": found.ended, "asked": found.asked}
        return await chosen.done(admin, ids, changed, refusals=refusals.reasons)

    chosen.tell(session.administered(cancel_them, refusals), with_json=with_json)


def _all(
    session: Session,
    worker: str | None,
    reason: str,
    *,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    async def waiting(admin: bgjobs.Admin) -> Count:
        wanted = None if worker is None else [worker]
        counts = await admin.count(wanted, at_most=AT_MOST)
        return Count(min(counts.due + counts.delayed, AT_MOST), "waiting job")

    async def work(admin: bgjobs.Admin, progress: Progress) -> int:
        return await admin.cancel_waiting(name=worker, reason=reason, progress=progress)

    count = session.administered(waiting)
    names.check_found(session.config, worker, count.least)
    if dry_run:
        chosen.tell_count("would_cancel", "would cancel", count, with_json=with_json)
        return
    if count.least:
        confirm(f"Cancel {count}?", yes=yes)
    refusals = Refusals()
    done = in_bulk(session, "cancelling", count.exactly, work, refusals) if count.least else 0
    if with_json:
        screen.json({"cancelled": done, "refused": refusals.ids})
    else:
        screen.line(f"cancelled {done:,}")
    refusals.end()
