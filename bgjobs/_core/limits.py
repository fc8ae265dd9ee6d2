"""Limits of the jobs of one worker, on all nodes together."""

from collections.abc import Iterator
from typing import final

from attrs import frozen

from bgjobs._core.text import number_text
from bgjobs.errors import ConfigError

LONGEST_PERIOD = 86_400.0
"""Seconds; the store remembers every start within a period."""
MOST_STARTS = 100_000


@final
@frozen
class RateLimit:
    """At most `allowed` jobs of a worker are reserved in any `period`, on all nodes together.

    The store counts reservations by its own clock, at `Job.reserved_at`. A handler starts when
    its process has received the reservation, usually some milliseconds later. So two handlers
    may start closer together than they were reserved, by that time.

    Raises:
        ConfigError: `allowed` or `period` is out of bounds or has the wrong type.
    """

    allowed: int
    """The number of jobs; 1 to 100,000."""
    period: float
    """The length of the period in seconds; above 0, up to a day."""

    def __attrs_post_init__(self) -> None:
        problems = [*_problems_of_allowed(self.allowed), *_problems_of_period(self.period)]
        if problems:
            raise ConfigError(problems)


@final
@frozen
class Cap:
    """The limits that reservations of the jobs of one worker must respect."""

    name: str
    """The name of the worker."""
    running: int | None = None
    """The largest number of jobs that are reserved at the same time; None for no limit."""
    rate: RateLimit | None = None
    """How many jobs are reserved within a period; None for no limit."""


def _problems_of_allowed(allowed: object) -> Iterator[str]:
    if type(allowed) is not int or not 1 <= allowed <= MOST_STARTS:
        yield f"RateLimit: allowed: expected 1 to {MOST_STARTS:,}, found {number_text(allowed)}"


def _problems_of_period(period: object) -> Iterator[str]:
    seconds = period if isinstance(period, int | float) and period is not True else 0
    if not 0 < seconds <= LONGEST_PERIOD:
        yield (
            f"RateLimit: period: expected seconds above 0 and up to {LONGEST_PERIOD:,.0f}, "
            f"found {number_text(period)}"
        )
