"""What else is cancelled with a job: its descendants that have not ended."""

from typing import Final

import bgjobs
from bgjobs.web.present.text import plural

MOST_COUNTED: Final = 1_000
"""Where counting stops: jobs of a tree, with its root."""


def taken_along(tree: bgjobs.JobTree) -> str:
    """Return words such as ``its 3 live descendants``; nothing if there are none."""
    root, *descendants = map(_is_live, tree)
    if not root:
        return ""
    if tree.is_cut:
        return f"those of its {MOST_COUNTED:,} or more descendants that are live"
    count = sum(descendants)
    return f"its {plural(count, 'live descendant')}" if count else ""


def _is_live(one: bgjobs.JobTree) -> bool:
    return isinstance(one.job, bgjobs.Job)
