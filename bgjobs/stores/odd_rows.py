"""What is odd about rows that no process of bgjobs has written like that, for operators."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bgjobs._core.jobs import is_utf8
from bgjobs.stores.operations import Finding, LiveOwner

_LONGEST_LEASE = timedelta(seconds=1e9)
"""No `Config` takes a longer one."""
_SHOWN = 3


def owners_finding(owners: Sequence[LiveOwner | None]) -> Finding:
    """Judge the owners with a live lease; None stands for one that cannot be read."""
    unreadable = sum(owner is None for owner in owners)
    endless = [str(owner.id) for owner in owners if owner and owner.lease_left > _LONGEST_LEASE]
    if not (unreadable or endless):
        return Finding("owners", "ok", f"{len(owners):,} with a lease")
    found: list[str] = []
    if unreadable:
        found.append(f"{unreadable:,} cannot be read, and are not listed")
    if endless:
        shown = ", ".join(endless[:_SHOWN])
        found.append(
            f"{len(endless):,} with a lease longer than any setting allows ({shown}): what "
            "they have reserved is not given back until their rows are deleted"
        )
    return Finding("owners", "warning", "; ".join(found))


def pauses_finding(orders: Sequence[tuple[Any, ...]]) -> Finding:
    """Judge the pauses among the rows of orders.sql."""
    names = [text for job_id, text in orders if job_id is None]
    unreadable = sum(not is_utf8(name) for name in names)
    if unreadable:
        text = f"{unreadable:,} have names that cannot be read, and pause no queue"
        return Finding("paused queues", "warning", text)
    return Finding("paused queues", "ok", f"{len(names):,}")
