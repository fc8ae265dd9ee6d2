"""`bgjobs jobs prune`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click

import bgjobs
from bgjobs.cli import names
from bgjobs.cli.bulk import Progress, confirm, in_bulk
from bgjobs.cli.commands.jobs import selection as chosen
from bgjobs.cli.counting import AT_MOST, Count, read
from bgjobs.cli.errors import Fault
from bgjobs.cli.options import (
    dry_run_option,
    duration,
    json_option,
    worker_option,
    yes_option,
)
from bgjobs.cli.output import formats as ages
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.refusals import Refusals
from bgjobs.cli.session import Session, pass_session
from bgjobs.cli.states import AnyJob, moment_of


@click.command()
@click.option(
    "--succeeded-for",
    type=duration,
    metavar="TIME",
    help="Delete what succeeded longer ago than this, such as 7d.",
)
@click.option(
    "--failed-for",
    type=duration,
    metavar="TIME",
    help="Delete what failed longer ago than this.",
)
@worker_option
@dry_run_option
@yes_option
@json_option
@pass_session
def prune(
    session: Session,
    succeeded_for: timedelta | None,
    failed_for: timedelta | None,
    worker: str | None,
    *,
    dry_run: bool,
    yes: bool,
    with_json: bool,
) -> None:
    """Delete ended jobs that are old enough; unless you say, by the application's retention."""
    if succeeded_for is None and failed_for is None:
        retention = session.config.retention
        succeeded_for, failed_for = retention.succeeded, retention.failed
    if succeeded_for is None and failed_for is None:
        raise Fault("expected --succeeded-for or --failed-for: the application keeps all jobs")
    if worker is not None:
        _check(session, worker)
    ages = succeeded_for, failed_for
    if dry_run:
        count = session.administered(lambda admin: _count(admin, worker, *ages))
        chosen.tell_count("would_delete", "would delete", count, with_json=with_json)
        return
    of_worker = "" if worker is None else f" of worker {worker}"
    confirm(f"Delete for ever {_what(*ages)}{of_worker}?", yes=yes)

    async def work(admin: bgjobs.Admin, progress: Progress) -> int:
        return await admin.prune(
            name=worker, succeeded_for=succeeded_for, failed_for=failed_for, progress=progress
        )

    refusals = Refusals()
    done = in_bulk(session, "deleting", None, work, refusals)
    if with_json:
        screen.json({"deleted": done, "refused": refusals.ids})
    else:
        screen.line(f"deleted {done:,}")
    refusals.end()


def _check(session: Session, worker: str) -> None:
    async def ended(admin: bgjobs.Admin) -> int:
        counts = await admin.count([worker], at_most=1)
        return counts.succeeded + counts.failed

    names.check_found(session.config, worker, session.administered(ended))


def _what(succeeded_for: timedelta | None, failed_for: timedelta | None) -> str:
    parts = [
        f"what {verb} more than {ages.short(age)} ago"
        for verb, age in (("succeeded", succeeded_for), ("failed", failed_for))
        if age is not None
    ]
    return " and ".join(parts)


async def _count(
    admin: bgjobs.Admin,
    worker: str | None,
    succeeded_for: timedelta | None,
    failed_for: timedelta | None,
) -> Count:
    found = 0
    if succeeded_for is not None:
        found += await read(admin, "succeeded", _older_than(succeeded_for), worker)
    if failed_for is not None:
        found += await read(admin, "failed", _older_than(failed_for), worker)
    return Count(min(found, AT_MOST), "ended job")


def _older_than(age: timedelta) -> Callable[[AnyJob], bool]:
    limit = datetime.now(UTC) - age
    return lambda job: moment_of(job) < limit
