"""What is written about a reserved job when its run is over.

A settlement carries the reservation as its fence and the new values of every counter as
absolute numbers: as long as the fence holds nobody else can have changed them.
"""

from datetime import timedelta
from typing import final

from attrs import field, frozen

from bgjobs._core.jobs import AttemptError, Reservation


@final
@frozen
class Succeed:
    """Move the job to the succeeded ones."""

    reservation: Reservation


@final
@frozen(kw_only=True)
class Fail:
    """Move the job to the failed ones, for good."""

    reservation: Reservation
    error: str = field(repr=False)
    attempts: int
    crashes: int
    interruptions: int
    errors: tuple[AttemptError, ...] = ()


@final
@frozen(kw_only=True)
class Requeue:
    """Give the reservation back, so that the job can be reserved again."""

    reservation: Reservation
    attempts: int
    crashes: int
    interruptions: int
    errors: tuple[AttemptError, ...] = ()
    delay: timedelta | None = None
    """Wait this long, counted from the database's now; None keeps the old `available_at`."""


@final
@frozen
class Drop:
    """Delete the job, which never started: the time that it was planned for has passed."""

    reservation: Reservation


Settlement = Succeed | Fail | Requeue | Drop
