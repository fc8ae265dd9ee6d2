"""The processes that run queues, and the starts of queues and scheduled jobs in them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bgjobs import Config
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.pages.parts import part

MOST = 1_000
"""Rows of each table."""
MISSED = 3
"""Reports in a row that a process missed if it counts as silent."""
REPORT_INTERVAL = timedelta(seconds=30)
"""The time between two reports, unless heartbeats are rarer; see `Admin.processes`."""


def silent_from(config: Config) -> timedelta:
    """Return the time without a report after which a process counts as silent."""
    heartbeat = timedelta(seconds=config.heartbeat_interval)
    return MISSED * max(REPORT_INTERVAL, heartbeat)


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return the processes, and the owners of jobs with their leases."""
    processes = await part(page.client.admin.processes())
    owners = await part(page.client.admin.owners())
    return {
        "processes": None if processes is None else processes[:MOST],
        "owners": None if owners is None else owners[:MOST],
        "has_waits": any(one.waiting for one in owners or ()),
        "more_owners": len(owners or ()) - MOST,
        "silent_from": silent_from(page.config),
        "now": page.config.clock.now(),
    }


NODES = WebPage("/nodes", "Nodes", "nodes.html", load, live="nodes_live.html")
