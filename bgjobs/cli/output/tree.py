"""Shows a job with its descendants, which its nurseries and theirs have started."""

from collections.abc import Iterator

import bgjobs
from bgjobs.cli.output.as_json import Json
from bgjobs.cli.output.layout import Grid
from bgjobs.cli.output.tables import table

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


def _below(found: bgjobs.JobTree, depth: int = 0) -> Iterator[tuple[int, bgjobs.JobTree]]:
    for one in found.children:
        yield depth, one
        yield from _below(one, depth + 1)


def _facts(one: bgjobs.JobTree) -> tuple[str, str]:
    return ("", "deleted") if one.job is None else (one.job.name, one.job.state)
