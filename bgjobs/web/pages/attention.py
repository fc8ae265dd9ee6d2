"""What an operator should look at: findings of `doctor`, paused queues, silent processes."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import final

from attrs import frozen

from bgjobs import Client, Config, Finding, RunningProcess
from bgjobs.errors import StoreError
from bgjobs.web.pages.nodes import silent_from


@final
@frozen
class Concern:
    """One thing that needs attention."""

    what: str
    """What it is about, such as the name of a check or of a queue."""
    text: str
    path: str
    """The path of the page that shows more of it."""


async def read_concerns(client: Client, config: Config) -> Sequence[Concern]:
    """Return what needs attention now; it takes longer than the other reads of the page."""
    return [
        *_of_findings(await client.admin.diagnose()),
        *(
            Concern(name, "is paused in all processes", "/queues")
            for name in sorted(await client.admin.paused_queues())
        ),
        *_of_processes(await client.admin.processes(), silent_from(config)),
    ]


async def concerns_of(client: Client, config: Config) -> Sequence[Concern]:
    """Return what needs attention; that it cannot be read is a concern of its own."""
    try:
        return await read_concerns(client, config)
    except StoreError:
        text = "the database could not be examined; the log of the application has the reason"
        return [Concern("database", text, "/health")]


def _of_findings(findings: Sequence[Finding]) -> Iterator[Concern]:
    for one in sorted(findings, key=lambda one: one.level == "warning"):
        if one.level != "ok":
            yield Concern(one.check, one.text, "/health")


def _of_processes(found: Sequence[RunningProcess], silent: timedelta) -> Iterator[Concern]:
    for one in found:
        if one.silent_for >= silent:
            seconds = one.silent_for.total_seconds()
            text = f"has reported nothing for {seconds:,.0f} seconds"
            yield Concern(one.node, text, "/nodes")
