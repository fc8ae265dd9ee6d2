"""Shows the parent of a job, and the descendants that its nurseries and theirs have started."""

from collections.abc import Iterator

import bgjobs
from bgjobs.cli.output.as_json import Json
from bgjobs.cli.output.layout import Grid
from bgjobs.cli.output.tables import table
from bgjobs.cli.states import Row

INDENT = "  "
"""What a child has before its id, once for each parent between it and the job."""


def drawn(found: bgjobs.JobTree) -> Grid:
    """Draw the descendants of a job, each below its parent and moved to the right."""
    rows = [(f"{INDENT * depth}{one.id}", *_facts(one)) for depth, one in _below(found)]
    return table(("children", "worker", "state"), rows)


def as_json(found: bgjobs.JobTree) -> list[Json]:
    """Return the children of a job, each with its own children."""
    return [
        {
            "id": str(one.id),
            "worker": None if one.job is None else one.job.name,
            "state": None if one.job is None else one.job.state,
            "children": as_json(one),
        }
        for one in found.children
    ]


def parent_text(job: bgjobs.AnyJob, parent: Row | bgjobs.Owner | None) -> str:
    """Return to whom a job belongs; empty if to no one."""
    if job.parent_id is None:
        return ""
    if parent is None:
        return f"{job.parent_id}, not stored any more"
    if isinstance(parent, bgjobs.Owner):
        return f"{job.parent_id}, the nursery of an application on {parent.node}"
    return str(job.parent_id)


def parent_kind(parent: Row | bgjobs.Owner | None) -> str | None:
    """Return what a parent is, for JSON; None if there is none, or none is stored."""
    if parent is None:
        return None
    return "application" if isinstance(parent, bgjobs.Owner) else "job"


def _below(found: bgjobs.JobTree, depth: int = 0) -> Iterator[tuple[int, bgjobs.JobTree]]:
    for one in found.children:
        yield depth, one
        yield from _below(one, depth + 1)


def _facts(one: bgjobs.JobTree) -> tuple[str, str]:
    return ("", "deleted") if one.job is None else (one.job.name, one.job.state)
