"""`AuditEntry`: what an operator did."""

from datetime import datetime
from typing import final
from uuid import UUID

from attrs import frozen

LONGEST_SUBJECT = 2_000
"""Characters after which the subject of an entry is cut."""


@final
@frozen(kw_only=True)
class AuditEntry:
    """What an operator did, when, and how many jobs were changed."""

    id: UUID
    at: datetime
    """When the action began, in UTC."""
    author: str | None
    """Who did it; None if the caller named no one."""
    action: str
    """The name of the method, such as ``"retry_all"``; with ``_schedule`` for a method of
    `ScheduleControl`, such as ``"pause_schedule"``."""
    subject: str
    """What was to be changed: ids of jobs, or the name of a worker, queue or scheduled job."""
    changed: int | None
    """How many jobs were changed or exported; 1 for a queue or a scheduled job. None if the
    action has not ended, its process died, or its end could not be recorded."""
