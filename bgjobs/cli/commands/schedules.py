"""`bgjobs schedules`: show scheduled jobs; trigger, pause or resume one."""

from datetime import UTC, datetime

import click

import bgjobs
from bgjobs._core.text import visible
from bgjobs.cli.names import check_schedule, complete_schedules
from bgjobs.cli.options import by_option, json_option
from bgjobs.cli.output import as_json, tables, terminal
from bgjobs.cli.session import CommandSession, pass_session

_name = click.argument("name", shell_complete=complete_schedules)


@click.group(no_args_is_help=False)
def schedules() -> None:
    """Show scheduled jobs; trigger, pause or resume one."""


@schedules.command("list")
@json_option
@pass_session
def list_schedules(session: CommandSession, *, with_json: bool) -> None:
    """List the scheduled jobs with the next run of each."""
    states = session.run(lambda client: client.admin.schedules())
    terminal.answer(
        lambda: [as_json.schedule(state) for state in states],
        lambda: tables.schedules(states, datetime.now(UTC), session.zone),
        with_json=with_json,
    )


@schedules.command("next")
@click.argument("name", required=False, shell_complete=complete_schedules)
@click.option(
    "--count",
    type=click.IntRange(1, 1_000),
    default=5,
    show_default=True,
    help="Occurrences to show.",
)
@json_option
@pass_session
def next_runs(
    session: CommandSession, name: str | None, count: int, *, with_json: bool
) -> None:
    """Show the next occurrences of one schedule, or of each.

    They are computed without asking the store.
    """
    config = session.config
    selected = config.scheduled_jobs if name is None else [check_schedule(config, name)]
    if with_json:
        terminal.json(
            {job.name: as_json.preview(job.schedule.preview(count)) for job in selected}
        )
        return
    terminal.lines("\n\n".join(_preview(job, count) for job in selected))


def _preview(job: bgjobs.ScheduledJob, count: int) -> str:
    return f"{visible(f'{job.name}: {job.schedule.describe()}')}\n{job.schedule.preview(count)}"


@schedules.command()
@_name
@by_option
@json_option
@pass_session
def trigger(session: CommandSession, name: str, by: str | None, *, with_json: bool) -> None:
    """Run a scheduled job once now, in addition to its planned runs."""
    job = session.run(lambda client: client.admin.schedule(name).trigger(by=by))
    if with_json:
        terminal.json(as_json.job(job))
    else:
        terminal.line(f"enqueued {job.id}")


@schedules.command()
@_name
@by_option
@pass_session
def pause(session: CommandSession, name: str, by: str | None) -> None:
    """Start no run of this schedule until you resume it.

    This applies to all nodes.
    """
    session.run(lambda client: client.admin.schedule(name).pause(by=by))
    terminal.line(f"paused schedule {name} on all nodes")


@schedules.command()
@_name
@by_option
@pass_session
def resume(session: CommandSession, name: str, by: str | None) -> None:
    """Plan runs of this schedule again.

    Runs that were missed meanwhile are not made up.
    """
    session.run(lambda client: client.admin.schedule(name).resume(by=by))
    terminal.line(f"resumed schedule {name} on all nodes")
