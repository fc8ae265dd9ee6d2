"""`bgjobs schedules`: when scheduled jobs run, and the switches of each."""

from datetime import UTC, datetime

import click

import bgjobs
from bgjobs.cli import completing, names
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, tables
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session
from bgjobs.visible import visible

_name = click.argument("name", shell_complete=completing.schedules)


@click.group(no_args_is_help=False)
def schedules() -> None:
    """Look at scheduled jobs, run one now, pause one."""


@schedules.command("list")
@json_option
@pass_session
def list_schedules(session: Session, *, with_json: bool) -> None:
    """List the scheduled jobs, with the next run of each."""
    states = session.administered(lambda admin: admin.schedules())
    screen.answer(
        lambda: [as_json.schedule(state) for state in states],
        lambda: tables.schedules(states, datetime.now(UTC), session.zone),
        with_json=with_json,
    )


@schedules.command("next")
@click.argument("name", required=False, shell_complete=completing.schedules)
@click.option("--count", type=click.IntRange(1, 1_000), default=5, show_default=True)
@json_option
@pass_session
def next_runs(session: Session, name: str | None, count: int, *, with_json: bool) -> None:
    """Show when a schedule, or each, recurs from now on; the store is not asked."""
    config = session.config
    chosen = config.scheduled_jobs if name is None else [names.check_schedule(config, name)]
    if with_json:
        screen.json({job.name: as_json.preview(job.schedule.preview(count)) for job in chosen})
        return
    screen.lines("\n\n".join(_preview(job, count) for job in chosen))


def _preview(job: bgjobs.ScheduledJob, count: int) -> str:
    return f"{visible(f'{job.name}: {job.schedule.describe()}')}\n{job.schedule.preview(count)}"


@schedules.command()
@_name
@json_option
@pass_session
def trigger(session: Session, name: str, *, with_json: bool) -> None:
    """Run a scheduled job once now, beside what is planned."""
    names.check_schedule(session.config, name)
    job = session.administered(lambda admin: admin.schedule(name).trigger())
    if with_json:
        screen.json(as_json.job(job, "waiting"))
    else:
        screen.line(f"enqueued {job.id}")


@schedules.command()
@_name
@pass_session
def pause(session: Session, name: str) -> None:
    """Let no run begin, on any node, until it is resumed."""
    names.check_schedule(session.config, name)
    session.administered(lambda admin: admin.schedule(name).pause())
    screen.line(f"schedule {name} is paused on all nodes")


@schedules.command()
@_name
@pass_session
def resume(session: Session, name: str) -> None:
    """Plan the next run; what was missed is not made up."""
    names.check_schedule(session.config, name)
    session.administered(lambda admin: admin.schedule(name).resume())
    screen.line(f"schedule {name} goes on")
