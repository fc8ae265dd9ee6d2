"""`bgjobs jobs retry`, `cancel` and `reschedule`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import click

import bgjobs
from bgjobs.cli.commands.jobs.filters import Selection, selection_options
from bgjobs.cli.commands.jobs.selection import (
    Changed,
    Progress,
    change_ids,
    change_many,
    check_selection,
    confirm,
    preview_count,
    preview_ids,
)
from bgjobs.cli.errors import CommandError
from bgjobs.cli.names import check_queue_or_jobs, check_worker_or_jobs, resolve_ids
from bgjobs.cli.options import (
    PRIORITY,
    at_option,
    by_option,
    delay_option,
    dry_run_option,
    ids_argument,
    job_id,
    json_option,
    yes_option,
)
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.cli.states import count


@click.command()
@ids_argument
@click.option(
    "--all", "all_of_them", is_flag=True, help="All failed jobs, or those that you select."
)
@click.option("--cancelled", is_flag=True, help="With --all: cancelled jobs, not failed ones.")
@selection_options()
@by_option
@dry_run_option
@yes_option
@json_option
@pass_session
def retry(
    session: CommandSession,
    job_ids: tuple[str, ...],
    selection: Selection,
    by: str | None,
    *,
    all_of_them: bool,
    cancelled: bool,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Retry failed and cancelled jobs now, with a full retry budget."""
    is_narrowed = selection.is_narrowed or cancelled
    check_selection(job_ids, all_of_them=all_of_them, is_narrowed=is_narrowed)
    if job_ids:
        ids = resolve_ids(session, job_ids)
        _retry_ids(session, ids, by, dry_run=dry_run, with_json=with_json)
    else:
        wanted = selection.of("cancelled" if cancelled else "failed")
        _retry_all(session, wanted, by, dry_run=dry_run, yes=yes, with_json=with_json)


def _retry_ids(
    session: CommandSession,
    ids: Sequence[UUID],
    by: str | None,
    *,
    dry_run: bool,
    with_json: bool,
) -> None:
    if dry_run:
        preview_ids(session, ids, ("failed", "cancelled", "unreadable"), with_json=with_json)
        return

    async def change(admin: bgjobs.Admin) -> Changed:
        return {"retried": await admin.retry(*ids, by=by)}

    taken = "another job has its unique key"
    reasons: dict[bgjobs.State, str] = {"failed": taken, "cancelled": taken}
    change_ids(session, ids, change, reasons, with_json=with_json)


def _retry_all(
    session: CommandSession,
    wanted: bgjobs.JobFilter[Literal["failed", "cancelled"]],
    by: str | None,
    *,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    found = session.run(lambda client: count(client, wanted))
    check_worker_or_jobs(session.config, wanted.name, found.least)
    check_queue_or_jobs(session.config, wanted.queue, found.least)
    if dry_run:
        preview_count("would_retry", "would retry", found, with_json=with_json)
        return
    if found.least:
        confirm(f"Retry {found}?", yes=yes)

    async def work(client: bgjobs.Client, progress: Progress) -> int:
        return await client.admin.retry_all(wanted, by=by, progress=progress)

    change_many(session, "retrying", "retried", work, found, with_json=with_json)


@click.command()
@ids_argument
@click.option(
    "--all", "all_of_them", is_flag=True, help="All waiting jobs, or those that you select."
)
@selection_options("name", "metadata", "before", "after")
@click.option("--reason", default="by hand", show_default=True, help="Stored with the job.")
@by_option
@dry_run_option
@yes_option
@json_option
@pass_session
def cancel(
    session: CommandSession,
    job_ids: tuple[str, ...],
    selection: Selection,
    reason: str,
    by: str | None,
    *,
    all_of_them: bool,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Cancel waiting and running jobs.

    Waiting jobs end at once, as cancelled. Running jobs are cancelled in the process that runs
    them. Live jobs that they have started in nurseries, and the jobs of these, are cancelled
    with them. With --all, waiting and delayed jobs are cancelled.
    """
    if not reason.strip():
        raise CommandError("--reason: expected a text, found an empty one")
    check_selection(job_ids, all_of_them=all_of_them, is_narrowed=selection.is_narrowed)
    if job_ids:
        ids = resolve_ids(session, job_ids)
        _cancel_ids(session, ids, reason, by, dry_run=dry_run, with_json=with_json)
    else:
        _cancel_all(
            session, selection, reason, by, dry_run=dry_run, yes=yes, with_json=with_json
        )


def _cancel_ids(
    session: CommandSession,
    ids: Sequence[UUID],
    reason: str,
    by: str | None,
    *,
    dry_run: bool,
    with_json: bool,
) -> None:
    if dry_run:
        states: Sequence[bgjobs.State] = ("waiting", "delayed", "running")
        preview_ids(session, ids, states, with_json=with_json, with_descendants=True)
        return

    async def change(admin: bgjobs.Admin) -> Changed:
        found = await admin.cancel(*ids, reason=reason, by=by)
        return {"cancelled": found.ended, "asked": found.asked}

    change_ids(session, ids, change, with_json=with_json, with_descendants=True)


def _cancel_all(
    session: CommandSession,
    selection: Selection,
    reason: str,
    by: str | None,
    *,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    # In this order: a delayed job may become due meanwhile.
    wanted: Sequence[bgjobs.JobFilter[Literal["waiting", "delayed"]]]
    wanted = [selection.of("delayed"), selection.of("waiting")]

    async def work(client: bgjobs.Client, progress: Progress) -> int:
        done = 0

        def add(more: int) -> None:
            progress(done + more)

        for one in wanted:
            done += await client.admin.cancel_all(one, reason=reason, by=by, progress=add)
        return done

    found = session.run(lambda client: count(client, *wanted))
    check_worker_or_jobs(session.config, selection.name, found.least)
    if dry_run:
        preview_count("would_cancel", "would cancel", found, with_json=with_json)
        return
    if found.least:
        confirm(f"Cancel {found}?", yes=yes)
    change_many(session, "cancelling", "cancelled", work, found, with_json=with_json)


@click.command()
@click.argument("texts", metavar="ID...", type=job_id, nargs=-1, required=True)
@delay_option
@at_option
@click.option("--priority", type=PRIORITY, help="Lower priorities run first.")
@by_option
@dry_run_option
@json_option
@pass_session
def reschedule(
    session: CommandSession,
    texts: tuple[str, ...],
    delay: timedelta | None,
    at: datetime | None,
    priority: int | None,
    by: str | None,
    *,
    dry_run: bool,
    with_json: bool,
) -> None:
    """Change the time or the priority of waiting jobs."""
    if delay is not None and at is not None:
        raise CommandError("expected --in or --at, found both")
    if delay is None and at is None and priority is None:
        raise CommandError("expected --in, --at or --priority, found none of them")
    ids = resolve_ids(session, texts)
    if dry_run:
        preview_ids(session, ids, ("waiting", "delayed"), with_json=with_json)
        return

    async def change(admin: bgjobs.Admin) -> Changed:
        changed: Sequence[UUID] = ids
        if delay is not None or at is not None:
            changed = await admin.reschedule(*changed, at=at, in_=delay, by=by)
        if priority is not None and changed:
            changed = await admin.change_priority(*changed, priority=priority, by=by)
        return {"changed": changed}

    change_ids(session, ids, change, with_json=with_json)
