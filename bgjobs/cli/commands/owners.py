"""`bgjobs owners`: who runs queues now."""

from datetime import UTC, datetime

import click

from bgjobs.cli import as_json, screen, tables
from bgjobs.cli.options import json_option
from bgjobs.cli.session import Session, pass_session


@click.command()
@json_option
@pass_session
def owners(session: Session, *, with_json: bool) -> None:
    """List who runs queues now, on any node.

    An owner is one start of one queue.
    """
    found = session.administered(lambda admin: admin.owners())
    screen.answer(
        lambda: [as_json.owner(one) for one in found],
        lambda: tables.owners(found, datetime.now(UTC)),
        with_json=with_json,
    )
