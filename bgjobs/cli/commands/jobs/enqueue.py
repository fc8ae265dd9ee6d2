"""`bgjobs jobs enqueue`."""

import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import click

import bgjobs
from bgjobs.cli import arguments, completing, names
from bgjobs.cli.errors import Fault
from bgjobs.cli.options import PRIORITY, at_option, delay_option, json_option
from bgjobs.cli.output import as_json
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session
from bgjobs.cli.states import AnyJob, state_of
from bgjobs.errors import DuplicateJobError, UnknownJobError


@click.command()
@click.argument("worker", shell_complete=completing.workers)
@click.option("--args", metavar="JSON", default="[]", help="By position; - reads stdin.")
@click.option("--kwargs", metavar="JSON", default="{}", help="By name; - reads stdin.")
@delay_option
@at_option
@click.option("--priority", type=PRIORITY, default=0, help="Lower runs first; 0 unless said.")
@click.option("--unique", metavar="KEY", help="Not while another job of this key is live.")
@json_option
@pass_session
def enqueue(
    session: Session,
    worker: str,
    args: str,
    kwargs: str,
    delay: timedelta | None,
    at: datetime | None,
    priority: int,
    unique: str | None,
    *,
    with_json: bool,
) -> None:
    """Enqueue a job; its arguments are JSON and have to fit the worker."""
    if delay is not None and at is not None:
        raise Fault("expected --in or --at, found both")
    asked = arguments.request(
        names.check_worker(session.config, worker),
        arguments.array("--args", _text(args)),
        arguments.mapping("--kwargs", _text(kwargs)),
    )
    refined = _refined(asked, delay, at, priority, unique)
    job, is_new = session.administered(lambda admin: _enqueued(admin, refined))
    if with_json:
        shown = as_json.job(job, state_of(job, datetime.now(UTC)))
        screen.json({**shown, "is_new": is_new})
    elif is_new:
        screen.line(f"enqueued {job.id}")
    else:
        screen.line(f"nothing was enqueued: job {job.id} has this key")


_TRIES = 3


async def _enqueued(admin: bgjobs.Admin, asked: bgjobs.JobRequest) -> tuple[AnyJob, bool]:
    """Store a job, or find the one that has its unique key; return whether it is new."""
    for _ in range(_TRIES):
        try:
            return await admin.enqueue(asked), True
        except DuplicateJobError as error:
            if error.holder is None:  # only where two of one call have the same key
                raise
            with suppress(UnknownJobError):  # it was deleted meanwhile
                return await admin.get(error.holder), False
    return await admin.enqueue(asked), True


def _text(value: str) -> str:
    return sys.stdin.read() if value == "-" else value


def _refined(
    asked: bgjobs.JobRequest,
    delay: timedelta | None,
    at: datetime | None,
    priority: int,
    unique: str | None,
) -> bgjobs.JobRequest:
    try:
        if delay is not None:
            asked = asked.available_in(seconds=delay.total_seconds())
        if at is not None:
            asked = asked.available_at(at)
        if unique is not None:
            asked = asked.unique(unique, on_conflict="raise")
        return asked.priority(priority)
    except ValueError as error:
        raise Fault(str(error)) from None
