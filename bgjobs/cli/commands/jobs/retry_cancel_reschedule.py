"""`bgjobs jobs retry`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import click

import bgjobs
from bgjobs.cli import names
from bgjobs.cli.bulk import Progress, confirm, in_bulk
from bgjobs.cli.commands.jobs import selection as chosen
from bgjobs.cli.counting import Failed
from bgjobs.cli.identifying import identified
from bgjobs.cli.options import (
    dry_run_option,
    ids_argument,
    instant,
    json_option,
    search_option,
    worker_option,
    yes_option,
)
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.refusals import Refusals
from bgjobs.cli.session import Session, pass_session
from bgjobs.cli.states import UNREADABLE, State


@click.command()
@ids_argument
@click.option("--all", "all_of_them", is_flag=True, help="All that failed, or were chosen.")
@worker_option
@search_option
@click.option(
    "--before", type=instant, metavar="TIME", help="Only those that failed before this."
)
@dry_run_option
@yes_option
@json_option
@pass_session
def retry(
    session: Session,
    job_ids: tuple[str, ...],
    worker: str | None,
    search: str | None,
    before: datetime | None,
    *,
    all_of_them: bool,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Run failed jobs again, with all their retries."""
    choice = Failed(worker, search, before)
    chosen.check(job_ids, all_of_them=all_of_them, is_narrowed=choice.is_narrowed)
    if job_ids:
        _some(session, identified(session, job_ids), dry_run=dry_run, with_json=with_json)
    else:
        _all(session, choice, dry_run=dry_run, yes=yes, with_json=with_json)


def _some(session: Session, ids: Sequence[UUID], *, dry_run: bool, with_json: bool) -> None:
    if dry_run:
        chosen.tell_found(session, ids, ["failed"], also=[UNREADABLE], with_json=with_json)
        return

    refusals = Refusals()

    async def retry_them(admin: bgjobs.Admin) -> chosen.Done:
        retried = await admin.retry(*ids)
        reasons: dict[State, str] = {"failed": "another job has its unique key"}
        return await chosen.done(admin, ids, {"retried": retried}, reasons, refusals.reasons)

    chosen.tell(session.administered(retry_them, refusals), with_json=with_json)


def _all(
    session: Session, choice: Failed, *, dry_run: bool, yes: bool, with_json: bool
) -> None:
    count = session.administered(choice.count)
    names.check_found(session.config, choice.worker, count.least)
    if dry_run:
        chosen.tell_count("would_retry", "would retry", count, with_json=with_json)
        return
    if count.least:
        confirm(f"Run {count} again?", yes=yes)

    async def work(admin: bgjobs.Admin, progress: Progress) -> int:
        return await admin.retry_failed(
            name=choice.worker, search=choice.search, before=choice.before, progress=progress
        )

    refusals = Refusals()
    done = in_bulk(session, "retrying", count.exactly, work, refusals) if count.least else 0
    if with_json:
        screen.json({"retried": done, "refused": refusals.ids})
    else:
        screen.line(f"retried {done:,}")
    refusals.end()
