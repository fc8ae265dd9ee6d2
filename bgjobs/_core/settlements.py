"""Settlements: what a queue or the monitor writes about a reserved job when its run has ended.

A settlement has the reservation as its fence, and the new values of all counters. They are
absolute numbers, because no other process can change them while the reservation is valid.
A `Report` has the same fence, and is written while the run goes on.
"""

from datetime import timedelta
from typing import final

from attrs import field, frozen

from bgjobs._core.history import HistoryEntry
from bgjobs._core.jobs import AttemptError, Reservation
from bgjobs._core.progress import Progress


@final
@frozen
class Succeed:
    """Move the job to the succeeded jobs."""

    reservation: Reservation
    result: str | None = field(default=None, repr=False)
    """The result as JSON text, if its worker keeps results."""


@frozen(kw_only=True)
class Counted:
    """What a run without success writes into the row of its job."""

    reservation: Reservation
    attempts: int
    crashes: int
    interruptions: int
    errors: tuple[AttemptError, ...] = ()
    history: tuple[HistoryEntry, ...] = ()


@final
@frozen(kw_only=True)
class Fail(Counted):
    """Move the job to the failed jobs."""

    error: str = field(repr=False)


@final
@frozen(kw_only=True)
class Cancel(Counted):
    """Move the job to the cancelled jobs."""

    reason: str = field(repr=False)
    by: str | None = None


@final
@frozen(kw_only=True)
class Requeue(Counted):
    """Release the reservation, so that the job can be reserved again."""

    delay: timedelta | None = None
    """The delay, counted from the database's present; None keeps the old `available_at`."""


@final
@frozen
class Drop:
    """Delete a job that did not start, because its occurrence is too late."""

    reservation: Reservation


Settlement = Succeed | Fail | Cancel | Requeue | Drop


@final
@frozen
class Report:
    """Store the progress of a job that is reserved, and stays so."""

    reservation: Reservation
    progress: Progress
