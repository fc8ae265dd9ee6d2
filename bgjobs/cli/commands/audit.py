"""`bgjobs audit`: what operators did."""

import click

import bgjobs
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, tables, terminal
from bgjobs.cli.session import CommandSession, pass_session


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="At most this many entries.",
)
@click.option("--author", metavar="NAME", help="Only what this author did.")
@click.option("--action", metavar="NAME", help="Only this action, such as retry_all.")
@json_option
@pass_session
def audit(
    session: CommandSession,
    limit: int,
    author: str | None,
    action: str | None,
    *,
    with_json: bool,
) -> None:
    """List what operators did, the newest first.

    An action without a number of changed jobs has not ended, or its process died.
    """
    page = bgjobs.Page(limit)
    found = session.run(lambda client: client.admin.audit(page, author=author, action=action))
    terminal.answer(
        lambda: [as_json.audit_entry(one) for one in found],
        lambda: tables.audit(found, session.zone),
        with_json=with_json,
    )
