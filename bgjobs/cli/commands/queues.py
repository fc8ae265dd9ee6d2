"""`bgjobs queues`: how full they are; pause them and let them go on."""

import click

from bgjobs.cli import completing, names
from bgjobs.cli import snapshot as looks
from bgjobs.cli.counting import AT_MOST
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, tables
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session

_name = click.argument("name", shell_complete=completing.queues)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def queues(context: click.Context, *, with_json: bool) -> None:
    """List the queues with their jobs, or pause one of them."""
    if context.invoked_subcommand is not None:
        return
    session = context.ensure_object(Session)
    config = session.config
    rows = session.administered(lambda admin: looks.queue_rows(admin, config))
    screen.answer(
        lambda: [as_json.queue(row) for row in rows],
        lambda: tables.queues(rows, AT_MOST),
        with_json=with_json,
    )


@queues.command()
@_name
@pass_session
def pause(session: Session, name: str) -> None:
    """Start no more jobs of this queue, on any node, until it is resumed."""
    names.check_queue(session.config, name)
    session.administered(lambda admin: admin.pause_queue(name))
    screen.line(f"queue {name} is paused on all nodes")


@queues.command()
@_name
@pass_session
def resume(session: Session, name: str) -> None:
    """Let this queue start jobs again."""
    names.check_queue(session.config, name)
    session.administered(lambda admin: admin.resume_queue(name))
    screen.line(f"queue {name} is open again")
