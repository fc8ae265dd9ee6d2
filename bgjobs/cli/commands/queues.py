"""`bgjobs queues` and `bgjobs owners`: the queues, their jobs, and what runs them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import click

import bgjobs
from bgjobs.cli.names import check_queue, complete_queues
from bgjobs.cli.options import by_option, json_option
from bgjobs.cli.output import as_json, queue_tables, terminal
from bgjobs.cli.output.formats import distinct_prefixes
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.cli.snapshot import QueueRow, queue_rows

_name = click.argument("name", shell_complete=complete_queues)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def queues(context: click.Context, *, with_json: bool) -> None:
    """List the queues with their jobs, pause or resume one."""
    if context.invoked_subcommand is not None:
        return
    session = context.ensure_object(CommandSession)
    config = session.config

    async def read(client: bgjobs.Client) -> Sequence[QueueRow]:
        return await queue_rows(client, config, await client.admin.owners())

    rows = session.run(read)
    terminal.answer(
        lambda: [as_json.queue(row) for row in rows],
        lambda: queue_tables.queues(rows),
        with_json=with_json,
    )


@queues.command()
@_name
@by_option
@pass_session
def pause(session: CommandSession, name: str, by: str | None) -> None:
    """Start no new jobs of this queue until you resume it.

    This applies to all nodes. Jobs that are running finish.
    """
    check_queue(session.config, name)
    session.run(lambda client: client.admin.pause_queue(name, by=by))
    terminal.line(f"paused queue {name} on all nodes")


@queues.command()
@_name
@by_option
@pass_session
def resume(session: CommandSession, name: str, by: str | None) -> None:
    """Start jobs of this queue again."""
    check_queue(session.config, name)
    session.run(lambda client: client.admin.resume_queue(name, by=by))
    terminal.line(f"resumed queue {name} on all nodes")


@click.command()
@json_option
@pass_session
def owners(session: CommandSession, *, with_json: bool) -> None:
    """List the queues that run now, on all nodes.

    An owner is one start of one queue.
    """
    found = session.run(lambda client: client.admin.owners())
    terminal.answer(
        lambda: [as_json.owner(one) for one in found],
        lambda: queue_tables.owners(found, datetime.now(UTC), _short_ids(found)),
        with_json=with_json,
    )


def _short_ids(found: Sequence[bgjobs.LiveOwner]) -> Mapping[UUID, str]:
    return distinct_prefixes([one.id for one in found]) if terminal.is_drawn() else {}
