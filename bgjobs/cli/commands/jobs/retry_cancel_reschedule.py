"""`bgjobs jobs retry`, `cancel` and `reschedule`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import click

import bgjobs
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
from bgjobs.cli.names import check_worker_or_jobs, resolve_ids
from bgjobs.cli.options import (
    PRIORITY,
    at_option,
    delay_option,
    dry_run_option,
    ids_argument,
    job_id,
    json_option,
    search_option,
    timestamp,
    worker_option,
    yes_option,
)
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.cli.states import COUNT_LIMIT, UNREADABLE, Count, FailedJobs


@click.command()
@ids_argument
@click.option(
    "--all", "all_of_them", is_flag=True, help="All failed jobs, or those that you select."
)
@worker_option
@search_option
@click.option(
    "--before", type=timestamp, metavar="TIME", help="Only jobs that failed before this time."
)
@dry_run_option
@yes_option
@json_option
@pass_session
def retry(
    session: CommandSession,
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
    """Retry failed jobs now, with a full retry budget."""
    selected = FailedJobs(worker, search, before)
    check_selection(job_ids, all_of_them=all_of_them, is_narrowed=selected.is_narrowed)
    if job_ids:
        ids = resolve_ids(session, job_ids)
        _retry_ids(session, ids, dry_run=dry_run, with_json=with_json)
    else:
        _retry_all(session, selected, dry_run=dry_run, yes=yes, with_json=with_json)


def _retry_ids(
    session: CommandSession, ids: Sequence[UUID], *, dry_run: bool, with_json: bool
) -> None:
    if dry_run:
        preview_ids(session, ids, ["failed", UNREADABLE], with_json=with_json)
        return

    async def change(admin: bgjobs.Admin) -> Changed:
        return {"retried": await admin.retry(*ids)}

    reasons: dict[bgjobs.State, str] = {"failed": "another job has its unique key"}
    change_ids(session, ids, change, reasons, with_json=with_json)


def _retry_all(
    session: CommandSession, selected: FailedJobs, *, dry_run: bool, yes: bool, with_json: bool
) -> None:
    count = session.run(selected.count)
    check_worker_or_jobs(session.config, selected.worker, count.least)
    if dry_run:
        preview_count("would_retry", "would retry", count, with_json=with_json)
        return
    if count.least:
        confirm(f"Retry {count}?", yes=yes)

    async def work(admin: bgjobs.Admin, progress: Progress) -> int:
        return await admin.retry_failed(
            name=selected.worker,
            search=selected.search,
            before=selected.before,
            progress=progress,
        )

    change_many(session, "retrying", "retried", work, count, with_json=with_json)


@click.command()
@ids_argument
@click.option(
    "--all", "all_of_them", is_flag=True, help="All waiting jobs, or those of --worker."
)
@worker_option
@click.option(
    "--reason", default="by hand", show_default=True, help="Stored as the error of the job."
)
@dry_run_option
@yes_option
@json_option
@pass_session
def cancel(
    session: CommandSession,
    job_ids: tuple[str, ...],
    worker: str | None,
    reason: str,
    *,
    all_of_them: bool,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Cancel waiting and running jobs.

    Waiting jobs fail at once. Running jobs are cancelled in the process that runs them.
    """
    if not reason.strip():
        raise CommandError("--reason: expected a text, found an empty one")
    check_selection(job_ids, all_of_them=all_of_them, is_narrowed=worker is not None)
    if job_ids:
        ids = resolve_ids(session, job_ids)
        _cancel_ids(session, ids, reason, dry_run=dry_run, with_json=with_json)
    else:
        _cancel_all(session, worker, reason, dry_run=dry_run, yes=yes, with_json=with_json)


def _cancel_ids(
    session: CommandSession, ids: Sequence[UUID], reason: str, *, dry_run: bool, with_json: bool
) -> None:
    if dry_run:
        preview_ids(session, ids, ("waiting", "delayed", "running"), with_json=with_json)
        return

    async def change(admin: bgjobs.Admin) -> Changed:
        found = await admin.cancel(*ids, reason=reason)
        return {"cancelled": found.ended, "asked": found.asked}

    change_ids(session, ids, change, with_json=with_json)


def _cancel_all(
    session: CommandSession,
    worker: str | None,
    reason: str,
    *,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    async def count_waiting(admin: bgjobs.Admin) -> Count:
        names = None if worker is None else [worker]
        counts = await admin.count(names, at_most=COUNT_LIMIT)
        return Count(min(counts.waiting + counts.delayed, COUNT_LIMIT), "waiting job")

    async def work(admin: bgjobs.Admin, progress: Progress) -> int:
        return await admin.cancel_waiting(name=worker, reason=reason, progress=progress)

    count = session.run(count_waiting)
    check_worker_or_jobs(session.config, worker, count.least)
    if dry_run:
        preview_count("would_cancel", "would cancel", count, with_json=with_json)
        return
    if count.least:
        confirm(f"Cancel {count}?", yes=yes)
    change_many(session, "cancelling", "cancelled", work, count, with_json=with_json)


@click.command()
@click.argument("texts", metavar="ID...", type=job_id, nargs=-1, required=True)
@delay_option
@at_option
@click.option("--priority", type=PRIORITY, help="Lower priorities run first.")
@dry_run_option
@json_option
@pass_session
def reschedule(
    session: CommandSession,
    texts: tuple[str, ...],
    delay: timedelta | None,
    at: datetime | None,
    priority: int | None,
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
            changed = await admin.reschedule(*changed, at=at, in_=delay)
        if priority is not None and changed:
            changed = await admin.change_priority(*changed, priority=priority)
        return {"changed": changed}

    change_ids(session, ids, change, with_json=with_json)
