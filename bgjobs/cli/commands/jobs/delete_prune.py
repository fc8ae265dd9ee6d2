"""`bgjobs jobs delete` and `prune`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click

import bgjobs
from bgjobs.cli.commands.jobs.selection import (
    Changed,
    Progress,
    change_ids,
    change_many,
    confirm,
    preview_count,
    preview_ids,
    run_in_bulk,
)
from bgjobs.cli.errors import CommandError
from bgjobs.cli.names import check_worker_or_jobs, resolve_ids
from bgjobs.cli.options import (
    dry_run_option,
    duration,
    job_id,
    json_option,
    worker_option,
    yes_option,
)
from bgjobs.cli.output import terminal
from bgjobs.cli.output.formats import short_duration
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.cli.states import (
    COUNT_LIMIT,
    UNREADABLE,
    AnyJob,
    Count,
    State,
    count_read,
    count_unreadable,
    state_time,
)

_DELETABLE = ("waiting", "delayed", "succeeded", "failed", UNREADABLE)
_REASONS: dict[State, str] = {"running": "it is running: cancel it first"}


@click.command()
@click.argument("texts", metavar="[ID]...", type=job_id, nargs=-1)
@click.option("--unreadable", is_flag=True, help="All stored rows that are no jobs.")
@dry_run_option
@yes_option
@json_option
@pass_session
def delete(
    session: CommandSession,
    texts: tuple[str, ...],
    *,
    unreadable: bool,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Delete waiting and ended jobs for ever.

    Running jobs are refused: cancel them first.
    """
    if bool(texts) == unreadable:
        found = "both" if texts else "neither"
        raise CommandError(f"expected ids, or --unreadable; found {found}")
    if unreadable:
        _delete_unreadable(session, dry_run=dry_run, yes=yes, with_json=with_json)
        return
    ids = tuple(dict.fromkeys(resolve_ids(session, texts)))
    if dry_run:
        preview_ids(session, ids, _DELETABLE, with_json=with_json)
        return
    confirm(f"Delete {_text(ids)} for ever?", yes=yes)

    async def change(admin: bgjobs.Admin) -> Changed:
        return {"deleted": await admin.delete(*ids)}

    change_ids(session, ids, change, _REASONS, with_json=with_json)


def _text(ids: Sequence[UUID]) -> str:
    return f"job {ids[0]}" if len(ids) == 1 else f"{len(ids):,} jobs"


def _delete_unreadable(
    session: CommandSession, *, dry_run: bool, yes: bool, with_json: bool
) -> None:
    count = session.run(count_unreadable)
    if dry_run:
        preview_count("would_delete", "would delete", count, with_json=with_json)
        return
    if count.least:
        confirm(f"Delete {count} for ever?", yes=yes)
    done = run_in_bulk(session, "deleting", count.exactly, _delete_each) if count.least else 0
    if with_json:
        terminal.json({"deleted": done})
    else:
        terminal.line(f"deleted {done:,}")


async def _delete_each(admin: bgjobs.Admin, progress: Progress) -> int:
    """Delete unreadable rows, the newest first, so that newly found ones are mostly left."""
    done = 0
    page = bgjobs.Page()
    while found := await admin.unreadable(page):
        done += len(await admin.delete(*(one.id for one in found)))
        progress(done)
        page = page.behind(found)
    return done


@click.command()
@click.option(
    "--succeeded-for",
    type=duration,
    metavar="TIME",
    help="Delete jobs that succeeded longer ago than this, such as 7d.",
)
@click.option(
    "--failed-for",
    type=duration,
    metavar="TIME",
    help="Delete jobs that failed longer ago than this.",
)
@worker_option
@dry_run_option
@yes_option
@json_option
@pass_session
def prune(
    session: CommandSession,
    succeeded_for: timedelta | None,
    failed_for: timedelta | None,
    worker: str | None,
    *,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Delete old ended jobs.

    By default these are the jobs beyond the retention of the application.
    """
    if succeeded_for is None and failed_for is None:
        retention = session.config.retention
        succeeded_for, failed_for = retention.succeeded, retention.failed
    if succeeded_for is None and failed_for is None:
        raise CommandError(
            "expected --succeeded-for or --failed-for: the application keeps all jobs"
        )
    if worker is not None:
        _check_worker(session, worker)
    ages = succeeded_for, failed_for
    if dry_run:
        count = session.run(lambda admin: _count_older(admin, worker, *ages))
        preview_count("would_delete", "would delete", count, with_json=with_json)
        return
    of_worker = "" if worker is None else f" of worker {worker}"
    confirm(f"Delete for ever the jobs{of_worker} that {_older(*ages)}?", yes=yes)

    async def work(admin: bgjobs.Admin, progress: Progress) -> int:
        return await admin.prune(
            name=worker, succeeded_for=succeeded_for, failed_for=failed_for, progress=progress
        )

    change_many(session, "deleting", "deleted", work, None, with_json=with_json)


def _check_worker(session: CommandSession, worker: str) -> None:
    async def count_ended(admin: bgjobs.Admin) -> int:
        counts = await admin.count([worker], at_most=1)
        return counts.succeeded + counts.failed

    check_worker_or_jobs(session.config, worker, session.run(count_ended))


def _older(succeeded_for: timedelta | None, failed_for: timedelta | None) -> str:
    parts = [
        f"{verb} more than {short_duration(age)} ago"
        for verb, age in (("succeeded", succeeded_for), ("failed", failed_for))
        if age is not None
    ]
    return " or ".join(parts)


async def _count_older(
    admin: bgjobs.Admin,
    worker: str | None,
    succeeded_for: timedelta | None,
    failed_for: timedelta | None,
) -> Count:
    found = 0
    if succeeded_for is not None:
        found += await count_read(admin, "succeeded", _is_older(succeeded_for), worker)
    if failed_for is not None:
        found += await count_read(admin, "failed", _is_older(failed_for), worker)
    return Count(min(found, COUNT_LIMIT), "ended job")


def _is_older(age: timedelta) -> Callable[[AnyJob], bool]:
    limit = datetime.now(UTC) - age
    return lambda job: state_time(job) < limit
