"""`bgjobs status`: the whole on one screen."""

from collections.abc import Sequence
from typing import final

import click
from attrs import frozen
from rich.console import RenderableType

import bgjobs
from bgjobs.cli import snapshot as looks
from bgjobs.cli.counting import AT_MOST
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, tables
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session, pass_session


@final
@frozen
class _Status:
    store: str
    schema: bgjobs.Schema
    counts: bgjobs.Counts
    queues: Sequence[looks.QueueRow]
    owners: int
    schedules: Sequence[bgjobs.ScheduleState]
    unhandled: Sequence[bgjobs.UnhandledJobs]


@click.command()
@json_option
@pass_session
def status(session: Session, *, with_json: bool) -> None:
    """Show the store, its jobs, the queues and how many run them."""
    config = session.config
    found = session.administered(lambda admin: _ask(admin, config))
    screen.answer(lambda: _as_json(found), lambda: _drawn(found), with_json=with_json)


async def _ask(admin: bgjobs.Admin, config: bgjobs.Config) -> _Status:
    return _Status(
        config.store.label,
        await admin.schema(),
        await admin.count(at_most=AT_MOST),
        await looks.queue_rows(admin, config),
        len(await admin.owners()),
        await admin.schedules(),
        await admin.unhandled(),
    )


def _as_json(found: _Status) -> dict[str, as_json.Json]:
    return {
        "store": found.store,
        "schema": {"found": found.schema.found, "expected": found.schema.expected},
        "jobs": as_json.all_counts(found.counts),
        "queues": [as_json.queue(row) for row in found.queues],
        "owners": found.owners,
        "schedules": [as_json.schedule(state) for state in found.schedules],
        "unhandled": [as_json.unhandled(jobs) for jobs in found.unhandled],
    }


def _drawn(found: _Status) -> RenderableType:
    counts = tables.counts_text(found.counts, AT_MOST)
    paused = [state.name for state in found.schedules if state.paused]
    planned = f"{len(found.schedules)}"
    facts: list[tuple[str, str | int]] = [
        ("store", found.store),
        ("schema", f"version {found.schema.found}"),
        ("jobs", counts),
        ("owners", found.owners),
        ("schedules", f"{planned}, paused: {', '.join(paused)}" if paused else planned),
    ]
    if found.unhandled:
        told = ", ".join(f"{jobs.waiting:,} of {jobs.worker}" for jobs in found.unhandled)
        facts.append(("not run", f"{told}: see bgjobs doctor"))
    return tables.several(tables.facts(facts), tables.queues(found.queues, AT_MOST))
