"""How much of a worker may go on at once, on all nodes together."""

from collections.abc import Iterator
from typing import final

from attrs import frozen

from bgjobs._core.text import number_text
from bgjobs.errors import ConfigError

LONGEST_PERIOD = 86_400.0
"""Seconds; every start within a period is remembered."""
MOST_STARTS = 100_000


@final
@frozen
class RateLimit:
    """At most `allowed` jobs of a worker are reserved in any `period` seconds, anywhere.

    Counted by the clock of the store, at `Job.reserved_at`. A handler begins once the process
    has heard of the reservation, usually some milliseconds later, so the begins of two handlers
    may lie closer together than their reservations, by as much as that takes.
    """

    allowed: int
    period: float
    """Seconds; up to a day."""

    def __attrs_post_init__(self) -> None:
        problems = [*_problems_of_allowed(self.allowed), *_problems_of_period(self.period)]
        if problems:
            raise ConfigError(problems)


@final
@frozen
class Cap:
    """What a reservation has to keep to for the jobs of one worker."""

    name: str
    """The worker's."""
    running: int | None = None
    """At most so many are reserved at once."""
    rate: RateLimit | None = None


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
