"""What operators do, recorded before and after it is done; and the entries that are kept.

An entry is written before the change, so there is no change without one, also if the process
dies. If it cannot be written, nothing is changed.
"""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import islice
from typing import final
from uuid import UUID

from anyio import move_on_after
from attrs import define

from bgjobs._core.arguments import check_name
from bgjobs._core.audit import LONGEST_SUBJECT
from bgjobs._core.ids import new_id
from bgjobs._core.requests import LONGEST_NAME
from bgjobs._core.text import clean_text
from bgjobs._runtime.cancellation import run_shielded
from bgjobs._runtime.services import ClientServices
from bgjobs.errors import StoreError
from bgjobs.events import AdminAction
from bgjobs.stores.operations import Operations, operations_of

NAMED_IDS = 3
"""Ids that a subject names; it counts the others."""
LONGEST_END = 5.0
"""Seconds for which the end of an action is tried to be recorded, also after a cancellation."""


@final
@define
class Action:
    """An action that was begun."""

    author: str | None
    """Who does it, without control characters."""
    changed: int | None = 0
    """How many jobs are changed so far; None while it is not known."""


@asynccontextmanager
async def audited(
    services: ClientServices, name: str, subject: str, by: str | None
) -> AsyncGenerator[Action]:
    """Record an action: its begin before the block, and after it how many jobs were changed.

    Yields:
        Action: The block counts the changed jobs in it. They are also recorded after an error
            or a cancellation, unless the count is None.

    Raises:
        StoreError: The begin cannot be recorded. The block is not run.
    """
    action, subject = Action(clean_author(by)), clean_text(subject, LONGEST_SUBJECT)
    operations, entry_id = operations_of(services.store), new_id()
    if operations is not None:
        now, begin = services.clock.store_now(), operations.begin_audit
        await services.dispatch.call(
            begin, entry_id, name, subject, author=action.author, now=now
        )
    try:
        yield action
    finally:
        if action.changed is not None:
            services.bus.emit(AdminAction, name, subject, action.changed)
            if operations is not None:
                await run_shielded(
                    partial(_end, services, operations, entry_id, action.changed)
                )


async def _end(
    services: ClientServices, operations: Operations, entry_id: UUID, changed: int
) -> None:
    """Record the end of an action; if that fails, which is reported, its entry stays open."""
    with move_on_after(LONGEST_END), suppress(StoreError):
        await services.dispatch.call(operations.end_audit, entry_id, changed)


def subject_of(job_ids: Collection[UUID]) -> str:
    """Return a text that names the first of these jobs, and counts the others."""
    named = ", ".join(str(one) for one in islice(job_ids, NAMED_IDS))
    others = len(job_ids) - NAMED_IDS
    return f"{named} and {others} more" if others > 0 else named


def clean_author(by: str | None) -> str | None:
    """Check who does something, and return the text without control characters."""
    if by is None:
        return None
    check_name("by", by)
    if not by.strip():
        raise ValueError("by: expected a text, found an empty one")
    return clean_text(by, LONGEST_NAME)
