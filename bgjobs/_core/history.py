"""What a job keeps of its past: reservations that have ended, and ends before a retry."""

from datetime import datetime
from typing import Literal, final
from uuid import UUID

from attrs import field, frozen

KEPT_HISTORY = 100
"""How many entries a row keeps, so that it does not grow without a bound."""

EndOfReservation = Literal[
    "failed", "discarded", "snoozed", "interrupted", "crashed", "cancelled", "released"
]
"""How a reservation ends without success."""


@final
@frozen(kw_only=True)
class PastReservation:
    """A reservation that ended without success."""

    number: int
    """How many times the job had been reserved, this time included."""
    owner: UUID
    """The id of the lease of the queue."""
    queue: str
    """The name of the queue; empty if it was not known any longer."""
    node: str
    """Host and process of the queue; empty as well if it was not known."""
    attempt: int
    """The number of the attempt, counted from 1."""
    reserved_at: datetime
    ended_at: datetime
    ended: EndOfReservation
    """``"failed"`` if the handler raised or timed out, ``"discarded"`` or ``"snoozed"`` if it
    raised `Discard` or `Snooze`, ``"interrupted"`` if the queue stopped, ``"crashed"`` if it
    died, ``"cancelled"`` if an operator cancelled the job, and ``"released"`` if the handler
    was not called."""


@final
@frozen(kw_only=True)
class PastEnd:
    """An end of the job before an operator retried it."""

    state: Literal["failed", "cancelled"]
    at: datetime
    """When the job ended."""
    text: str = field(repr=False)
    """The first line of the error or of the reason, cut to 200 characters."""
    by: str | None = None
    """Who cancelled the job; None if the caller named no one."""
    retried_at: datetime
    retried_by: str | None = None
    """Who retried it; None if the caller named no one."""


HistoryEntry = PastReservation | PastEnd
