"""`bgjobs owners`: who runs queues now."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import click

import bgjobs
from bgjobs.cli import prefixes
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, tables
from bgjobs.cli.output import terminal as screen
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
        lambda: tables.owners(found, datetime.now(UTC), _shown(found)),
        with_json=with_json,
    )


def _shown(found: Sequence[bgjobs.LiveOwner]) -> Mapping[UUID, str]:
    return prefixes.beginnings([one.id for one in found]) if screen.draws() else {}
