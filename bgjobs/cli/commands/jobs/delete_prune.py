"""`bgjobs jobs delete` and `prune`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal, TypeAlias
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
    by_option,
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
from bgjobs.cli.states import COUNT_LIMIT, Count, count, count_read, state_time

_UNREADABLE = bgjobs.JobFilter("unreadable")
_DELETABLE: Sequence[bgjobs.State] = (
    *("waiting", "delayed", "succeeded", "failed", "cancelled", "unreadable"),
)
_Ended: TypeAlias = Literal["succeeded", "failed", "cancelled"]
_Ages: TypeAlias = Mapping[_Ended, timedelta]
_VERBS: Mapping[_Ended, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "were cancelled",
}
_REASONS: dict[bgjobs.State, str] = {"running": "it is running: cancel it first"}


@click.command()
@click.argument("texts", metavar="[ID]...", type=job_id, nargs=-1)
@click.option("--unreadable", is_flag=True, help="All stored rows that are no jobs.")
@by_option
@dry_run_option
@yes_option
@json_option
@pass_session
def delete(
    session: CommandSession,
    texts: tuple[str, ...],
    by: str | None,
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
        _delete_unreadable(session, by, dry_run=dry_run, yes=yes, with_json=with_json)
        return
    ids = tuple(dict.fromkeys(resolve_ids(session, texts)))
    if dry_run:
        preview_ids(session, ids, _DELETABLE, with_json=with_json)
        return
    confirm(f"Delete {_text(ids)} for ever?", yes=yes)

    async def change(admin: bgjobs.Admin) -> Changed:
        return {"deleted": await admin.delete(*ids, by=by)}

    change_ids(session, ids, change, _REASONS, with_json=with_json)


def _text(ids: Sequence[UUID]) -> str:
    return f"job {ids[0]}" if len(ids) == 1 else f"{len(ids):,} jobs"


def _delete_unreadable(
    session: CommandSession, by: str | None, *, dry_run: bool, yes: bool, with_json: bool
) -> None:
    found = session.run(lambda client: count(client, _UNREADABLE))
    if dry_run:
        preview_count("would_delete", "would delete", found, with_json=with_json)
        return
    if found.least:
        confirm(f"Delete {found} for ever?", yes=yes)
    delete_each = partial(_delete_each, by)
    done = run_in_bulk(session, "deleting", found.exactly, delete_each) if found.least else 0
    if with_json:
        terminal.json({"deleted": done})
    else:
        terminal.line(f"deleted {done:,}")


async def _delete_each(by: str | None, client: bgjobs.Client, progress: Progress) -> int:
    """Delete unreadable rows, the newest first, so that newly found ones are mostly left."""
    done = 0
    page = bgjobs.Page()
    while found := await client.list(_UNREADABLE, page):
        done += len(await client.admin.delete(*(one.id for one in found), by=by))
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
@click.option(
    "--cancelled-for",
    type=duration,
    metavar="TIME",
    help="Delete jobs that were cancelled longer ago than this.",
)
@worker_option
@by_option
@dry_run_option
@yes_option
@json_option
@pass_session
def prune(
    session: CommandSession,
    succeeded_for: timedelta | None,
    failed_for: timedelta | None,
    cancelled_for: timedelta | None,
    worker: str | None,
    by: str | None,
    *,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Delete old ended jobs.

    By default these are the jobs beyond the retention of the application.
    """
    asked: Mapping[_Ended, timedelta | None] = {
        "succeeded": succeeded_for,
        "failed": failed_for,
        "cancelled": cancelled_for,
    }
    ages = _ages(session.config.retention, asked)
    if worker is not None:
        _check_worker(session, worker)
    if dry_run:
        found = session.run(lambda client: _count_older(client, worker, ages))
        preview_count("would_delete", "would delete", found, with_json=with_json)
        return
    of_worker = "" if worker is None else f" of worker {worker}"
    confirm(f"Delete for ever the jobs{of_worker} that {_older(ages)}?", yes=yes)

    async def work(client: bgjobs.Client, progress: Progress) -> int:
        return await client.admin.prune(
            name=worker,
            succeeded_for=ages.get("succeeded"),
            failed_for=ages.get("failed"),
            cancelled_for=ages.get("cancelled"),
            by=by,
            progress=progress,
        )

    change_many(session, "deleting", "deleted", work, None, with_json=with_json)


def _ages(retention: bgjobs.Retention, asked: Mapping[_Ended, timedelta | None]) -> _Ages:
    """Return how long ago jobs of each state must have ended, for those that are deleted."""
    kept: Mapping[_Ended, timedelta | None] = {
        "succeeded": retention.succeeded,
        "failed": retention.failed,
        "cancelled": retention.cancelled,
    }
    chosen = asked if any(age is not None for age in asked.values()) else kept
    ages: _Ages = {state: age for state, age in chosen.items() if age is not None}
    if not ages:
        raise CommandError(
            "expected --succeeded-for, --failed-for or --cancelled-for: the application keeps "
            "all jobs"
        )
    return ages


def _check_worker(session: CommandSession, worker: str) -> None:
    async def count_ended(client: bgjobs.Client) -> int:
        counts = await client.count([worker], at_most=1)
        return counts.succeeded + counts.failed + counts.cancelled

    check_worker_or_jobs(session.config, worker, session.run(count_ended))


def _older(ages: _Ages) -> str:
    parts = [
        f"{_VERBS[state]} more than {short_duration(age)} ago" for state, age in ages.items()
    ]
    return " or ".join(parts)


async def _count_older(client: bgjobs.Client, worker: str | None, ages: _Ages) -> Count:
    found = 0
    for state, age in ages.items():
        wanted = bgjobs.JobFilter(state, name=worker)
        found += await count_read(client, wanted, _is_older(age))
    return Count(min(found, COUNT_LIMIT), "ended job")


def _is_older(age: timedelta) -> Callable[[bgjobs.AnyJob], bool]:
    limit = datetime.now(UTC) - age
    return lambda job: state_time(job) < limit
