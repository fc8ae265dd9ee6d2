"""`bgjobs status`: the store, its jobs, queues and schedules on one terminal."""

from collections.abc import Sequence
from typing import final

import click
from attrs import frozen
from rich.console import RenderableType

import bgjobs
from bgjobs.cli.options import json_option
from bgjobs.cli.output import as_json, queue_tables, tables, terminal
from bgjobs.cli.session import CommandSession, pass_session
from bgjobs.cli.snapshot import QueueRow, queue_rows, waits_of
from bgjobs.cli.states import COUNT_LIMIT


@final
@frozen
class _Status:
    store: str
    schema: bgjobs.Schema
    counts: bgjobs.Counts
    queues: Sequence[QueueRow]
    owners: Sequence[bgjobs.LiveOwner]
    schedules: Sequence[bgjobs.ScheduleState]
    unhandled: Sequence[bgjobs.UnhandledJobs]


@click.command()
@json_option
@pass_session
def status(session: CommandSession, *, with_json: bool) -> None:
    """Show the store, its jobs, queues and schedules."""
    config = session.config
    found = session.run(lambda client: _read(client, config))
    terminal.answer(lambda: _as_json(found), lambda: _drawn(found), with_json=with_json)


async def _read(client: bgjobs.Client, config: bgjobs.Config) -> _Status:
    admin = client.admin
    owners = await admin.owners()
    return _Status(
        config.store.label,
        await admin.schema(),
        await client.count(at_most=COUNT_LIMIT),
        await queue_rows(client, config, owners),
        owners,
        await admin.schedules(),
        await admin.unhandled(),
    )


def _as_json(found: _Status) -> dict[str, as_json.Json]:
    return {
        "store": found.store,
        "schema": {"found": found.schema.found, "expected": found.schema.expected},
        "jobs": as_json.all_counts(found.counts, waits_of(found.owners)),
        "queues": [as_json.queue(row) for row in found.queues],
        "owners": len(found.owners),
        "schedules": [as_json.schedule(state) for state in found.schedules],
        "unhandled": [as_json.unhandled(jobs) for jobs in found.unhandled],
    }


def _drawn(found: _Status) -> RenderableType:
    counts = tables.counts_text(found.counts, waits_of(found.owners))
    paused = [state.name for state in found.schedules if state.paused]
    planned = f"{len(found.schedules)}"
    facts: list[tuple[str, str | int]] = [
        ("store", found.store),
        ("schema", f"version {found.schema.found}"),
        ("jobs", counts),
        ("owners", len(found.owners)),
        ("schedules", f"{planned}, paused: {', '.join(paused)}" if paused else planned),
    ]
    if found.unhandled:
        unhandled = ", ".join(f"{jobs.waiting:,} of {jobs.worker}" for jobs in found.unhandled)
        facts.append(("unhandled", f"{unhandled}: see bgjobs doctor"))
    return tables.stacked(tables.facts(facts), queue_tables.queues(found.queues))
