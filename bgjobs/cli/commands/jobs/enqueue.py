"""`bgjobs jobs enqueue`."""

import sys
from datetime import datetime, timedelta

import click

import bgjobs
from bgjobs.cli import arguments, as_json, completing, names, screen
from bgjobs.cli.faults import Fault
from bgjobs.cli.options import PRIORITY, at_option, delay_option, json_option
from bgjobs.cli.session import Session, pass_session


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
    job = session.administered(lambda admin: admin.enqueue(refined))
    if with_json:
        screen.json(as_json.job(job, "delayed" if delay or at else "waiting"))
    else:
        screen.line(f"enqueued {job.id}")


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
            asked = asked.unique(unique)
        return asked.priority(priority)
    except ValueError as error:
        raise Fault(str(error)) from None
